import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { createFaults, toxic } from "../../test/kit/stream-proxy.ts";
import { openUdp, startUdpEcho, startUdpProxy, type UdpPeer } from "../../test/kit/udp.ts";
import { Counter } from "../base/counters.ts";
import { builtinToxics } from "../chaos/toxics/index.ts";
import { encodeProxyHeader, parseProxyHeader } from "../net/proxy-protocol.ts";

describe("a UDP proxy relays", () => {
  test("datagrams of each client by a session of its own, and answers from where it listens", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port]);
    await using one = await openUdp();
    await using two = await openUdp();
    one.send("a", proxy.port);
    two.send("b", proxy.port);
    await until("both are answered", () => one.received.length === 1 && two.received.length === 1);
    assert.equal(one.received[0]?.from.port, proxy.port);
    assert.deepEqual([await one.next(), await two.next()], ["a", "b"]);
    const sources = new Set(origin.received.map(({ from }) => from.port));
    assert.equal(sources.size, 2);
    assert.equal(await one.ask("a second", proxy.port), "a second");
    assert.equal(proxy.service.connections().length, 2);
    const { age: _age, ...state } = proxy.service.connections()[0]!;
    assert.deepEqual(state, {
      id: "0.1",
      client: `127.0.0.1:${one.port}`,
      upstream: `127.0.0.1:${origin.port}`,
      bytesUp: 9,
      bytesDown: 9,
      toxics: [],
    });
  });

  test("empty datagrams and large ones", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port]);
    await using client = await openUdp();
    assert.equal(await client.ask("", proxy.port), "");
    const large = "x".repeat(60_000);
    assert.equal(await client.ask(large, proxy.port), large);
  });

  for (const [listen, host] of [
    ["[::1]:0", "::1"],
    [":0", "::1"],
    [":0", "127.0.0.1"],
    ["localhost:0", "127.0.0.1"],
  ] as const) {
    test(`on ${listen}, for ${host}`, async () => {
      await using origin = await startUdpEcho("", "::1");
      await using proxy = await startUdpProxy([`[::1]:${origin.port}`], { listen });
      // `localhost` is whatever the machine says it is.
      const target = listen.startsWith("localhost") && proxy.address.startsWith("[") ? "::1" : host;
      await using client = await openUdp(target);
      assert.equal(await client.ask("hello", proxy.port, target), "hello");
      const shown = target === "::1" ? `[::1]:${client.port}` : `127.0.0.1:${client.port}`;
      assert.equal(proxy.service.connections()[0]?.client, shown);
    });
  }

  test("to servers in turn, session by session", async () => {
    await using a = await startUdpEcho("a");
    await using b = await startUdpEcho("b");
    await using proxy = await startUdpProxy([a.port, `localhost:${b.port}`]);
    const answers: string[] = [];
    for (let i = 0; i < 4; i++) {
      await using client = await openUdp();
      answers.push(await client.ask("", proxy.port), await client.ask("", proxy.port));
    }
    assert.equal(answers.join(""), "aabbaabb");
  });

  test("on one address in several threads", async () => {
    await using origin = await startUdpEcho();
    await using one = await startUdpProxy([origin.port], {}, null, true);
    await using two = await startUdpProxy([origin.port], { listen: one.address }, null, true);
    const clients: UdpPeer[] = [];
    const count = (): number => one.service.connections().length;
    while (count() === 0 || two.service.connections().length === 0) {
      assert.ok(clients.length < 100);
      const client = await openUdp();
      clients.push(client);
      await client.ask("a", one.port);
      await client.ask("b", one.port);
    }
    assert.equal(count() + two.service.connections().length, clients.length);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });
});

