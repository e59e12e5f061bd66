import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup } from "../../test/kit/kept-group.ts";
import { ProxyError } from "../base/errors.ts";
import { GroupMemory, GroupWord, Out, ServerCount, ServerWord } from "./group-memory.ts";
import type { HealthCheckSettings, OutlierSettings } from "./group-settings.ts";
import { type Server, toInit } from "./server.ts";

const CHECK: HealthCheckSettings = {
  ...{ kind: "tcp", interval: 1_000, jitter: 0, timeout: 100, rise: 1, fall: 1, port: null },
};

const OUTLIERS: OutlierSettings = {
  ...{ consecutive: 1, statuses: [], ratio: 0, window: 10_000, minimumRequests: 20 },
  ...{ ejection: 60_000, longestEjection: 60_000, mostEjected: 0.5 },
};

/** In the memory that there is, and in other memory. */
const WAYS: readonly (readonly [string, (kept: KeptGroup) => GroupMemory])[] = [
  ["the same memory", ({ memory }) => memory],
  ["other memory", () => GroupMemory.local(16)],
];

const RESET = new ProxyError("UPSTREAM_RESET");

function begin(server: Server): void {
  assert.ok(server.watcher?.onBegin());
}

for (const [where, memoryFor] of WAYS) {
  describe(`what is known of servers that stay, in ${where}`, () => {
    test("are orders and weights that people gave", async () => {
      const kept = new KeptGroup({ policy: "round_robin" });
      kept.keeper.order("a:1", "draining");
      kept.keeper.setWeight("b:1", 7);
      kept.keeper.order("c:1", "disabled");
      await kept.succeed({ policy: "random", servers: ["c:1", "b:1", "a:1", "d:1"] }, memoryFor(kept));
      assert.deepEqual(
        kept.keeper.status().servers.map(({ address, state, weight }) => [address, state, weight]),
        [
          ["c:1", "disabled", 1],
          ["b:1", "up", 7],
          ["a:1", "draining", 1],
          ["d:1", "up", 1],
        ],
      );
      assert.equal(kept.chosen(), "bd");
      kept.keeper.order("a:1", "enabled");
      assert.equal(kept.chosen(), "abd");
    });

    test("is a weight only as long as the same one is written down", async () => {
      const kept = new KeptGroup();
      kept.keeper.setWeight("a:1", 7);
      kept.keeper.setWeight("b:1", 7);
      await kept.succeed({ servers: [{ address: "a:1", weight: 2 }, "b:1"] }, memoryFor(kept));
      assert.deepEqual([kept.status("a:1").weight, kept.status("b:1").weight], [2, 7]);
    });

    test("is whether they are well, and when they are checked next", async () => {
      const kept = new KeptGroup({ checks: [CHECK] });
      kept.ill.set("a:1", "refused");
      void kept.keeper.start();
      await kept.pass(1_600);
      assert.deepEqual(kept.probed.toSorted(), ["a:1 1000", "b:1 1000", "c:1 1000"]);
      await kept.succeed({ policy: "random", servers: ["a:1", "b:1", "d:1"] }, memoryFor(kept));
      assert.equal(kept.chosen(), "bd");
      assert.deepEqual([kept.status("a:1").state, kept.status("a:1").reason], ["down", "refused"]);
      kept.ill.clear();
      await kept.pass(1_400);
      // Those that stay at their time, the new one an interval after it came, and nobody else.
      assert.deepEqual(kept.probed.slice(3).toSorted(), [
        "a:1 2000",
        "a:1 3000",
        "b:1 2000",
        "b:1 3000",
        "d:1 2600",
      ]);
      assert.equal(kept.chosen(), "abd");
      assert.deepEqual(kept.story, ["a:1 up>down refused", "+d:1 -c:1", "a:1 down>up answers again"]);
    });

    test("is that they are ill, until other checks say otherwise", async () => {
      const kept = new KeptGroup({ checks: [CHECK] });
      kept.ill.set("a:1", "refused");
      void kept.keeper.start();
      await kept.pass(1_000);
      const rarer = { ...CHECK, interval: 2_000, rise: 2 };
      await kept.succeed({ checks: [rarer] }, memoryFor(kept));
      kept.ill.clear();
      await kept.pass(3_900);
      assert.equal(kept.chosen(), "bc");
      await kept.pass(200);
      assert.equal(kept.chosen(), "abc");
    });

    test("isn't that they are ill where nobody checks any more", async () => {
      const kept = new KeptGroup({ checks: [CHECK] });
      kept.ill.set("a:1", "refused");
      void kept.keeper.start();
      await kept.pass(1_000);
      await kept.succeed({ checks: [] }, memoryFor(kept));
      assert.deepEqual([kept.chosen(), kept.status("a:1").state], ["abc", "up"]);
      await kept.pass(5_000);
      assert.equal(kept.probed.length, 3);
    });

    test("is that they are ejected, and until when", async () => {
      const kept = new KeptGroup({ outliers: OUTLIERS });
      void kept.keeper.start();
      const failing = kept.server("a:1");
      begin(failing);
      failing.watcher?.onEnd(RESET, 0);
      assert.equal(kept.chosen(), "bc");
      await kept.pass(1_000);
      await kept.succeed({ policy: "random" }, memoryFor(kept));
      assert.deepEqual([kept.chosen(), kept.status("a:1").state], ["bc", "ejected"]);
      assert.equal(kept.memory.get(GroupWord.Ejected), 1);
      await kept.pass(58_000, 1_000);
      assert.equal(kept.chosen(), "bc");
      await kept.pass(1_200);
      assert.equal(kept.chosen(), "abc");
      assert.equal(kept.memory.get(GroupWord.Ejected), 0);
    });

    test("isn't that they are ejected where nobody is any more", async () => {
      const kept = new KeptGroup({ outliers: OUTLIERS });
      const fail = (server: Server): void => server.watcher?.onEnd(RESET, 0);
      const [first, second] = [kept.server("a:1"), kept.server("b:1")];
      for (const server of [first, second]) begin(server);
      fail(first);
      await kept.succeed({ outliers: null }, memoryFor(kept));
      // What began before has nobody who would bring the server back.
      fail(second);
      assert.deepEqual([kept.chosen(), kept.status("a:1").state], ["abc", "up"]);
      await kept.succeed({ outliers: OUTLIERS });
      const third = kept.server("c:1");
      begin(third);
      fail(third);
      assert.equal(kept.chosen(), "ab");
    });

    test("is how far they are on the way to their full share", async () => {
      const kept = new KeptGroup({ slowStart: 10_000, servers: ["a:1", "b:1"] });
      void kept.keeper.start();
      kept.keeper.order("a:1", "disabled");
      kept.keeper.order("a:1", "enabled");
      await kept.pass(5_000, 500);
      await kept.succeed({ servers: ["a:1", "b:1", "c:1"] }, memoryFor(kept));
      const ramps = (): number[] => kept.keeper.status().servers.map(({ ramp }) => ramp);
      assert.deepEqual(ramps(), [0.55, 1, 0.05]);
      await kept.pass(5_000, 500);
      assert.deepEqual(ramps(), [1, 1, 0.55]);
      await kept.pass(5_500, 500);
      assert.equal(kept.memory.of(kept.server("c:1").slot, ServerWord.Share), 100);
    });

    test("are counts, and requests under way end where they began", async () => {
      const kept = new KeptGroup({ serverLimits: { requests: 2, connections: 0 } });
      const [one, other] = [kept.server("a:1"), kept.server("c:1")];
      for (const server of [one, one, other]) begin(server);
      one.watcher?.onEnd(null, 0);
      const before = await kept.succeed({ policy: "random", servers: ["a:1", "b:1"] }, memoryFor(kept));
      assert.equal(kept.status("a:1").counts.requests, 2);
      begin(kept.server("a:1"));
      for (const server of [one, other]) server.watcher?.onEnd(null, 0);
      assert.equal(kept.status("a:1").requests, 1);
      kept.server("a:1").watcher?.onEnd(null, 0);
      assert.deepEqual([kept.status("a:1").requests, kept.status("a:1").counts.requests], [0, 3]);
      assert.equal(kept.memory.of(kept.server("a:1").slot, ServerWord.Requests), 0);
      // Whoever still chooses as before finds no server that has left.
      assert.deepEqual(
        [...new Set(Array.from({ length: 30 }, () => before.select(null, null).address))],
        ["a:1", "b:1"],
      );
      before.retire();
    });

    test("is what their discovery finds, which goes on", async () => {
      const discovery = { kind: "file", path: "servers.yaml" } as const;
      const kept = new KeptGroup({ discovery, servers: ["a:1"] });
      await kept.keeper.start();
      const { listener } = kept;
      listener?.onServers([{ address: "x:1", weight: 1, priority: 0, zone: null }]);
      await kept.succeed({ policy: "random" }, memoryFor(kept));
      assert.equal(kept.listener, listener);
      assert.equal(kept.chosen(), "x");
      listener?.onServers([{ address: "y:1", weight: 1, priority: 0, zone: null }]);
      assert.equal(kept.chosen(), "y");
    });
  });
}

