import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup, type KeptGroupOptions } from "../../test/kit/kept-group.ts";
import { ProxyError } from "../base/errors.ts";
import type { HealthCheckSettings, OutlierSettings } from "./group-settings.ts";
import { toInit } from "./server.ts";

const TIMES = { interval: 1_000, jitter: 0, timeout: 500, rise: 1, fall: 2, port: null };
const CHECK: HealthCheckSettings = { kind: "tcp", ...TIMES };
const TLS_CHECK: HealthCheckSettings = {
  ...{ kind: "tls", ...TIMES },
  tls: { verifyCertificate: false },
};

const OUTLIERS: OutlierSettings = {
  ...{ consecutive: 3, statuses: [], ratio: 0, window: 10_000, minimumRequests: 4 },
  ...{ ejection: 1_000, longestEjection: 5_000, mostEjected: 0.5 },
};

async function started(options: KeptGroupOptions = {}): Promise<KeptGroup> {
  const rig = new KeptGroup(options);
  await rig.keeper.start();
  return rig;
}

function fail(rig: KeptGroup, address: string, times: number = 3): void {
  const { watcher } = rig.server(address);
  for (let i = 0; i < times; i++) {
    watcher!.onBegin();
    watcher!.onEnd(new ProxyError("UPSTREAM_RESET"), 0);
  }
}

describe("checks of a keeper", () => {
  test("send nothing before the first interval has passed", async () => {
    const rig = await started({ checks: [CHECK] });
    await rig.pass(999, 100);
    assert.deepEqual(rig.probed, []);
    await rig.pass(1);
    assert.deepEqual(rig.probed.toSorted(), ["a:1 1000", "b:1 1000", "c:1 1000"]);
    rig.keeper.stop();
    await rig.pass(5_000);
    assert.equal(rig.probed.length, 3);
  });

  test("take a server out after so many failures, and bring it back with its first answer", async () => {
    const rig = await started({ checks: [CHECK] });
    assert.equal(rig.status("b:1").state, "up");
    rig.ill.set("b:1", "connect ECONNREFUSED");
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "abc");
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "ac");
    const { state, reason, since } = rig.status("b:1");
    assert.deepEqual(
      { state, reason, since },
      { state: "down", reason: "connect ECONNREFUSED", since: 2_000 },
    );
    rig.ill.clear();
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "abc");
    assert.deepEqual(rig.story, ["b:1 up>down connect ECONNREFUSED", "b:1 down>up answers again"]);
  });

  test("have to agree that a server is well", async () => {
    const rig = await started({ checks: [CHECK, TLS_CHECK] });
    rig.ill.set("tcp a:1", "no");
    await rig.pass(2_000);
    rig.ill.set("tls a:1", "not this one either");
    await rig.pass(2_000);
    rig.ill.delete("tcp a:1");
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "bc");
    rig.ill.delete("tls a:1");
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "abc");
    assert.deepEqual(rig.story, ["a:1 up>down no", "a:1 down>up answers again"]);
  });

  test("tell when no server is left, and when there is one again", async () => {
    const rig = await started({ servers: ["a:1", "b:1"], checks: [{ ...CHECK, fall: 1 }] });
    rig.ill.set("a:1", "x").set("b:1", "y");
    await rig.pass(3_000);
    assert.ok(rig.keeper.isDown && rig.group.isDown);
    assert.throws(() => rig.group.select(null, null), { code: "NO_HEALTHY_SERVER" });
    rig.ill.delete("b:1");
    await rig.pass(1_000);
    assert.ok(!rig.keeper.isDown && !rig.group.isDown);
    assert.deepEqual(rig.story, [
      "a:1 up>down x",
      "b:1 up>down y",
      "group down",
      "b:1 down>up answers again",
      "group up",
    ]);
  });
});

