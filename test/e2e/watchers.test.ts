import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpClient } from "../../src/proxy/http-client.ts";
import type { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import { RecordingWatcher } from "../kit/recording-watcher.ts";
import { answering, ok, type ProxyOptions, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

interface Watched extends AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly origin: RawOrigin;
  readonly watcher: RecordingWatcher;
}

/** A proxy before a server of which a watcher hears. */
async function watch(script: RawScript, options: ProxyOptions<undefined> = {}): Promise<Watched> {
  const watcher = new RecordingWatcher();
  const origin = await startRawOrigin(script);
  const phases = { upstreamPeer: () => watcher.peer(origin.port), ...options.phases };
  const proxy = await startProxy({ ...options, phases });
  const dispose = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
    assert.equal(watcher.active, 0, "an attempt was never ended");
  };
  return { proxy, origin, watcher, [Symbol.asyncDispose]: dispose };
}

describe("a peer's watcher", () => {
  test("hears of each attempt once, on new connections and used ones", async () => {
    await using watched = await watch(answering(ok()));
    const client = await watched.proxy.connect();
    for (let i = 0; i < 3; i++) assert.equal((await client.exchange(request("GET /"))).status, 200);
    const { begun, statuses, ends, times, vain } = watched.watcher;
    assert.deepEqual([begun, statuses, ends], [3, [200, 200, 200], [null, null, null]]);
    assert.deepEqual([times.length, vain], [3, []]);
  });

  test("hears that no connection came about", async () => {
    const watcher = new RecordingWatcher();
    await using proxy = await startProxy({ phases: { upstreamPeer: () => watcher.peer(1) } });
    await (await proxy.connect()).exchange(request("GET /"));
    assert.deepEqual([watcher.statuses, watcher.ends], [[], ["UPSTREAM_CONNECT_REFUSED"]]);
  });

  test("hears that an exchange failed, before its response and within", async () => {
    await using closing = await watch([{ read: "request" }, { close: "both" }]);
    await (await closing.proxy.connect()).exchange(request("GET /"));
    assert.deepEqual([closing.watcher.statuses, closing.watcher.ends], [[], ["UPSTREAM_CLOSED"]]);

    const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    await using breaking = await watch([{ read: "request" }, { send: half }, { close: "both" }]);
    const client = await breaking.proxy.connect();
    await assert.rejects(client.exchange(request("GET /")), /ended|reset/);
    assert.deepEqual([breaking.watcher.statuses, breaking.watcher.ends], [[200], ["UPSTREAM_CLOSED"]]);
  });

  test("hears that the client has left", async () => {
    await using watched = await watch([{ read: "request" }]);
    const client = await watched.proxy.connect();
    void client.write(request("GET /"));
    await until("the server is asked", () => watched.watcher.active === 1);
    client.reset();
    await watched.proxy.settled();
    assert.deepEqual(watched.watcher.ends, ["DOWNSTREAM_CLOSED"]);
    assert.equal(watched.watcher.vain.length, 1);
  });

  test("hears of repeated attempts, and of those that a filter ends", async () => {
    const script: RawScript = async (connection) => {
      await connection.readRequest();
      if (watched.origin.connections.length === 1) connection.end();
      else void connection.write(ok());
    };
    await using watched = await watch(script, {
      phases: {
        upstreamPeer: () => watched.watcher.peer(watched.origin.port),
        errorWhileProxy: (_, __, error) => {
          error.retry = "yes";
        },
        upstreamResponseFilter: (session) => {
          session.response = null;
          session.respond({ status: 299 });
        },
      },
    });
    const client = await watched.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 299);
    assert.deepEqual(watched.watcher.ends, ["UPSTREAM_CLOSED", null]);
  });

  test("hears of a tunnel until it is closed", async () => {
    const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    const echo: RawScript = async (connection) => {
      await connection.readRequest();
      await connection.write(upgrade);
      await connection.write(await connection.readExactly(5));
      await connection.readToEnd();
      connection.end();
    };
    await using upgraded = await watch(echo);
    const socket = await upgraded.proxy.connect();
    void socket.write(request("GET /", "Connection: upgrade", "Upgrade: echo"));
    assert.match(await socket.readHead(), / 101 /);
    void socket.write("hello");
    assert.equal((await socket.readExactly(5)).toString(), "hello");
    assert.deepEqual([upgraded.watcher.statuses, upgraded.watcher.ends], [[101], []]);
    socket.end();
    await upgraded.proxy.settled();
    assert.deepEqual(upgraded.watcher.ends, [null]);
  });

  test("hears of a CONNECT, also of one that is cut", async () => {
    await using watched = await watch([], { allowConnect: true });
    const client = await watched.proxy.connect();
    void client.write(request("CONNECT far.example:443"));
    assert.match(await client.readHead(), / 200 /);
    assert.deepEqual([watched.watcher.statuses, watched.watcher.active], [[200], 1]);
    client.reset();
    await watched.proxy.settled();
    assert.deepEqual(watched.watcher.ends, ["DOWNSTREAM_CLOSED"]);
  });

  test("may refuse; another peer is chosen then, in the same try", async () => {
    const tries: number[] = [];
    const full = new RecordingWatcher();
    full.most = 0;
    await using watched = await watch(answering(ok()), {
      phases: {
        upstreamPeer: async ({ tries: current }): Promise<HttpPeer> => {
          tries.push(current);
          return tries.length < 4 ? full.peer(1) : watched.watcher.peer(watched.origin.port);
        },
      },
    });
    const client = await watched.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.deepEqual([tries, full.refused, full.ends], [[1, 1, 1, 1], 3, []]);
  });

  test("isn't asked for ever", async () => {
    const full = new RecordingWatcher();
    full.most = 0;
    await using proxy = await startProxy({ phases: { upstreamPeer: () => full.peer(1) } });
    const response = await (await proxy.connect()).exchange(request("GET /"));
    assert.deepEqual([response.status, full.begun], [503, 0]);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_OVERLOADED");
    assert.ok(full.refused > 1);
  });

  test("hears nothing of a peer that is chosen when the session is over", async () => {
    const chosen = Promise.withResolvers<void>();
    await using watched = await watch(answering(ok()), {
      phases: {
        upstreamPeer: async () => {
          await chosen.promise;
          return watched.watcher.peer(watched.origin.port);
        },
      },
    });
    const client = await watched.proxy.connect();
    void client.write(request("GET /"));
    await until("it is asked", () => watched.proxy.count("requestsActive") === 1);
    client.reset();
    await watched.proxy.settled();
    chosen.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(watched.watcher.begun, 0);
  });
});

