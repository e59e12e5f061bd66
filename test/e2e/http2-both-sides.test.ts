import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { constants } from "node:http2";
import { test } from "node:test";
import { AccessLog } from "../../src/observe/access-log.ts";
import { LogSink } from "../../src/observe/log-sink.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
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

test("the access log tells each stream's request as one, however it ended", async () => {
  await using origin = await startOrigin({ http2: true });
  await using folder = await createTemporaryDirectory();
  const path = folder.join("access.log");
  const sink = new LogSink(path);
  {
    await using proxy = await startProxy({ origin, peer, observer: new AccessLog(sink, "json") });
    await using client = new Http2Client(proxy.port);
    for (const target of ["/bytes/1000", "/status/404", "/drop", "/cut/500"]) await client.get(target);
    await client.send({ ":method": "POST", ":path": "/upload" }, patternBytes(70_000));
    const left = client.open({ ":path": "/held" });
    await origin.request(5);
    left.close(constants.NGHTTP2_CANCEL);
    await proxy.settled(1);
  }
  await sink.close();
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const told = ["target", "protocol", "status", "bytes_received", "bytes_sent", "upstream_reused", "error"];
  const rows = entries.map((entry) => told.map((key) => entry[key]));
  const [upload] = rows.splice(4, 1);
  assert.deepEqual(upload?.slice(0, 4), ["/upload", "HTTP/2", 200, 70_000]);
  assert.deepEqual(rows, [
    ["/bytes/1000", "HTTP/2", 200, 0, 1000, false, null],
    ["/status/404", "HTTP/2", 404, 0, 4, true, null],
    ["/drop", "HTTP/2", 502, 0, 21, true, "UPSTREAM_RESET"],
    ["/cut/500", "HTTP/2", 200, 0, 500, true, "UPSTREAM_RESET"],
    ["/held", "HTTP/2", 0, 0, 0, true, "DOWNSTREAM_CLOSED"],
  ]);
});
