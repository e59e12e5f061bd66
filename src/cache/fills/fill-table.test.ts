import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { until } from "../../../test/kit/deadline.ts";
import type { StormJob } from "../../../test/kit/fill-storm.ts";
import type { FillJob, FillOrder, FillReport } from "../../../test/kit/fill-thread.ts";
import { idleAlarms, ManualAlarmClock } from "../../base/alarms.ts";
import { allocatePredictor, Predictor } from "../predictor.ts";
import type { CacheKey } from "../store.ts";
import { type Fill, type FillOwner, FillState } from "./fill.ts";
import { allocateFills } from "./fill-memory.ts";
import { FILL_DEFAULTS, type FillSettings } from "./fill-settings.ts";
import { FillTable, forgetThread } from "./fill-table.ts";

function keyOf(number: number): CacheKey {
  return { text: `key ${number}`, hash: Int32Array.of(number * 2654435761, number, number + 1, 7) };
}

const KEY = keyOf(1);

/** The tables of two threads, in one: what they know of one another goes through shared memory all the same. */
class Stage {
  readonly clock = new ManualAlarmClock();
  readonly memory: SharedArrayBuffer;
  readonly tables: readonly [FillTable, FillTable];
  /** In the order in which they were told. */
  readonly told: Fill[] = [];
  readonly owner: FillOwner = { onFill: (fill) => this.told.push(fill) };

  constructor(settings: Partial<FillSettings> = {}, mostKeys: number = 100) {
    this.memory = allocateFills(mostKeys);
    const predictor = new Predictor(allocatePredictor(100), 1000);
    const create = (thread: number): FillTable =>
      new FillTable(this.memory, thread, { ...FILL_DEFAULTS, ...settings }, { clock: this.clock, predictor });
    this.tables = [create(0), create(1)];
  }

  seek(table: 0 | 1 = 0, key: CacheKey = KEY): Fill {
    return this.tables[table].seek(key, this.owner);
  }

  /** A claim, and three that wait for it: two in another thread. */
  async crowd(): Promise<[Fill, Fill, Fill, Fill]> {
    const fills: [Fill, Fill, Fill, Fill] = [this.seek(0), this.seek(0), this.seek(1), this.seek(1)];
    assert.deepEqual(
      fills.map(({ state }) => state),
      [FillState.Mine, ...waiting(3)],
    );
    await turn();
    assert.equal(this.told.length, 0);
    return fills;
  }

  async untilTold(count: number): Promise<void> {
    await until(`${count} are told`, () => this.told.length >= count, { every: 1 });
    assert.equal(this.told.length, count);
  }
}

function waiting(count: number): number[] {
  return new Array(count).fill(FillState.Waiting);
}

