import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until, untilQuick } from "../../test/kit/deadline.ts";
import { closureOf, connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { createFaults, startTcpProxy, toxic } from "../../test/kit/stream-proxy.ts";
import { builtinToxics } from "../chaos/toxics/index.ts";

function startEcho(): Promise<RawOrigin> {
  return startRawOrigin(({ socket }) => {
    socket.pipe(socket);
  });
}

async function roundTrip(client: RawClient, text: string): Promise<number> {
  const from = performance.now();
  void client.write(text);
  assert.equal((await client.readExactly(text.length)).toString(), text);
  return performance.now() - from;
}

describe("faults on a TCP proxy", () => {
  test("refuse connections with a reset as they come, and leave those that stand", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using old = await connectRaw(proxy.port);
    await roundTrip(old, "a");
    faults.add(toxic("down", { attributes: { keep: true } }));
    assert.equal(await closureOf(proxy.port), "reset");
    await roundTrip(old, "b");
    assert.deepEqual(proxy.log.of("refused"), ["denied"]);
    faults.remove("down");
    await using next = await connectRaw(proxy.port);
    await roundTrip(next, "c");
    assert.equal(origin.connections.length, 2);
  });

  test("put off the connection to the server, not that of the client", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    faults.add(toxic("connect_delay", { attributes: { delay: 300 } }));
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    const early = roundTrip(client, "early");
    await until("it was accepted", () => proxy.service.connections().length === 1);
    assert.equal(proxy.service.connections()[0]?.upstream, "");
    assert.ok((await early) > 290);
    await untilQuick(250, () => roundTrip(client, "late"));
  });

  test("reach connections that stand, and leave them again", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    await roundTrip(client, "a");
    faults.add(toxic("latency", { attributes: { latency: 200 } }));
    assert.ok((await roundTrip(client, "b")) > 195);
    assert.deepEqual(proxy.service.connections()[0]?.toxics, ["latency"]);
    faults.remove("latency");
    await untilQuick(150, () => roundTrip(client, "c"));
    faults.add(toxic("latency", { stream: "upstream", attributes: { latency: 200 } }));
    assert.ok((await roundTrip(client, "d")) > 195);
  });

  test("draw lots apart for connections that they reach together", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    const clients = await Promise.all(Array.from({ length: 40 }, () => connectRaw(proxy.port)));
    for (const client of clients) await roundTrip(client, "a");
    faults.add(toxic("noop", { toxicity: 0.5 }));
    const hit = proxy.service.connections().filter(({ toxics }) => toxics.length > 0).length;
    assert.ok(hit > 5 && hit < 35, `${hit} of 40`);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });

  test("reset both sides, also when the client has ended its direction", async () => {
    await using origin = await startRawOrigin(() => {});
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    client.end("a");
    const connection = await origin.connection(0);
    await connection.readToEnd();
    faults.add(toxic("down"));
    assert.equal(await client.closed, "reset");
    assert.match(await proxy.log.next("closed"), /^1 B up, 0 B down in .* s, by toxic down$/);
    assert.deepEqual(proxy.log.of("reset"), ["by toxic down"]);
    // One that has read the end hears of a reset when it writes.
    await until("the server's side is gone", () => {
      void connection.write("b");
      return connection.socket.destroyed;
    });
  });

  test("close a connection behind what was passed on", async () => {
    await using origin = await startRawOrigin([{ send: "x".repeat(1000) }]);
    const faults = createFaults(builtinToxics);
    faults.add(toxic("limit_data", { attributes: { bytes: 100 } }));
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    assert.equal((await client.readToEnd()).length, 100);
    assert.equal(await (await origin.connection(0)).closed, "end");
    assert.match(await proxy.log.next("closed"), /, by toxic limit_data$/);
    assert.deepEqual(proxy.log.of("reset"), []);
  });

  test("time silent connections out", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    await roundTrip(client, "a");
    faults.add(toxic("idle_timeout", { attributes: { timeout: 100 } }));
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(await proxy.log.next("timeout"), "by toxic idle_timeout");
  });

  test("keep nothing of a proxy that is ended or cut, whatever they hold", async () => {
    await using origin = await startEcho();
    for (const end of ["destroy", "cut"] as const) {
      const faults = createFaults(builtinToxics);
      faults.add(toxic("bandwidth", { stream: "upstream", attributes: { rate: 0 } }));
      await using proxy = await startTcpProxy([origin.port], {}, faults);
      await using client = await connectRaw(proxy.port);
      client.end("never passed on");
      await until("it is held", () => proxy.service.connections()[0]?.toxics.length === 1);
      await delay(50);
      proxy.service[end]();
      await until("nothing is left", () => proxy.service.connections().length === 0);
    }
  });

  test("don't keep what lingers: neither a client that doesn't read nor a server that doesn't end", async () => {
    // Neither side closes: the server goes on, the client has stopped reading.
    await using origin = await startRawOrigin(({ socket }) => {
      socket.write(Buffer.alloc(50_000_000));
    });
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], {}, faults);
    await using client = await connectRaw(proxy.port);
    client.pause();
    await until("all buffers are full", () => (proxy.service.connections()[0]?.bytesDown ?? 0) > 1_000_000);
    client.destroy();
    await until("the connection is gone", () => proxy.service.connections().length === 0);
    await using silent = await connectRaw(proxy.port);
    await silent.readSome();
    faults.add(toxic("idle_timeout", { stream: "upstream", attributes: { timeout: 10 } }));
    silent.resume();
    await until("the other is gone too", () => proxy.service.connections().length === 0);
  });
});