describe("ejections of a keeper", () => {
  test("end when their time is over, last longer each time, and are forgiven in the end", async () => {
    const rig = await started({ outliers: OUTLIERS });
    const lengths = [];
    for (let i = 0; i < 6; i++) {
      fail(rig, "a:1");
      const began = rig.clock.now();
      assert.equal(rig.chosen(), "bc");
      while (rig.status("a:1").state === "ejected") await rig.pass(100);
      lengths.push(rig.clock.now() - began);
    }
    assert.deepEqual(lengths, [1_000, 2_000, 3_000, 4_000, 5_000, 5_000]);
    await rig.pass(3_500);
    fail(rig, "a:1");
    const began = rig.clock.now();
    while (rig.status("a:1").state === "ejected") await rig.pass(100);
    assert.equal(rig.clock.now() - began, 4_000, "six, less three, and one");
    assert.equal(rig.story[0], "a:1 up>ejected 3 failures in a row");
    assert.equal(rig.story[1], "a:1 ejected>up its ejection is over");
    assert.equal(rig.status("a:1").counts.ejections, 7);
  });

  test("end with a check that succeeds", async () => {
    const rig = await started({
      outliers: { ...OUTLIERS, ejection: 60_000, longestEjection: 60_000 },
      checks: [CHECK],
    });
    await rig.pass(500);
    fail(rig, "a:1");
    assert.equal(rig.chosen(), "bc");
    await rig.pass(600);
    assert.equal(rig.chosen(), "abc");
    assert.deepEqual(rig.story, [
      "a:1 up>ejected 3 failures in a row",
      "a:1 ejected>up a check found it well",
    ]);
    rig.ill.set("b:1", "x");
    await rig.pass(2_000);
    fail(rig, "b:1");
    rig.ill.clear();
    await rig.pass(1_000);
    assert.equal(rig.chosen(), "abc", "down and ejected end together");
  });

  test("never are more than the share, also when servers leave or are ordered out", async () => {
    const rig = await started({ servers: ["a:1", "b:1", "c:1", "d:1"], outliers: OUTLIERS });
    for (const address of ["a:1", "b:1", "c:1", "d:1"]) fail(rig, address);
    assert.equal(rig.chosen(), "cd");
    rig.setServers("a:1", "b:1", "c:1");
    assert.equal(rig.chosen(), "ac");
    assert.equal(rig.status("a:1").reason, "too many were ejected");
    rig.keeper.order("c:1", "disabled");
    rig.keeper.order("a:1", "draining");
    assert.equal(rig.chosen(), "b");
    rig.setServers("b:1");
    fail(rig, "b:1", 20);
    assert.equal(rig.chosen(), "b");
  });

  test("of a server that leaves are forgotten", async () => {
    const rig = await started({ servers: ["a:1", "b:1"], outliers: OUTLIERS });
    fail(rig, "a:1");
    rig.setServers("b:1", "c:1");
    fail(rig, "c:1");
    assert.equal(rig.chosen(), "b");
    rig.setServers("a:1", "b:1");
    assert.equal(rig.chosen(), "ab");
    assert.equal(rig.status("a:1").counts.ejections, 0);
  });
});

describe("orders to a keeper", () => {
  test("count at once, before what is found, and until they are taken back", async () => {
    const rig = await started({ checks: [{ ...CHECK, fall: 1 }] });
    rig.keeper.order("a:1", "draining");
    assert.equal(rig.chosen(), "bc");
    assert.ok(rig.group.serverAt(rig.server("a:1").slot));
    rig.ill.set("a:1", "x");
    await rig.pass(1_000);
    assert.equal(rig.status("a:1").state, "draining");
    rig.keeper.order("a:1", "disabled");
    assert.equal(rig.group.serverAt(rig.server("a:1").slot), null);
    rig.keeper.order("a:1", "enabled");
    assert.equal(rig.status("a:1").state, "down");
    assert.equal(rig.status("a:1").reason, "x");
    rig.ill.clear();
    await rig.pass(1_000);
    assert.deepEqual(rig.story, [
      ...["a:1 up>draining by order", "a:1 draining>disabled by order"],
      ...["a:1 disabled>down x", "a:1 down>up answers again"],
    ]);
    assert.throws(() => rig.keeper.order("z:1", "enabled"), RangeError);
  });

  test("change weights", () => {
    const rig = new KeptGroup({ servers: ["a:1", "b:1"] });
    rig.keeper.setWeight("b:1", 3);
    const names = rig.choose(400);
    assert.equal(names.replaceAll("a", "").length, 300);
    assert.equal(rig.status("b:1").weight, 3);
    assert.throws(() => rig.keeper.setWeight("b:1", 0), RangeError);
    assert.throws(() => rig.keeper.setWeight("c:1", 1), RangeError);
    // What is found anew with the weight that it had before doesn't undo it; another one does.
    rig.setServers("a:1", "b:1", "c:1");
    assert.equal(rig.status("b:1").weight, 3);
    rig.setServers("a:1", { address: "b:1", weight: 5 });
    assert.equal(rig.status("b:1").weight, 5);
  });
});