describe("a UDP proxy copes", () => {
  test("with a server that isn't there, and with one that comes back", async () => {
    const origin = await startUdpEcho();
    const { port } = origin;
    await origin[Symbol.asyncDispose]();
    await using proxy = await startUdpProxy([port]);
    await using client = await openUdp();
    for (let i = 0; i < 3; i++) {
      client.send("a", proxy.port);
      await proxy.log.next("connect-failed");
      await delay(10);
    }
    // Told once, for all that goes wrong until something goes right.
    assert.deepEqual(proxy.log.of("connect-failed"), [`ECONNREFUSED 127.0.0.1:${port}`]);
    await using _back = await startUdpEcho("", "127.0.0.1", port);
    // The first one may still be met by the error of the one before.
    client.send("b", proxy.port);
    client.send("b", proxy.port);
    assert.equal(await client.next(), "b");
    assert.equal(proxy.service.connections().length, 1);
  });

  test("with a dead server beside a living one", async () => {
    await using origin = await startUdpEcho();
    const gone = await openUdp();
    await gone[Symbol.asyncDispose]();
    await using proxy = await startUdpProxy([gone.port, origin.port]);
    await using first = await openUdp();
    first.send("a", proxy.port);
    await proxy.log.next("connect-failed");
    for (let i = 0; i < 3; i++) {
      await using client = await openUdp();
      assert.equal(await client.ask("b", proxy.port), "b");
    }
  });

  test("with a name that leads nowhere", async () => {
    await using proxy = await startUdpProxy(["nowhere.invalid:53"]);
    await using client = await openUdp();
    client.send("a", proxy.port);
    assert.match(await proxy.log.next("connect-failed"), /^(ENOTFOUND|EAI_AGAIN) nowhere\.invalid:53$/);
    await proxy.log.next("closed");
    assert.equal(proxy.counters.get(Counter.upstreamConnectFailures), 1);
    assert.equal(proxy.counters.get(Counter.connectionsOpen), 0);
  });

  test("with more clients than it may have, by forgetting who has been silent longest", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port], { maxConnections: 2, idleTimeout: 0 });
    await using one = await openUdp();
    await using two = await openUdp();
    await using three = await openUdp();
    await one.ask("1", proxy.port);
    await two.ask("2", proxy.port);
    await one.ask("1", proxy.port);
    proxy.service.change({ ...proxy.service.settings, idleTimeout: 60_000 });
    await three.ask("3", proxy.port);
    const clients = proxy.service.connections().map(({ client }) => client);
    assert.deepEqual(clients, [`127.0.0.1:${one.port}`, `127.0.0.1:${three.port}`]);
    assert.match(proxy.log.of("closed")[0]!, /, made room for another$/);
    assert.equal(await two.ask("2", proxy.port), "2");
  });

  test("with one client that wants too many", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port], { maxConnectionsPerClient: 1 });
    await using one = await openUdp();
    await using two = await openUdp();
    await using other = await openUdp("127.0.0.2");
    await one.ask("1", proxy.port);
    two.send("2", proxy.port);
    assert.equal(await proxy.log.next("refused"), "session limit of 1 per client reached");
    assert.equal(await other.ask("o", proxy.port), "o");
    assert.equal(two.received.length, 0);
  });

  test("with clients that fall silent", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port], { idleTimeout: 300 });
    await using client = await openUdp();
    for (let i = 0; i < 5; i++) {
      await client.ask("a", proxy.port);
      await delay(120);
    }
    assert.equal(proxy.log.of("opened").length, 1);
    assert.match(await proxy.log.next("closed"), /^5 B up, 5 B down in .* s, silent for 300 ms$/);
    assert.equal(await client.ask("b", proxy.port), "b");
    assert.equal(proxy.log.of("opened").length, 2);
  });
});

describe("a UDP proxy speaks PROXY protocol", () => {
  test("in front of every datagram", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port], { sendProxyProtocol: 2 });
    await using client = await openUdp();
    const answer = Buffer.from(await client.ask("hello", proxy.port), "latin1");
    const header = parseProxyHeader(answer, 0, answer.length);
    assert.ok(header.kind === "complete");
    assert.deepEqual(header.addresses, {
      source: { address: "127.0.0.1", port: client.port },
      destination: { address: "127.0.0.1", port: proxy.port },
    });
    assert.equal(answer[13], 0x12);
    assert.equal(answer.toString("latin1", header.length), "hello");
  });

  test("and understands it", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port], { acceptProxyProtocol: true });
    await using balancer = await openUdp();
    const destination = { address: "192.0.2.9", port: 53 };
    for (const port of [1, 2, 1]) {
      const header = encodeProxyHeader(2, { source: { address: "192.0.2.1", port }, destination }, "udp");
      balancer.send(Buffer.concat([header, Buffer.from("q")]), proxy.port);
      assert.equal(await balancer.next(), "q");
    }
    const clients = proxy.service.connections().map(({ client }) => client);
    assert.deepEqual(clients, ["192.0.2.1:1", "192.0.2.1:2"]);
    balancer.send("q", proxy.port);
    assert.equal(await proxy.log.next("refused"), "PROXY protocol: no PROXY header");
    balancer.send(encodeProxyHeader(2, null).subarray(0, 10), proxy.port);
    assert.equal(await proxy.log.next("refused", 1), "PROXY protocol: no whole header");
  });

  test("but not version 1", async () => {
    await assert.rejects(async () => await startUdpProxy([1], { sendProxyProtocol: 1 }), TypeError);
  });
});

