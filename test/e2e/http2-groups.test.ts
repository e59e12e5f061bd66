import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { type FrameConnection, type FrameScript, startFrameServer } from "../kit/http2-frame-server.ts";
import { startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { type Composed, startComposed } from "./composed.ts";
import { request } from "./proxy.ts";

/* What groups of servers do, where the servers speak HTTP/2: each of these knows requests, and no connections. */

type Listening = { readonly port: number };

function startGroup(servers: readonly Listening[], upstream = "", rest = ""): Promise<Composed> {
  const text = `
listeners: [{ bind: "127.0.0.1:0", upstream: pool }]
upstreams:
  pool:
    servers: ${JSON.stringify(servers.map(({ port }) => `127.0.0.1:${port}`))}
    protocol: h2c
    balance: round_robin
    ${upstream}
${rest}
`;
  return startComposed(text);
}

/** Answers requests one after the other as it is told. */
function answering(answer: (connection: FrameConnection, id: number, index: number) => unknown): FrameScript {
  return async (connection) => {
    for (let i = 0; ; i++) {
      const id = await connection.request(i);
      await connection.until(() => connection.stream(id).ended);
      await answer(connection, id, i);
    }
  };
}

const works = answering((connection, id) => connection.answer(id, "works"));
const status = (code: number): FrameScript =>
  answering((connection, id) => connection.respond(id, code, [], true));
const resets = answering((connection, id) => connection.sendReset(id, Http2Error.InternalError));
const closes: FrameScript = async (connection) => {
  await connection.request(0);
  connection.close();
};
const hangs = answering(() => undefined);

describe("a request to a group of servers of HTTP/2", () => {
  const failures: Readonly<Record<string, readonly [FrameScript, string]>> = {
    "resets it": [resets, "retry: { attempts: 2, on: reset }"],
    "closes its connection": [closes, "retry: { attempts: 2, on: reset }"],
    "answers with an unwanted status": [status(503), "retry: { attempts: 2, on: [503] }"],
    "takes too long": [hangs, "retry: { attempts: 2, on: timeout, try_timeout: 200ms }"],
    "takes a while": [hangs, "retry: { attempts: 2, hedge_after: 200ms }"],
  };
  for (const [name, [script, retry]] of Object.entries(failures)) {
    test(`is answered by another one when a server ${name}`, async () => {
      await using bad = await startFrameServer(script);
      await using good = await startFrameServer(works);
      await using group = await startGroup([bad, good], retry);
      for (let i = 0; i < 4; i++) {
        const { status: code, body } = await group.get(`/${i}`);
        assert.deepEqual([code, body.toString()], [200, "works"]);
      }
      assert.ok(bad.connections.length > 0, "it was never asked");
    });
  }

  test("that lost to a hedge is reset, and its connection goes on", async () => {
    await using slow = await startFrameServer(
      answering(async (connection, id, i) => {
        if (i === 0) await connection.until(() => connection.stream(id).reset !== null);
        else await connection.answer(id, "slow");
      }),
    );
    await using quick = await startFrameServer(works);
    await using group = await startGroup([slow, quick], "retry: { attempts: 2, hedge_after: 100ms }");
    while (slow.connections.length === 0) assert.equal((await group.get()).body.toString(), "works");
    const [connection] = slow.connections;
    await connection!.until(() => connection!.stream(1).reset !== null);
    assert.equal(connection!.stream(1).reset, "CANCEL");
    const bodies = [await group.get(), await group.get()].map(({ body }) => body.toString());
    assert.deepEqual(bodies.toSorted(), ["slow", "works"]);
    assert.equal(slow.connections.length, 1);
  });

  test("with a body has all of it sent again", async () => {
    const bodies: string[] = [];
    const script = (code: number): FrameScript =>
      answering((connection, id) => {
        bodies.push(Buffer.concat(connection.stream(id).body).toString("latin1"));
        connection.respond(id, code, [], true);
      });
    await using bad = await startFrameServer(script(503));
    await using good = await startFrameServer(script(200));
    await using group = await startGroup(
      [bad, good],
      "retry: { attempts: 2, on: [503], non_idempotent: true }",
    );
    const body = patternBytes(60_000);
    for (let i = 0; i < 2; i++) {
      const client = await group.connect();
      void client.write(request("POST /", `Content-Length: ${body.length}`));
      void client.write(body);
      assert.equal((await client.readResponse()).status, 200);
    }
    assert.ok(bodies.length > 2, `${bodies.length} attempts`);
    for (const sent of bodies) assert.equal(sent, body.toString("latin1"));
  });

  test("goes where its client was before", async () => {
    const named = (name: string): Promise<Awaited<ReturnType<typeof startOrigin>>> =>
      startOrigin({ name, http2: true });
    await using a = await named("a");
    await using b = await named("b");
    const sticky = "sticky: { cookie: home, secret: 0123456789abcdef0123456789abcdef }";
    await using group = await startGroup([a, b], sticky);
    await using client = new Http2Client(group.port);
    const first = await client.get("/");
    const cookie = String(first.headers["set-cookie"]).split(";")[0]!;
    for (let i = 0; i < 6; i++) {
      const { headers } = await client.get("/", { cookie: `a=b; ${cookie}` });
      assert.equal(headers["x-origin"], first.headers["x-origin"]);
    }
  });

  test("has no more beside it than the server may have, on however few connections", async () => {
    await using origin = await startOrigin({ http2: true });
    const limits = "limits: { pending: 100, per_server: { requests: 3 } }";
    await using group = await startGroup([origin], limits);
    await using client = new Http2Client(group.port);
    const answers = Array.from({ length: 10 }, () => client.get("/held"));
    await until("three are under way", () => origin.requests.length === 3);
    await until("seven wait", () => group.group("pool").pending === 7);
    origin.release();
    while (origin.requests.length < 10) {
      const before = origin.requests.length;
      await until("more come", () => origin.requests.length > before);
      origin.release();
    }
    for (const { status: code } of await Promise.all(answers)) assert.equal(code, 200);
  });

  test("is copied to servers of either version, by those of either version", async () => {
    for (const [main, shadow] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      await using first = await startOrigin({ http2: main });
      await using second = await startOrigin({ http2: shadow });
      await using balancer = await startComposed(`
listeners:
  - bind: "127.0.0.1:0"
    routes: [{ upstream: main, mirror: { upstream: shadow } }]
upstreams:
  main: { servers: ["${first.address}"], protocol: ${main ? "h2c" : "http1"} }
  shadow: { servers: ["${second.address}"], protocol: ${shadow ? "h2c" : "http1"} }
`);
      await using client = new Http2Client(balancer.port);
      const { status: code } = await client.send(
        { ":method": "POST", ":path": "/upload" },
        patternBytes(300_000),
      );
      assert.equal(code, 200);
      await until("the copy is there", () => balancer.running.counters.copies === 1);
      assert.deepEqual([second.requests[0]?.method, second.requests[0]?.url], ["POST", "/upload"]);
    }
  });

  test("costs a server that fails its place, until it works again", async () => {
    let isBroken = true;
    await using bad = await startFrameServer(
      answering((connection, id) => connection.respond(id, isBroken ? 500 : 200, [], true)),
    );
    await using good = await startFrameServer(works);
    const passive = "passive_health: { consecutive_failures: 3, statuses: 5xx, ejection: 2s }";
    await using group = await startGroup([bad, good], passive);
    for (let i = 0; i < 12; i++) await group.get();
    assert.equal(group.server("pool", `127.0.0.1:${bad.port}`).state, "ejected");
    const asked = bad.connections[0]!.requests.length;
    for (let i = 0; i < 6; i++) assert.equal((await group.get()).status, 200);
    assert.equal(bad.connections[0]!.requests.length, asked);
    isBroken = false;
    await until("it is back", () => group.server("pool", `127.0.0.1:${bad.port}`).state === "up");
    for (let i = 0; i < 4; i++) await group.get();
    assert.ok(bad.connections[0]!.requests.length > asked);
  });
});
