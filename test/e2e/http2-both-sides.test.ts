import assert from "node:assert/strict";
import { test } from "node:test";
import { Http2Client } from "../kit/http2-client.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;

test("a call from HTTP/2 to HTTP/2 keeps its fields, its pieces and its trailers", async () => {
  await using origin = await startOrigin({ http2: true });
  await using proxy = await startProxy({ origin, peer });
  await using client = new Http2Client(proxy.port);
  const trailed = await client.get("/trailers", { te: "trailers" });
  assert.equal(trailed.body.toString(), "body\n");
  assert.deepEqual([trailed.trailers?.["x-first"], trailed.trailers?.["x-second"]], ["1", "2"]);
  const echoed = await client.send(
    { ":method": "POST", ":path": "/echo", te: "trailers", cookie: ["a=1", "b=2"] },
    "hello",
  );
  const echo = JSON.parse(echoed.body.toString()) as EchoAnswer;
  assert.deepEqual([echo.httpVersion, echo.body], ["2.0", "hello"]);
  const fields = echo.rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ${echo.rawHeaders[i + 1]}` : ""));
  for (const line of ["te: trailers", "cookie: a=1; b=2", ":path: /echo"])
    assert.ok(fields.includes(line), line);
});

test("streams of one client become streams of one connection, each with its own end", async () => {
  await using origin = await startOrigin({ http2: true });
  await using proxy = await startProxy({ origin, peer });
  await using client = new Http2Client(proxy.port);
  await client.get("/");
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.get(`/bytes/${i * 3000}`)));
  for (const [i, { body }] of answers.entries()) assert.deepEqual(body, patternBytes(i * 3000));
  const [cut, dropped, well] = await Promise.all(
    ["/cut/1000", "/drop", "/bytes/70000"].map((path) => client.get(path)),
  );
  assert.notEqual(cut?.code, 0);
  assert.equal(dropped?.status, 502);
  assert.equal(well?.body.length, 70_000);
  assert.equal(origin.connectionCount, 1);
});