describe("a table of fills", () => {
  test("lets one fetch, and tells the others in all threads when it can be found", async () => {
    const stage = new Stage();
    const [mine, ...others] = await stage.crowd();
    mine.found();
    await stage.untilTold(3);
    assert.deepEqual(new Set(stage.told), new Set(others));
    assert.ok(others.every(({ state }) => state === FillState.Found));
    assert.equal(stage.seek().state, FillState.Mine, "it is over");
  });

  test("sends all to the server when it can't be stored, and the next ones without waiting", async () => {
    const stage = new Stage();
    const [mine, ...others] = await stage.crowd();
    mine.unstorable();
    await stage.untilTold(3);
    assert.ok(others.every(({ state }) => state === FillState.Unstorable));
    const next = stage.seek(1);
    assert.equal(next.state, FillState.Unstorable);
    next.found();
    assert.deepEqual([stage.seek(0).state, stage.seek(1).state], [FillState.Mine, FillState.Waiting]);
  });

  test("remembers nothing of a response that it was only the store that had no room for", async () => {
    const stage = new Stage();
    const [mine] = await stage.crowd();
    mine.unstorable(false);
    await stage.untilTold(3);
    assert.equal(stage.seek().state, FillState.Mine);
  });

  test("lets one of those who wait take over, and tells the rest when that failed too", async () => {
    const stage = new Stage({ mostTries: 2 });
    const [mine, ...others] = await stage.crowd();
    mine.failed();
    await stage.untilTold(1);
    const heir = stage.told[0]!;
    assert.ok(others.includes(heir) && heir.state === FillState.Mine);
    assert.equal(stage.seek().state, FillState.Waiting);
    mine.failed();
    heir.failed();
    await stage.untilTold(4);
    const states = stage.told.slice(1).map(({ state }) => state);
    assert.deepEqual(states, new Array(3).fill(FillState.Failed));
    assert.equal(stage.seek().state, FillState.Mine, "the next one begins anew");
  });

  test("gives the claim of one that leaves to one that comes, when nobody waits", () => {
    const stage = new Stage();
    stage.seek(0).leave();
    const next = stage.seek(1);
    assert.equal(next.state, FillState.Mine);
    next.failed();
    assert.equal(stage.seek(0).state, FillState.Mine, "tried as often as it may be, for those who waited");
  });

  test("tells those who left nothing, and passes them over", async () => {
    const stage = new Stage();
    const [mine, ...others] = await stage.crowd();
    others[0].leave();
    others[1].leave();
    mine.failed();
    await stage.untilTold(1);
    assert.deepEqual([stage.told[0], others[2].state], [others[2], FillState.Mine]);
    others[2].found();
    await turn();
    assert.equal(stage.told.length, 1);
  });

  test("lets go of those who have waited for long enough", async () => {
    const stage = new Stage({ longestWait: 1000, longestClaim: 5000 });
    const [mine, , , late] = await stage.crowd();
    stage.clock.advance(500);
    const young = stage.seek(1);
    late.leave();
    stage.clock.advance(500);
    assert.deepEqual(
      stage.told.map(({ state }) => state),
      [FillState.TimedOut, FillState.TimedOut],
    );
    mine.found();
    await stage.untilTold(3);
    assert.equal(young.state, FillState.Found);
  });

  test("lets one more request in when a claim is too old, and takes either's word", async () => {
    const stage = new Stage({ longestWait: 10_000, longestClaim: 1000 });
    const [mine] = await stage.crowd();
    stage.clock.advance(1000);
    assert.equal(stage.told.length, 1, "one for all threads");
    const [heir] = stage.told;
    assert.equal(heir!.state, FillState.Mine);
    // It is no longer the first one's to give up.
    mine.failed();
    await turn();
    assert.equal(stage.seek(0).state, FillState.Waiting);
    const another = await stage.tables[1].seek(keyOf(2), stage.owner);
    assert.equal(another.state, FillState.Mine);
    stage.clock.advance(999);
    assert.equal(stage.told.length, 1);
    heir!.found();
    await stage.untilTold(4);
    // What comes late finds somebody else's claim there, and changes nothing of it.
    assert.equal(stage.seek(0).state, FillState.Mine);
    heir!.failed();
    assert.equal(stage.seek(1).state, FillState.Waiting);
  });

  test("that the first one found counts also after another one took over", async () => {
    const stage = new Stage({ longestClaim: 1000 });
    const [mine] = await stage.crowd();
    stage.clock.advance(1000);
    mine.found();
    await stage.untilTold(3);
    assert.deepEqual(
      stage.told.map(({ state }) => state),
      [FillState.Mine, FillState.Found, FillState.Found],
    );
  });

  test("settles anew who fetches what wasn't there after all, though not for ever", async () => {
    const stage = new Stage({ mostTries: 2 });
    const fill = stage.seek(1);
    const states: number[] = [];
    for (let round = 0; round < 4; round++) {
      states.push(fill.state);
      fill.found();
      fill.again();
    }
    assert.deepEqual(states, [FillState.Mine, FillState.Mine, FillState.Mine, FillState.Alone]);
  });

  test("that is full lets requests go alone", () => {
    const stage = new Stage({}, 1);
    const fills = Array.from({ length: 20 }, (_, i) => stage.seek(0, keyOf(i)));
    const mine = fills.filter(({ state }) => state === FillState.Mine);
    assert.equal(mine.length, 8);
    assert.equal(fills.filter(({ state }) => state === FillState.Alone).length, 12);
    assert.equal(stage.tables[0].seekNow(keyOf(50)), null);
    mine[3]!.failed();
    assert.equal(stage.seek(1, keyOf(50)).state, FillState.Mine, "what nobody took over makes room");
  });

  test("tells those who wait at a place that is another key's by now to look again", async () => {
    const stage = new Stage({}, 1);
    const fills = Array.from({ length: 8 }, (_, i) => stage.seek(0, keyOf(i)));
    const waiter = stage.seek(1, keyOf(0));
    await turn();
    fills[0]!.found();
    assert.equal(stage.seek(0, keyOf(90)).state, FillState.Mine);
    assert.equal(stage.seek(1, keyOf(90)).state, FillState.Waiting);
    assert.equal(stage.told.length, 0, "not from within");
    await stage.untilTold(1);
    assert.deepEqual([stage.told[0], waiter.state], [waiter, FillState.Found]);
  });

  test("lets one refresh at a time, and nobody wait for it who doesn't want to", () => {
    const stage = new Stage();
    const refresh = stage.tables[0].seekNow(KEY);
    assert.equal(refresh?.state, FillState.Mine);
    assert.deepEqual([stage.tables[0].seekNow(KEY), stage.tables[1].seekNow(KEY)], [null, null]);
    assert.equal(stage.seek(1).state, FillState.Waiting);
    refresh.found();
    assert.notEqual(stage.tables[1].seekNow(KEY), null);
  });

  test("gives up what a dead thread had claimed, and nothing of the others", async () => {
    const stage = new Stage({ mostTries: 2 });
    const [mine] = await stage.crowd();
    const other = stage.seek(1, keyOf(2));
    forgetThread(stage.memory, 0, 5, 2);
    await stage.untilTold(1);
    assert.deepEqual([stage.told[0]!.state, other.state], [FillState.Mine, FillState.Mine]);
    mine.found();
    await stage.untilTold(3);
    assert.equal(stage.seek(0, keyOf(2)).state, FillState.Waiting);
  });
});

