import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GroupThreads } from "../../test/kit/group-threads.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import { GroupKeeper } from "./group-keeper.ts";
import { GroupWord, ServerCount, ServerWord } from "./group-memory.ts";
import { DEFAULT_GROUP, type GroupSettings } from "./group-settings.ts";
import { mostEjected } from "./outlier-detector.ts";
import { toInit } from "./server.ts";

const ADDRESSES = Array.from({ length: 6 }, (_, i) => `10.0.0.${i}:80`);
const SETTINGS: GroupSettings = { ...DEFAULT_GROUP, servers: ADDRESSES.map(toInit) };

function threadsOf(settings: GroupSettings): { threads: GroupThreads; keeper: GroupKeeper } {
  const threads = new GroupThreads(settings);
  const keeper = new GroupKeeper("threads", settings, threads.memory, {
    ...{ clock: new ManualAlarmClock(), random: seededRandom("threads") },
    ...{ onServers: () => undefined, onEvent: () => undefined },
  });
  return { threads, keeper };
}

function sumBegun(reports: readonly { readonly begun: readonly number[] }[]): number[] {
  return ADDRESSES.map((_, slot) => reports.reduce((sum, { begun }) => sum + begun[slot]!, 0));
}

describe("two threads on one group", () => {
  test("keep to the limits of servers and group, and count to nothing in the end", async () => {
    const limits = { ...DEFAULT_GROUP.limits, requests: 5 };
    const { threads, keeper } = threadsOf({
      ...SETTINGS,
      limits,
      serverLimits: { requests: 2, connections: 2 },
    });
    const reports = await threads.run("finish", 100_000);
    for (const { most, mostInGroup, refused } of reports) {
      assert.ok(most <= 2 && mostInGroup <= 5, `${most} to one server, ${mostInGroup} in all`);
      assert.ok(refused > 0, "otherwise nothing was tried");
    }
    const begun = sumBegun(reports);
    for (const [i, { requests, counts }] of keeper.status().servers.entries()) {
      assert.equal(requests, 0);
      assert.equal(counts.requests, begun[i]);
      assert.equal(threads.memory.of(i, ServerWord.Requests), 0);
      assert.equal(threads.memory.of(i, ServerWord.Connections), 0);
    }
    assert.equal(threads.memory.get(GroupWord.Requests), 0);
  });

  test("take turns exactly", async () => {
    const { threads } = threadsOf(SETTINGS);
    const begun = sumBegun(await threads.run("finish", 30_000));
    assert.deepEqual(begun, [10_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
  });

  test("leave nothing under way when they die", async () => {
    const { threads, keeper } = threadsOf({ ...SETTINGS, serverLimits: { requests: 40, connections: 0 } });
    await threads.run("abandon", 5_000);
    assert.ok(keeper.status().requests > 0);
    for (const thread of [0, 1]) threads.memory.forgetThread(thread);
    assert.equal(keeper.status().requests, 0);
    for (const slot of ADDRESSES.keys()) assert.equal(threads.memory.of(slot, ServerWord.Requests), 0);
  });

  test("never eject the same server both", async () => {
    const reports = await threadsOf(SETTINGS).threads.run("eject", 2_000_000);
    assert.equal(Math.max(...reports.map(({ mostInGroup }) => mostInGroup)), 1);
  });

  test("eject as many as may be, each once", async () => {
    for (const share of [0.01, 0.5, 1]) {
      const outliers = {
        ...{ consecutive: 5, statuses: [], ratio: 0.5, window: 10_000, minimumRequests: 20 },
        ...{ ejection: 60_000, longestEjection: 60_000, mostEjected: share },
      };
      const { threads, keeper } = threadsOf({ ...SETTINGS, outliers });
      await threads.run("fail", 2_000);
      const { servers } = keeper.status();
      const ejected = servers.filter(({ state }) => state === "ejected");
      assert.equal(ejected.length, mostEjected(ADDRESSES.length, share));
      assert.equal(threads.memory.get(GroupWord.Ejected), ejected.length);
      for (const { counts } of ejected) assert.equal(counts.ejections, 1);
      for (const slot of ADDRESSES.keys())
        assert.equal(threads.memory.total(slot, ServerCount.failures), 4_000, "each failure is counted");
    }
  });
});