describe("a UDP proxy is steered", () => {
  test("cuts sessions, leads new ones elsewhere, and drains", async () => {
    await using a = await startUdpEcho("a");
    await using b = await startUdpEcho("b");
    await using proxy = await startUdpProxy([a.port]);
    await using client = await openUdp();
    assert.equal(await client.ask("1", proxy.port), "a1");
    proxy.service.setUpstreams([`127.0.0.1:${b.port}`]);
    assert.equal(await client.ask("2", proxy.port), "a2");
    proxy.service.cut("0.7");
    proxy.service.cut("0.1");
    assert.deepEqual(proxy.log.of("reset"), ["cut"]);
    assert.equal(await client.ask("3", proxy.port), "b3");
    const drained = proxy.service.drain();
    assert.equal(await client.ask("4", proxy.port), "b4");
    await using other = await openUdp();
    other.send("5", proxy.port);
    assert.equal(await proxy.log.next("refused"), "shutting down");
    await drained;
    assert.equal(proxy.service.connections().length, 0);
  });

  test("by faults that come and go", async () => {
    await using origin = await startUdpEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startUdpProxy([origin.port], {}, faults);
    await using client = await openUdp();
    await client.ask("a", proxy.port);
    faults.add(toxic("latency", { attributes: { latency: 150 } }));
    const from = performance.now();
    await client.ask("b", proxy.port);
    assert.ok(performance.now() - from > 145);
    assert.deepEqual(proxy.service.connections()[0]?.toxics, ["latency"]);
    faults.remove("latency");
    faults.add(toxic("down"));
    await proxy.log.next("reset");
    client.send("c", proxy.port);
    assert.equal(await proxy.log.next("refused"), "denied");
    faults.remove("down");
    assert.equal(await client.ask("d", proxy.port), "d");
  });
});

describe("a UDP proxy whose address others take over", () => {
  test("goes on with its sessions, and has no others", async () => {
    await using origin = await startUdpEcho();
    await using before = await startUdpProxy([origin.port], {}, null, true);
    await using client = await openUdp();
    assert.equal(await client.ask("one", before.port), "one");
    const listen = `127.0.0.1:${before.port}`;
    await using after = await startUdpProxy([origin.port], { listen }, null, true);
    const retired = before.service.retire();
    for (let i = 0; i < 20; i++) {
      await using other = await openUdp();
      assert.equal(await other.ask("others", before.port), "others");
      assert.equal(await client.ask("two", before.port), "two");
    }
    // Some may have come before its socket was closed.
    const [old, fresh] = [before, after].map(({ service }) => service.connections().length);
    assert.ok(fresh! > 0);
    assert.equal(old! + fresh!, 21);
    assert.equal(new Set(origin.received.map(({ from }) => from.port)).size, 21);
    before.service.cut();
    await retired;
    assert.equal(await client.ask("three", before.port), "three");
    assert.equal(after.service.connections().length, fresh! + 1);
  });

  test("leaves senders to them whose sessions end while their sockets are opened", async () => {
    await using origin = await startUdpEcho();
    await using before = await startUdpProxy([origin.port], {}, null, true);
    await using client = await openUdp();
    await client.ask("one", before.port);
    const listen = `127.0.0.1:${before.port}`;
    await using after = await startUdpProxy([origin.port], { listen }, null, true);
    const retired = before.service.retire();
    before.service.cut();
    await retired;
    assert.equal(await client.ask("two", before.port), "two");
    assert.equal(after.service.connections().length, 1);
  });
});
