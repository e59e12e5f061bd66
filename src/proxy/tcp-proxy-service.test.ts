import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { startDeafServer } from "../../test/kit/deaf-server.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { freePort } from "../../test/kit/ports.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { startTcpProxy } from "../../test/kit/stream-proxy.ts";
import { Counter } from "../base/counters.ts";

/** Answers every piece with the same bytes, and the client's end with its own. */
function startEcho(): Promise<RawOrigin> {
  return startRawOrigin(({ socket }) => {
    socket.pipe(socket);
  });
}

/** Says its name to everybody. */
function startNamed(name: string): Promise<RawOrigin> {
  return startRawOrigin([{ send: name }]);
}

async function echoes(client: RawClient, text: string): Promise<void> {
  void client.write(text);
  assert.equal((await client.readExactly(text.length)).toString(), text);
}

describe("a TCP proxy relays", () => {
  test("both ways, and passes the client's end on by itself", async () => {
    await using origin = await startRawOrigin([{ read: "end" }, { send: "answer" }, { close: "half" }]);
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    client.end("question");
    assert.equal((await client.readToEnd()).toString(), "answer");
    assert.equal(await origin.outcome(0), undefined);
    assert.match(await proxy.log.next("closed"), /^8 B up, 6 B down in \d+\.\d{3} s$/);
    assert.deepEqual(proxy.log.of("opened"), [`to 127.0.0.1:${origin.port}`]);
  });

  test("and passes the server's end on by itself", async () => {
    await using origin = await startRawOrigin([{ send: "hello" }, { close: "half" }, { read: "end" }]);
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    assert.equal((await client.readToEnd()).toString(), "hello");
    await client.write("still ");
    client.end("there");
    assert.equal(await origin.outcome(0), undefined);
    assert.match(await proxy.log.next("closed"), /^11 B up, 5 B down/);
  });

  test("a client's reset to the server", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    await echoes(client, "a");
    client.reset();
    const connection = await origin.connection(0);
    assert.equal(await connection.closed, "reset");
    assert.equal(await proxy.log.next("reset"), "by the client: ECONNRESET");
    assert.match(await proxy.log.next("closed"), /, by the client: ECONNRESET$/);
  });

  test("a server's reset to the client, also of one that has ended", async () => {
    await using origin = await startRawOrigin([{ read: 1 }, { close: "reset" }]);
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    client.end("a");
    assert.equal(await client.closed, "reset");
    assert.equal(await proxy.log.next("reset"), `by 127.0.0.1:${origin.port}: ECONNRESET`);
  });

  test("what a server sent last, also to a client that takes its time", async () => {
    await using directory = await createTemporaryDirectory();
    const size = 1_000_000;
    await using _origin = await startRawOrigin(
      [{ read: "end" }, { send: "x".repeat(size) }, { close: "half" }],
      {
        path: directory.join("origin"),
      },
    );
    const listen = `unix:${directory.join("proxy")}`;
    await using proxy = await startTcpProxy([`unix:${directory.join("origin")}`], { listen });
    await using client = await connectRaw({ path: directory.join("proxy") });
    client.end("a");
    client.pause();
    // Longer than a connection may linger that has nothing to say any more.
    await delay(3_000);
    client.resume();
    assert.equal((await client.readToEnd()).length, size);
    assert.match(await proxy.log.next("closed"), new RegExp(`^1 B up, ${size} B down in [\\d.]+ s$`));
  });

  test("between Unix sockets", async () => {
    await using directory = await createTemporaryDirectory();
    const paths = { listen: directory.join("proxy"), upstream: directory.join("origin") };
    await using _origin = await startRawOrigin([{ read: 2 }, { send: "ok" }, { close: "half" }], {
      path: paths.upstream,
    });
    const listen = `unix:${paths.listen}`;
    await using proxy = await startTcpProxy([`unix:${paths.upstream}`], {
      listen,
      maxConnectionsPerClient: 1,
    });
    await using other = await connectRaw({ path: paths.listen });
    await using client = await connectRaw({ path: paths.listen });
    for (const one of [client, other]) {
      await one.write("hi");
      assert.equal((await one.readToEnd()).toString(), "ok");
    }
    const [state] = proxy.service.connections();
    assert.equal(state?.client, "");
    assert.equal(state.upstream, `unix:${paths.upstream}`);
  });

  test("over IPv6", async () => {
    await using origin = await startRawOrigin([{ send: "six" }, { close: "half" }], { host: "::1" });
    await using proxy = await startTcpProxy([origin.address], { listen: "[::1]:0" });
    await using client = await connectRaw({ host: "::1", port: proxy.port });
    assert.equal((await client.readToEnd()).toString(), "six");
    assert.match(proxy.log.events[0]!.client, /^\[::1\]:\d+$/);
  });

  test("and reads nothing from a client before there is a server", async () => {
    await using deaf = await startDeafServer();
    await using proxy = await startTcpProxy([deaf.port], { connectTimeout: 1_000 });
    await using client = await connectRaw(proxy.port);
    const megabytes = 64;
    void client.write(Buffer.alloc(megabytes << 20));
    await proxy.log.next("connect-failed");
    // What the kernels' buffers hold, and no more.
    assert.ok(client.socket.writableLength > (megabytes / 2) << 20);
  });
});

