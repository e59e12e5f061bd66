import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DiscoveryRig } from "../../../test/kit/discovery-rig.ts";
import { DnsServer } from "../../../test/kit/dns-server.ts";
import type { DiscoverySettings } from "../group-settings.ts";
import { createDiscovery } from "./create-discovery.ts";

const name = "web.example";

type DnsSettings = DiscoverySettings & { kind: "dns" };

function rigFor(server: DnsServer | null, changes: Partial<DnsSettings> = {}): DiscoveryRig {
  return new DiscoveryRig({
    kind: "dns",
    name,
    port: 80,
    family: 0,
    resolvers: server === null ? null : [server.address],
    shortest: 1_000,
    longest: 3_600_000,
    ...changes,
  });
}

describe("servers from A and AAAA records", () => {
  test("are both families in one order, whatever the order of the answer", async () => {
    await using server = await DnsServer.start();
    server.setAddresses(name, ["127.0.0.2", "::2", "127.0.0.1", "2001:db8:0:0::1"], 10);
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80", "127.0.0.2:80", "[2001:db8::1]:80", "[::2]:80"]);
    assert.deepEqual(rig.heard.lists[0]?.[0], {
      address: "127.0.0.1:80",
      weight: 1,
      priority: 0,
      zone: null,
    });
    server.setAddresses(name, ["::2", "2001:db8::1", "127.0.0.1", "127.0.0.2"], 10);
    await rig.pass(10_000);
    assert.equal(server.asked.length, 4);
    assert.equal(rig.heard.lists.length, 1, "the same servers in another order are no news");
    assert.deepEqual(rig.heard.errors, []);
  });

  for (const family of [4, 6] as const) {
    test(`are of family ${family} alone where that is wanted`, async () => {
      await using server = await DnsServer.start();
      server.setAddresses(name, ["127.0.0.1", "::1"]);
      using rig = await rigFor(server, { family }).start();
      assert.deepEqual(rig.heard.addresses, [family === 4 ? "127.0.0.1:80" : "[::1]:80"]);
      assert.equal(server.asked.length, 1);
    });
  }

  test("are looked up again when the first record is too old, and follow what changed", async () => {
    await using server = await DnsServer.start();
    server.set(name, "A", [
      { name, type: "A", ttl: 30, data: "127.0.0.1" },
      { name, type: "A", ttl: 20, data: "127.0.0.2" },
    ]);
    server.set(name, "AAAA", [{ name, type: "AAAA", ttl: 25, data: "::1" }]);
    using rig = await rigFor(server).start();
    server.setAddresses(name, ["127.0.0.3"], 5);
    rig.clock.advance(19_999);
    await new Promise(setImmediate);
    assert.equal(server.asked.length, 2);
    await rig.pass(1);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.3:80"]);
    assert.equal(server.asked.length, 4);
    server.setAddresses(name, ["127.0.0.3", "127.0.0.4"], 5);
    rig.clock.advance(4_999);
    await new Promise(setImmediate);
    assert.equal(server.asked.length, 4);
    await rig.pass(1);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.3:80", "127.0.0.4:80"]);
  });

  for (const [ttl, after] of [
    [0, 2_000],
    [1, 2_000],
    [100_000, 60_000],
  ] as const) {
    test(`are looked up again after ${after} ms when the record says ${ttl} s`, async () => {
      await using server = await DnsServer.start();
      server.setAddresses(name, ["127.0.0.1"], ttl);
      using rig = await rigFor(server, { shortest: 2_000, longest: 60_000, family: 4 }).start();
      rig.clock.advance(after - 1);
      await new Promise(setImmediate);
      assert.equal(server.asked.length, 1);
      await rig.pass(1);
      assert.equal(server.asked.length, 2);
    });
  }

  const failures = { "a failure": { code: 2 }, "no such name": { code: 3 }, "no address": {} } as const;
  const messages = {
    "a failure": /SERVFAIL/,
    "no such name": /there is no name/,
    "no address": /has no addr/,
  };
  for (const [what, reply] of Object.entries(failures)) {
    test(`stay after ${what}, which is said once, and are tried again, ever more slowly`, async () => {
      await using server = await DnsServer.start();
      server.setAddresses(name, ["127.0.0.1", "::1"], 60);
      using rig = await rigFor(server).start();
      server.script = () => reply;
      await rig.pass(60_000);
      for (const pause of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
        const before = rig.rounds;
        rig.clock.advance(pause - 1);
        await new Promise(setImmediate);
        assert.equal(rig.rounds, before, `before ${pause}`);
        await rig.pass(1);
      }
      assert.equal(rig.heard.lists.length, 1);
      assert.equal(rig.heard.errors.length, 1);
      assert.match(rig.heard.errors[0]!, /^addresses of web.example: /);
      assert.match(rig.heard.errors[0]!, messages[what as keyof typeof messages]);
      server.script = () => null;
      await rig.pass(30_000);
      assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80", "[::1]:80"]);
      assert.equal(rig.heard.lists.length, 2, "told once more: all is well");
      server.script = () => reply;
      await rig.pass(60_000);
      await rig.pass(1_000);
      assert.equal(rig.heard.errors.length, 2);
    });
  }

  test("of the family that can't be found out stay, those of the other one change", async () => {
    await using server = await DnsServer.start();
    server.setAddresses(name, ["127.0.0.1", "::1"], 60);
    using rig = await rigFor(server).start();
    server.setAddresses(name, ["127.0.0.2"], 60);
    server.set(name, "AAAA", { code: 2 });
    await rig.pass(60_000);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.2:80", "[::1]:80"]);
    assert.match(rig.heard.errors[0]!, /SERVFAIL/);
    server.set(name, "AAAA", []);
    await rig.pass(1_000);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.2:80"]);
  });

  test("may come later than the start", async () => {
    await using server = await DnsServer.start();
    using rig = await rigFor(server).start();
    assert.deepEqual(rig.heard.lists, []);
    assert.deepEqual(rig.heard.errors, ["addresses of web.example: there is no name web.example"]);
    server.setAddresses(name, ["127.0.0.1"]);
    await rig.pass(1_000);
    assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80"]);
  });

  for (const resolvers of [null, ["127.0.0.1:9"]]) {
    test(`are this machine's for localhost, and none is asked for, with ${resolvers ?? "the system's resolvers"}`, async () => {
      using rig = await rigFor(null, { name: "localhost", family: 4, resolvers }).start();
      assert.deepEqual(rig.heard.addresses, ["127.0.0.1:80"]);
    });

    test(`are the address itself where that is the name, with ${resolvers ?? "the system's resolvers"}`, async () => {
      using rig = await rigFor(null, { name: "::1", resolvers }).start();
      assert.deepEqual(rig.heard.addresses, ["[::1]:80"]);
    });
  }

  test("of names without a dot are asked of the name servers that were set", async () => {
    await using server = await DnsServer.start();
    server.setAddresses("web", ["127.0.0.7"]);
    using rig = await rigFor(server, { name: "web" }).start();
    assert.deepEqual(rig.heard.addresses, ["127.0.0.7:80"]);
  });

  test("aren't waited for any more after it was stopped", async () => {
    await using server = await DnsServer.start();
    server.script = () => ({ isSilent: true });
    using rig = rigFor(server);
    const started = rig.start();
    await server.untilAsked(2);
    rig.discovery.stop();
    await started;
    assert.deepEqual([rig.heard.lists, rig.heard.errors], [[], []]);
  });

  test("can't be looked for at a resolver that is none", () => {
    const { clock } = rigFor(null);
    const random = { next: () => 0 };
    for (const resolver of ["nowhere", "/run/dns.sock", ":53", "a:0"]) {
      const settings = { kind: "dns" as const, name, port: 80, family: 0 as const, resolvers: [resolver] };
      assert.throws(
        () => createDiscovery({ ...settings, shortest: 1, longest: 2 }, { clock, random }),
        RangeError,
      );
    }
  });
});