describe("the watcher of a client's peer", () => {
  test("hears of requests, how they ended, and of the second one behind a dead connection", async () => {
    await using origin = await startRawOrigin(async (connection) => {
      await connection.readRequest();
      void connection.write(ok());
      await connection.readRequest();
      connection.end();
    });
    const watcher = new RecordingWatcher();
    const peer = watcher.peer(origin.port);
    using client = new HttpClient();
    await (await client.request(peer)).text();
    await (await client.request(peer)).text();
    assert.deepEqual(
      [watcher.statuses, watcher.ends],
      [
        [200, 200],
        [null, "UPSTREAM_CLOSED", null],
      ],
    );
    (await client.request(peer)).cancel();
    assert.equal(watcher.active, 0);
  });

  test("hears of failures and of requests that are given up, and may refuse", async () => {
    await using origin = await startRawOrigin([{ read: "request" }]);
    const watcher = new RecordingWatcher();
    using client = new HttpClient();
    await assert.rejects(client.request(watcher.peer(1)), { code: "UPSTREAM_CONNECT_REFUSED" });
    const controller = new AbortController();
    const asked = client.request(watcher.peer(origin.port), { signal: controller.signal });
    await origin.connection(0);
    controller.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    assert.deepEqual(watcher.ends, ["UPSTREAM_CONNECT_REFUSED", null]);
    watcher.most = 0;
    await assert.rejects(client.request(watcher.peer(origin.port)), { code: "UPSTREAM_OVERLOADED" });
    assert.equal(watcher.active, 0);
  });
});