describe("a TCP proxy tries its servers", () => {
  test("one after the other until a connection stands", async () => {
    await using origin = await startNamed("second");
    const dead = await freePort();
    await using proxy = await startTcpProxy([dead, origin.port]);
    for (let i = 0; i < 4; i++) {
      await using client = await connectRaw(proxy.port);
      assert.equal((await client.readExactly(6)).toString(), "second");
    }
    // The dead one is left alone for a while.
    assert.deepEqual(proxy.log.of("connect-failed"), [`ECONNREFUSED 127.0.0.1:${dead}`]);
    assert.equal(proxy.counters.get(Counter.upstreamConnectFailures), 1);
    assert.equal(proxy.counters.get(Counter.upstreamConnects), 4);
  });

  test("in turn", async () => {
    await using a = await startNamed("a");
    await using b = await startNamed("b");
    await using proxy = await startTcpProxy([a.port, b.port]);
    const names: string[] = [];
    for (let i = 0; i < 4; i++) {
      await using client = await connectRaw(proxy.port);
      names.push((await client.readExactly(1)).toString());
    }
    assert.deepEqual(names, ["a", "b", "a", "b"]);
  });

  test("and goes on when one doesn't answer in time", async () => {
    await using deaf = await startDeafServer();
    await using origin = await startNamed("alive");
    await using proxy = await startTcpProxy([deaf.port, origin.port], { connectTimeout: 300 });
    await using client = await connectRaw(proxy.port);
    assert.equal((await client.readExactly(5)).toString(), "alive");
    const detail = `127.0.0.1:${deaf.port} did not answer within 300 ms`;
    assert.deepEqual(proxy.log.of("connect-failed"), [detail]);
  });

  test("and ends the client's connection when there is none, whatever it sent, without holding up others", async () => {
    await using proxy = await startTcpProxy([await freePort()]);
    await using client = await connectRaw(proxy.port);
    void client.write(Buffer.alloc(300_000));
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(await client.closed, "end");
    await using origin = await startNamed("a");
    proxy.service.setUpstreams([`127.0.0.1:${origin.port}`]);
    await using next = await connectRaw(proxy.port);
    assert.equal((await next.readExactly(1)).toString(), "a");
    assert.throws(() => proxy.service.setUpstreams([]), TypeError);
  });

  test("and forgets a client that leaves meanwhile", async () => {
    await using deaf = await startDeafServer();
    await using proxy = await startTcpProxy([deaf.port, deaf.port], { connectTimeout: 400 });
    const client = await connectRaw(proxy.port);
    await until("it was accepted", () => proxy.service.connections().length === 1);
    client.destroy();
    await until("it is forgotten", () => proxy.service.connections().length === 0);
  });
});

