import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup } from "../../test/kit/kept-group.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import { GroupMemory, Out } from "./group-memory.ts";
import { BALANCING_POLICIES, DEFAULT_GROUP } from "./group-settings.ts";
import type { Server } from "./server.ts";
import { ServerGroup } from "./server-group.ts";

const OTHER_LIMITS = { connections: 0, pending: 0, pendingTimeout: 0, retries: 0 };

describe("a group of servers", () => {
  test("chooses by its policy among servers that nothing speaks against", () => {
    for (const policy of BALANCING_POLICIES) {
      const rig = new KeptGroup({ policy });
      const chosen = (): string =>
        [...new Set(Array.from({ length: 300 }, (_, i) => rig.group.select(`key ${i}`, null).address))]
          .sort()
          .join();
      assert.equal(chosen(), "a:1,b:1,c:1");
      rig.memory.takeOut(rig.server("b:1").slot, Out.Unhealthy);
      assert.equal(chosen(), "a:1,c:1", policy);
      rig.memory.takeOut(rig.server("c:1").slot, Out.Ejected);
      assert.equal(chosen(), "a:1", policy);
      rig.memory.bringBack(rig.server("c:1").slot, Out.Ejected);
      assert.equal(chosen(), "a:1,c:1", policy);
    }
  });

  test("takes turns exactly, whatever thread they fall to", () => {
    const rig = new KeptGroup();
    const counts = Map.groupBy(rig.choose(90), (name) => name);
    assert.deepEqual(
      [...counts.values()].map(({ length }) => length),
      [30, 30, 30],
    );
  });

  test("uses the servers of the next priority only while none of the first is available", () => {
    const rig = new KeptGroup({
      servers: ["a:1", { address: "b:1", priority: 2 }, { address: "c:1", priority: 1 }, "d:1"],
    });
    assert.equal(rig.chosen(), "ad");
    rig.memory.takeOut(rig.server("a:1").slot, Out.Unhealthy);
    assert.equal(rig.chosen(), "d");
    rig.memory.takeOut(rig.server("d:1").slot, Out.Draining);
    assert.equal(rig.chosen(), "c");
    rig.memory.takeOut(rig.server("c:1").slot, Out.Ejected);
    assert.equal(rig.chosen(), "b");
    rig.memory.bringBack(rig.server("a:1").slot, Out.Unhealthy);
    assert.equal(rig.chosen(), "a");
  });

  test("prefers its own zone within a priority", () => {
    const servers = [
      { address: "a:1", zone: "east" },
      { address: "b:1", zone: "west" },
      { address: "c:1", zone: "west", priority: 1 },
      "d:1",
    ];
    assert.equal(new KeptGroup({ servers }).chosen(), "abd");
    const rig = new KeptGroup({ servers, zone: "west" });
    assert.equal(rig.chosen(), "b");
    rig.memory.takeOut(rig.server("b:1").slot, Out.Unhealthy);
    assert.equal(rig.chosen(), "ad");
  });

  test("goes on in the next rank when a request may have none of the first", () => {
    const rig = new KeptGroup({ servers: ["a:1", { address: "b:1", priority: 1 }] });
    assert.equal(rig.group.select(null, (server) => server.address !== "a:1").address, "b:1");
    assert.throws(() => rig.group.select(null, () => false), { code: "NO_PEER", status: 503 });
  });

  test("uses all servers of a rank when too few are left, but none that were ordered out", () => {
    const rig = new KeptGroup({ servers: ["a:1", "b:1", "c:1", "d:1", "e:1"], panic: 0.5 });
    rig.memory.takeOut(rig.server("e:1").slot, Out.Disabled);
    for (const address of ["a:1", "b:1"]) rig.memory.takeOut(rig.server(address).slot, Out.Unhealthy);
    assert.equal(rig.chosen(), "cd");
    rig.memory.takeOut(rig.server("c:1").slot, Out.Ejected);
    assert.equal(rig.chosen(), "abcd");
    rig.memory.takeOut(rig.server("d:1").slot, Out.Unhealthy);
    assert.equal(rig.chosen(), "abcd");
    assert.ok(rig.group.isDown);
  });

  test("says why there is no server, and of which group", () => {
    const rig = new KeptGroup({ servers: ["a:1", "b:1"] });
    const select = (): Server => rig.group.select(null, null);
    rig.memory.takeOut(0, Out.Disabled);
    rig.memory.takeOut(1, Out.Unhealthy);
    assert.throws(select, { code: "NO_HEALTHY_SERVER", status: 502, message: /: kept$/ });
    rig.memory.takeOut(1, Out.Draining);
    assert.throws(select, { code: "NO_PEER", status: 503, message: /: kept$/ });
    rig.setServers();
    assert.throws(select, { code: "NO_PEER", status: 503 });
    assert.ok(rig.group.isDown);
  });

  test("finds draining servers by their slots only", () => {
    const rig = new KeptGroup();
    const { slot } = rig.server("b:1");
    rig.memory.takeOut(slot, Out.Draining);
    assert.equal(rig.chosen(), "ac");
    assert.equal(rig.group.serverAt(slot), rig.server("b:1"));
    for (const reason of [Out.Disabled, Out.Unhealthy, Out.Ejected]) {
      rig.memory.takeOut(slot, reason);
      assert.equal(rig.group.serverAt(slot), null);
      rig.memory.bringBack(slot, reason);
    }
    assert.equal(rig.group.serverAt(7), null);
  });

  test("knows whether there is anybody to choose", () => {
    const limits = { ...OTHER_LIMITS, requests: 2 };
    const rig = new KeptGroup({ serverLimits: { requests: 1, connections: 0 }, limits });
    const choosable = (): string =>
      ["a:1", "b:1", "c:1"]
        .filter((address) => rig.group.canSelect((server) => server.address === address))
        .join();
    assert.equal(choosable(), "a:1,b:1,c:1");
    rig.memory.takeOut(rig.server("a:1").slot, Out.Draining);
    rig.server("b:1").watcher!.onBegin();
    assert.equal(choosable(), "c:1");
    assert.ok(rig.group.canSelect(null));
    rig.server("c:1").watcher!.onBegin();
    rig.server("b:1").watcher!.onEnd(null, 0);
    assert.equal(choosable(), "b:1");
    rig.server("a:1").watcher!.onBegin();
    assert.equal(rig.group.canSelect(null), false, "the group is full");
  });

  test("passes over servers that are full, and says when all are", () => {
    const rig = new KeptGroup({ serverLimits: { requests: 1, connections: 0 } });
    const begun = [1, 2, 3].map(() => {
      const server = rig.group.select(null, null);
      assert.ok(server.watcher!.onBegin());
      return server;
    });
    assert.equal(new Set(begun).size, 3);
    assert.equal(rig.group.hasRoom, false);
    assert.throws(() => rig.group.select(null, null), {
      ...{ code: "UPSTREAM_OVERLOADED", status: 503, message: /: kept$/ },
    });
    assert.equal(rig.group.serverAt(rig.server("a:1").slot), null);
    rig.server("b:1").watcher!.onEnd(null, 0);
    assert.ok(rig.group.hasRoom);
    assert.equal(rig.group.select(null, null).address, "b:1");
  });

  test("refuses what is over the limits of the group", () => {
    const rig = new KeptGroup({ limits: { ...OTHER_LIMITS, requests: 2 } });
    for (const _ of [1, 2]) assert.ok(rig.group.select(null, null).watcher!.onBegin());
    assert.throws(() => rig.group.select(null, null), { code: "UPSTREAM_OVERLOADED", message: /: kept$/ });
    assert.equal(rig.server("c:1").watcher!.onBegin(), false);
  });

  test("keeps servers that stay the same objects, and tells them apart that return", () => {
    const rig = new KeptGroup();
    const [a, b] = rig.group.servers;
    rig.setServers("a:1", "d:1");
    assert.equal(rig.group.servers[0], a);
    rig.setServers("a:1", "b:1");
    assert.notEqual(rig.server("b:1"), b);
    assert.notEqual(rig.server("b:1").slot, b!.slot);
    rig.setServers({ address: "a:1", priority: 1 }, "b:1");
    assert.notEqual(rig.server("a:1"), a);
    assert.equal(rig.server("a:1").watcher, a!.watcher);
    assert.equal(rig.server("a:1").slot, a!.slot);
  });

  test("stays what it was when a new server can't be read", () => {
    const clock = new ManualAlarmClock();
    const settings = { ...DEFAULT_GROUP, servers: [{ address: "a:1", weight: 1, priority: 0, zone: null }] };
    const group = new ServerGroup(settings, GroupMemory.local(2), {
      name: "kept",
      clock,
      random: seededRandom("a"),
    });
    const before = group.servers;
    const record = { address: "nowhere", weight: 1, priority: 0, zone: null, slot: 1 };
    assert.throws(() => group.setServers([record]), RangeError);
    assert.equal(group.servers, before);
    assert.throws(
      () =>
        new ServerGroup({ ...settings, servers: [record] }, GroupMemory.local(1), {
          name: "kept",
          clock,
          random: seededRandom("a"),
        }),
      RangeError,
    );
  });

  test("allows as many retries as its budget, or the least of it", () => {
    const rig = new KeptGroup({
      retryBudget: { share: 0.5, least: 1 },
      limits: { ...OTHER_LIMITS, requests: 0, retries: 3 },
    });
    const { group } = rig;
    assert.deepEqual([group.enterRetry(), group.enterRetry()], [true, false]);
    for (let i = 0; i < 4; i++) group.select(null, null).watcher!.onBegin();
    assert.deepEqual([group.enterRetry(), group.enterRetry()], [true, false], "half of four");
    for (let i = 0; i < 6; i++) group.select(null, null).watcher!.onBegin();
    assert.deepEqual([group.enterRetry(), group.enterRetry()], [true, false], "three at most");
    group.leaveRetry();
    assert.equal(group.enterRetry(rig.server("b:1")), true);
    assert.equal(rig.status("b:1").counts.retries, 1);
    assert.equal(rig.keeper.status().retries, 3);
    const free = new KeptGroup().group;
    for (let i = 0; i < 100; i++) assert.ok(free.enterRetry());
  });
});
