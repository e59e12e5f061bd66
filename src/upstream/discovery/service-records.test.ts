import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Answer } from "dns-packet";
import { DiscoveryRig } from "../../../test/kit/discovery-rig.ts";
import { DnsServer } from "../../../test/kit/dns-server.ts";

const name = "_http._tcp.web.example";

function rigFor(server: DnsServer): DiscoveryRig {
  const resolvers = [server.address];
  return new DiscoveryRig({ kind: "srv", name, resolvers, shortest: 1_000, longest: 3_600_000 });
}

function srv(target: string, port: number, priority: number, weight: number, ttl: number = 60): Answer {
  return { name, type: "SRV", ttl, data: { target, port, priority, weight } };
}

describe("servers from SRV records", () => {
  test("have their port, priority and weight, at each address of the target", async () => {
    await using server = await DnsServer.start();
    server.set(name, "SRV", [
      srv("b.example", 81, 1, 10),
      srv("a.example", 80, 0, 0),
      srv("A.example.", 82, 0, 60_000),
    ]);
    server.setAddresses("a.example", ["127.0.0.1", "::1"]);
    server.setAddresses("b.example", ["127.0.0.2"]);
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.lists, [
      [
        { address: "127.0.0.1:80", weight: 1, priority: 0, zone: null },
        { address: "127.0.0.1:82", weight: 1000, priority: 0, zone: null },
        { address: "[::1]:80", weight: 1, priority: 0, zone: null },
        { address: "[::1]:82", weight: 1000, priority: 0, zone: null },
        { address: "127.0.0.2:81", weight: 10, priority: 1, zone: null },
      ],
    ]);
    assert.equal(server.asked.length, 5, "each target is asked for once");
    assert.deepEqual(rig.heard.errors, []);
  });

  test("keep the proportions of weights that are too large", async () => {
    await using server = await DnsServer.start();
    const weights = [60_000, 20_000, 30, 0];
    server.set(name, "SRV", [
      ...weights.map((weight, i) => srv("a.example", 80 + i, 0, weight)),
      srv("a.example", 90, 1, 7),
    ]);
    server.setAddresses("a.example", ["127.0.0.1"]);
    using rig = await rigFor(server).start();
    assert.deepEqual(
      rig.heard.lists[0]?.map(({ weight }) => weight),
      [1000, 333, 1, 1, 7],
    );
  });

  test("have the addresses that came along, and the target isn't asked for", async () => {
    await using server = await DnsServer.start();
    const additionals: Answer[] = [
      { name: "a.example", type: "A", ttl: 7, data: "127.0.0.1" },
      { name: "a.example", type: "AAAA", ttl: 9, data: "::1" },
      { name: "elsewhere.example", type: "A", ttl: 1, data: "127.0.0.9" },
    ];
    server.set(name, "SRV", { answers: [srv("a.example", 80, 0, 5)], additionals });
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80", "[::1]:80"]);
    assert.equal(server.asked.length, 1);
    rig.clock.advance(6_999);
    await new Promise(setImmediate);
    assert.equal(server.asked.length, 1);
    await rig.pass(1);
    assert.equal(server.asked.length, 2);
  });

  test("are looked up again when the first record of all is too old, and follow what changed", async () => {
    await using server = await DnsServer.start();
    server.set(name, "SRV", [srv("a.example", 80, 0, 5, 50), srv("b.example", 80, 0, 5, 40)]);
    server.setAddresses("a.example", ["127.0.0.1"], 30);
    server.setAddresses("b.example", ["127.0.0.2"], 300);
    using rig = await rigFor(server).start();
    const asked = server.asked.length;
    rig.clock.advance(29_999);
    await new Promise(setImmediate);
    assert.equal(server.asked.length, asked);
    server.set(name, "SRV", [srv("a.example", 81, 0, 7, 10)]);
    await rig.pass(1);
    assert.deepEqual(rig.heard.lists.at(-1), [
      { address: "127.0.0.1:81", weight: 7, priority: 0, zone: null },
    ]);
    server.set(name, "SRV", [srv("a.example", 81, 0, 8, 10)]);
    await rig.pass(10_000);
    assert.equal(rig.heard.lists.at(-1)?.[0]?.weight, 8);
    assert.deepEqual(rig.heard.errors, []);
  });

  test("of a target that can't be resolved stay as they were, and the others change", async () => {
    await using server = await DnsServer.start();
    server.set(name, "SRV", [srv("a.example", 80, 0, 5), srv("b.example", 80, 0, 5)]);
    server.setAddresses("a.example", ["127.0.0.1"]);
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80"]);
    assert.deepEqual(rig.heard.errors, [`SRV records of ${name}: there is no name b.example`]);
    server.setAddresses("b.example", ["127.0.0.2"]);
    await rig.pass(1_000);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80", "127.0.0.2:80"]);
    server.setAddresses("a.example", ["127.0.0.3"]);
    server.setAddresses("b.example", []);
    await rig.pass(60_000);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.2:80", "127.0.0.3:80"]);
    assert.match(rig.heard.errors[1]!, /b.example has no address/);
  });

  const failures: Readonly<Record<string, readonly [reply: { code?: number; answers?: Answer[] }, RegExp]>> =
    {
      "the look-up fails": [{ code: 2 }, /SERVFAIL/],
      "there is no such name": [{ code: 3 }, /there is no name _http/],
      "there is no record": [{}, /offers no service/],
      "the service isn't offered": [{ answers: [srv(".", 0, 0, 0)] }, /offers no service/],
      "no target can be found": [{ answers: [srv("x.example", 1, 0, 0)] }, /there is no name x.example/],
    };
  for (const [what, [reply, message]] of Object.entries(failures)) {
    test(`stay when ${what}, and it is tried again`, async () => {
      await using server = await DnsServer.start();
      server.set(name, "SRV", [srv("a.example", 80, 0, 5)]);
      server.setAddresses("a.example", ["127.0.0.1"]);
      using rig = await rigFor(server).start();
      server.script = ({ type }) => (type === "SRV" ? reply : null);
      await rig.pass(60_000);
      assert.match(rig.heard.errors[0]!, message);
      assert.equal(rig.heard.lists.length, 1);
      await rig.pass(1_000);
      assert.deepEqual([rig.heard.errors.length, rig.heard.lists.length], [1, 1]);
      server.script = () => null;
      await rig.pass(2_000);
      assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80"]);
      assert.equal(rig.heard.lists.length, 2, "told once more: all is well");
    });
  }

  test("that lead to the same place are one: the one that is used first", async () => {
    await using server = await DnsServer.start();
    server.set(name, "SRV", [
      srv("a.example", 80, 1, 9),
      srv("b.example", 80, 0, 3),
      srv("c.example", 80, 0, 4),
    ]);
    for (const target of ["a.example", "b.example", "c.example"]) server.setAddresses(target, ["127.0.0.1"]);
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.lists, [[{ address: "127.0.0.1:80", weight: 4, priority: 0, zone: null }]]);
  });

  test("of targets that are addresses need no look-up", async () => {
    await using server = await DnsServer.start();
    server.set(name, "SRV", [srv("127.0.0.4", 80, 0, 5)]);
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.addresses, ["127.0.0.4:80"]);
    assert.equal(server.asked.length, 1);
  });
});