describe("a TCP proxy limits", () => {
  test("connections", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { maxConnections: 2 });
    await using one = await connectRaw(proxy.port);
    const two = await connectRaw(proxy.port);
    await echoes(one, "1");
    await echoes(two, "2");
    await using three = await connectRaw(proxy.port);
    assert.equal((await three.readToEnd()).length, 0);
    assert.deepEqual(proxy.log.of("refused"), ["connection limit of 2 reached"]);
    await two[Symbol.asyncDispose]();
    await until("there is room again", () => proxy.service.connections().length === 1);
    await using four = await connectRaw(proxy.port);
    await echoes(four, "4");
  });

  test("connections of one client", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { maxConnectionsPerClient: 1 });
    await using one = await connectRaw(proxy.port);
    await echoes(one, "1");
    await using two = await connectRaw(proxy.port);
    assert.equal((await two.readToEnd()).length, 0);
    assert.deepEqual(proxy.log.of("refused"), ["connection limit of 1 per client reached"]);
    await using other = await connectRaw(proxy.port, { localAddress: "127.0.0.2" });
    await echoes(other, "o");
    await one[Symbol.asyncDispose]();
    await until("there is room again", () => proxy.service.connections().length === 1);
    await using three = await connectRaw(proxy.port);
    await echoes(three, "3");
  });

  test("silence", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { idleTimeout: 300 });
    await using client = await connectRaw(proxy.port);
    const from = performance.now();
    for (let i = 0; i < 8; i++) {
      await echoes(client, "a");
      await delay(100);
    }
    assert.ok(performance.now() - from > 750);
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(await proxy.log.next("timeout"), "idle for 300 ms");
    const connection = await origin.connection(0);
    assert.equal(await connection.closed, "end");
  });
});

describe("a TCP proxy is steered", () => {
  test("tells what it relays", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    await echoes(client, "hello");
    const [state, ...others] = proxy.service.connections();
    assert.deepEqual(others, []);
    const { age, ...rest } = state!;
    assert.ok(age >= 0 && age < 60_000);
    assert.deepEqual(rest, {
      id: "0.1",
      client: `127.0.0.1:${client.socket.localPort}`,
      upstream: `127.0.0.1:${origin.port}`,
      bytesUp: 5,
      bytesDown: 5,
      toxics: [],
    });
  });

  test("cuts one connection, or all, with a reset on both sides", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port]);
    const clients = [
      await connectRaw(proxy.port),
      await connectRaw(proxy.port),
      await connectRaw(proxy.port),
    ];
    for (const client of clients) await echoes(client, "a");
    proxy.service.cut("0.2");
    assert.equal(await clients[1]!.closed, "reset");
    await echoes(clients[0]!, "b");
    proxy.service.cut("0.99");
    proxy.service.cut();
    for (const client of clients) assert.equal(await client.closed, "reset");
    for (const connection of origin.connections) assert.equal(await connection.closed, "reset");
    await until("all are told", () => proxy.log.of("closed").length === 3);
    assert.deepEqual(proxy.log.of("reset"), ["cut", "cut", "cut"]);
  });

  test("lets connections finish when it is drained", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    await echoes(client, "a");
    const drained = proxy.drain(10_000);
    await echoes(client, "b");
    client.end();
    assert.equal((await client.readToEnd()).length, 0);
    await drained;
    assert.deepEqual(proxy.log.of("reset"), []);
  });

  test("ends everything when it is destroyed, without resets", async () => {
    await using origin = await startEcho();
    const proxy = await startTcpProxy([origin.port]);
    await using client = await connectRaw(proxy.port);
    await echoes(client, "a");
    proxy.service.destroy();
    assert.equal(await client.closed, "end");
    assert.equal(await (await origin.connection(0)).closed, "end");
    await proxy[Symbol.asyncDispose]();
  });
});