describe("what is to come", () => {
  test("changes nothing before it does, and nothing when it is given up", async () => {
    const kept = new KeptGroup({ servers: ["a:1"], slots: 3 });
    const succession = kept.succession({ servers: [{ address: "a:1", weight: 5 }, "b:1", "c:1"] });
    assert.ok(succession.reserve());
    assert.deepEqual(
      succession.records.map(({ address, slot }) => [address, slot]),
      [
        ["a:1", 0],
        ["b:1", 1],
        ["c:1", 2],
      ],
    );
    assert.deepEqual([kept.status("a:1").weight, kept.chosen()], [1, "a"]);
    assert.equal(kept.memory.of(0, ServerWord.Share), 100);
    succession.abandon();
    // Nobody can have heard of the places by then.
    await kept.pass(11_000, 1_000);
    kept.setServers("a:1", "d:1", "e:1");
    assert.equal(kept.chosen(), "ade");
  });

  test("tells when the memory is too small for it", () => {
    const kept = new KeptGroup({ servers: ["a:1", "b:1"], slots: 3 });
    assert.equal(kept.succession({ servers: ["a:1", "c:1", "d:1"] }).reserve(), false);
    const roomy = kept.succession({ servers: ["a:1", "c:1", "d:1"] }, GroupMemory.local(4));
    assert.ok(roomy.reserve());
  });

  test("keeps the servers that there are when it finds none in time", async () => {
    const kept = new KeptGroup({ discovery: { kind: "file", path: "servers.yaml" }, servers: [] });
    await kept.keeper.start();
    kept.listener?.onServers([{ address: "x:1", weight: 1, priority: 0, zone: null }]);
    await kept.succeed({ discovery: { kind: "file", path: "others.yaml" } });
    assert.equal(kept.chosen(), "x");
    kept.listener?.onServers([{ address: "y:1", weight: 1, priority: 0, zone: null }]);
    assert.equal(kept.chosen(), "y");
  });

  test("gives back the places of servers that don't come after all", async () => {
    const kept = new KeptGroup({
      discovery: { kind: "file", path: "servers.yaml" },
      servers: ["x:1"],
      slots: 3,
    });
    await kept.keeper.start();
    const succession = kept.succession({ discovery: { kind: "file", path: "others.yaml" }, servers: [] });
    await succession.find();
    const find = (...addresses: string[]): void => kept.listener?.onServers(addresses.map(toInit));
    for (const address of ["p:1", "q:1"]) {
      find(address);
      succession.reserve();
    }
    kept.keeper = succession.takeOver();
    await kept.pass(11_000, 1_000);
    find("q:1", "r:1", "s:1");
    assert.equal(kept.chosen(), "qrs");
  });

  test("copies what stands in other memory but what is under way", () => {
    const [from, to] = [GroupMemory.local(2), GroupMemory.local(3)];
    from.takeOut(1, Out.Draining);
    from.count(1, ServerCount.failures, 4);
    from.addTo(1, ServerWord.Requests, 2);
    to.inherit(2, from, 1);
    assert.deepEqual(
      [to.of(2, ServerWord.Out), to.total(2, ServerCount.failures), to.of(2, ServerWord.Requests)],
      [Out.Draining, 4, 0],
    );
  });
});