describe("slow start of a keeper", () => {
  test("gives a server that comes back its share little by little", async () => {
    const rig = await started({
      servers: ["a:1", "b:1"],
      checks: [{ ...CHECK, fall: 1 }],
      slowStart: 10_000,
    });
    assert.equal(rig.status("a:1").ramp, 1, "servers of the beginning are warm");
    rig.ill.set("a:1", "x");
    await rig.pass(1_000);
    rig.ill.clear();
    await rig.pass(1_000);
    const shares = [];
    for (let i = 0; i < 11; i++) {
      shares.push(rig.choose(420).replaceAll("b", "").length / 420);
      await rig.pass(1_000);
    }
    assert.ok(shares[0]! > 0.01 && shares[0]! < 0.1, `${shares[0]}`);
    assert.ok(shares[5]! > 0.25 && shares[5]! < 0.45, `${shares[5]}`);
    assert.equal(shares[10], 0.5);
    assert.equal(rig.status("a:1").ramp, 1);
  });

  test("isn't for policies that hash", async () => {
    const rig = await started({ policy: "ketama", checks: [{ ...CHECK, fall: 1 }], slowStart: 10_000 });
    rig.ill.set("a:1", "x");
    await rig.pass(1_000);
    rig.ill.clear();
    await rig.pass(1_000);
    assert.equal(rig.status("a:1").ramp, 1);
  });
});

describe("servers of a keeper", () => {
  test("keep place, state and checks when they stay", async () => {
    const rig = await started({ checks: [{ ...CHECK, fall: 1 }] });
    rig.ill.set("b:1", "x");
    await rig.pass(1_500);
    const before = rig.keeper.records[1];
    rig.setServers("d:1", "b:1");
    assert.equal(rig.keeper.records[1], before);
    assert.equal(rig.chosen(), "d");
    rig.probed.length = 0;
    await rig.pass(500);
    assert.deepEqual(rig.probed, ["b:1 2000"]);
    await rig.pass(500);
    assert.deepEqual(rig.probed, ["b:1 2000", "d:1 2500"]);
    assert.deepEqual(rig.story, ["b:1 up>down x", "+d:1 -a:1,c:1"]);
    rig.setServers("d:1", "b:1");
    assert.equal(rig.events.length, 2, "the same servers are no news");
  });

  test("are found by a discovery, whose errors are told", async () => {
    const rig = await started({ servers: [], discovery: { kind: "file", path: "f" } });
    assert.ok(rig.keeper.isDown);
    rig.listener!.onError("f can't be read");
    assert.equal(rig.keeper.status().discoveryError, "f can't be read");
    rig.listener!.onServers(["a:1", "b:1", "b:1", "b"].map(toInit));
    assert.equal(rig.keeper.status().discoveryError, null);
    assert.equal(rig.chosen(), "ab");
    assert.deepEqual(rig.story.toSpliced(1, 1), ["f can't be read", "+a:1,b:1 -", "group up"]);
    assert.match(rig.story[1]!, /^Address "b" is none/);
    rig.keeper.stop();
    assert.equal(rig.listener, null);
  });

  test("that are quite others get places at once, but no more of them than there may be", async () => {
    const rig = await started({ servers: ["a:1", "b:1"], slots: 4, mostServers: 2 });
    rig.setServers("c:1", "d:1", "e:1");
    assert.equal(rig.chosen(), "cd");
    assert.match(rig.keeper.status().discoveryError!, /no room for 1 of 3 servers: 2 are the most/);
    rig.setServers("e:1", "d:1");
    assert.equal(rig.chosen(), "d", "no place has been let alone for long enough");
    await rig.pass(10_200);
    assert.equal(rig.chosen(), "de");
    assert.equal(rig.keeper.status().discoveryError, null);
  });

  test("get a slot that was free for a while, and wait for it if they must", async () => {
    const rig = await started({ servers: ["a:1", "b:1"], slots: 2 });
    const { watcher } = rig.server("a:1");
    watcher!.onBegin();
    rig.setServers("b:1", "c:1", "d:1");
    assert.deepEqual(
      rig.keeper.records.map(({ address }) => address),
      ["b:1"],
    );
    assert.match(rig.story[0]!, /no room for 2 of 3 servers: 2 are the most/);
    await rig.pass(12_000);
    assert.equal(rig.chosen(), "b", "its last request is still under way");
    watcher!.onEnd(null, 0);
    await rig.pass(200);
    assert.equal(rig.chosen(), "bc");
    assert.equal(rig.status("c:1").counts.requests, 0);
    assert.deepEqual(
      rig.keeper.records.map(({ slot }) => slot),
      [1, 0],
    );
    rig.setServers("c:1", "d:1");
    await rig.pass(9_000);
    assert.equal(rig.chosen(), "c");
    await rig.pass(1_200);
    assert.equal(rig.chosen(), "cd");
  });
});