/** A thread with 500 requests for whatever key it is told. */
class Crowd {
  readonly worker: Worker;
  readonly reports: FillReport[] = [];

  constructor(job: FillJob) {
    this.worker = new Worker(new URL("../../../test/kit/fill-thread.ts", import.meta.url), {
      workerData: job,
    });
    this.worker.on("message", (report: FillReport) => this.reports.push(report));
  }

  order(order: FillOrder): void {
    this.worker.postMessage(order);
  }

  count(key: number, state: number): number {
    return this.reports.filter((report) => report.key === key && report.state === state).length;
  }
}

test("a thousand requests of two threads make one fetch, whatever becomes of it", async () => {
  const job = { fills: allocateFills(100), predictor: allocatePredictor(100) };
  const settings = { ...FILL_DEFAULTS, longestWait: 600_000, longestClaim: 600_000 };
  const predictor = new Predictor(job.predictor);
  const own = new FillTable(job.fills, 2, settings, { clock: idleAlarms, predictor });
  const threads = [new Crowd({ ...job, thread: 0 }), new Crowd({ ...job, thread: 1 })];
  const count = (key: number, state: number): number =>
    threads.reduce((sum, thread) => sum + thread.count(key, state), 0);
  const comes = (key: number, many: number, state: number): Promise<boolean> =>
    until(`${many} of key ${key} come to ${state}`, () => count(key, state) === many);
  await Promise.all(threads.map(({ worker }) => once(worker, "online")));
  const claims = [1, 2, 3].map((key) => own.seekNow(keyOf(key))!);
  for (const thread of threads) for (const key of [1, 2, 3]) thread.order({ key, hash: keyOf(key).hash });
  await Promise.all([1, 2, 3].map((key) => comes(key, 1000, FillState.Waiting)));

  claims[0]!.found();
  claims[1]!.unstorable();
  await comes(1, 1000, FillState.Found);
  await comes(2, 1000, FillState.Unstorable);
  claims[2]!.failed();
  await comes(3, 1, FillState.Mine);
  const [first, second] = threads as [Crowd, Crowd];
  const [heir, other] = first.count(3, FillState.Mine) === 1 ? [first, second] : [second, first];
  // Its thread dies: another one has it, and finds something.
  await heir.worker.terminate();
  forgetThread(job.fills, threads.indexOf(heir), 2, 3);
  await until("the other thread has taken over", () => other.count(3, FillState.Mine) === 1);
  other.order("found");
  await until("it has found something for all others", () => other.count(3, FillState.Found) === 499);
  assert.deepEqual([count(1, FillState.Mine), count(2, FillState.Mine), count(3, FillState.Mine)], [0, 0, 2]);
  await other.worker.terminate();
});

test("never has two fetch the same at once, and forgets nobody, whatever threads do", async () => {
  const [keys, rounds] = [12, 3000];
  // Room for fewer keys than there are, so that slots change hands all the time.
  const shared = { fills: allocateFills(8), predictor: allocatePredictor(100) };
  const claimed = new SharedArrayBuffer(4 * keys);
  const threads = [0, 1].map((thread) => {
    const workerData: StormJob = { ...shared, thread, claimed, keys, rounds };
    return new Worker(new URL("../../../test/kit/fill-storm.ts", import.meta.url), { workerData });
  });
  const reports = await Promise.all(threads.map((worker) => once(worker, "message")));
  await Promise.all(threads.map((worker) => worker.terminate()));
  for (const [states] of reports) {
    const told = (states as number[]).reduce((sum, count) => sum + count, 0);
    assert.equal(told, rounds);
    assert.deepEqual(
      [states[FillState.Waiting], states[FillState.TimedOut], states[FillState.Over]],
      [0, 0, 0],
    );
  }
});
