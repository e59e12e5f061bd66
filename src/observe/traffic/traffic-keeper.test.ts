import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { freshBook } from "../../../test/kit/traffic.ts";
import type { TrafficThreadData } from "../../../test/kit/traffic-thread.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { TrafficBook } from "../../base/traffic/traffic-book.ts";
import { ROW_NUMBERS, TrafficCount, TrafficRow } from "../../base/traffic/traffic-row.ts";
import type { PlaceReport } from "./report.ts";
import { TrafficKeeper } from "./traffic-keeper.ts";

const THREAD = new URL("../../../test/kit/traffic-thread.ts", import.meta.url);
const END = { bytesIn: 1, bytesOut: 10, status: 200, failed: false, aborted: false, retries: 0 };

function placeOf(keeper: TrafficKeeper, kind: PlaceReport["kind"], name: string): PlaceReport {
  const place = keeper.report().places.find((one) => one.kind === kind && one.name === name);
  assert.ok(place !== undefined, `${kind} ${name}`);
  return place;
}

test("threads that count at once lose nothing, and are read while they do", async () => {
  const keeper = new TrafficKeeper();
  const requests = 50_000;
  const threads = 3;
  const workers = Array.from({ length: threads }, () => {
    const workerData: TrafficThreadData = { memory: keeper.lend()!, requests };
    return new Worker(THREAD, { workerData });
  });
  const running = Promise.all(workers.map((worker) => once(worker, "message")));
  let isOver = false;
  void running.then(() => {
    isOver = true;
  });
  let before = 0;
  while (!isOver) {
    const now = keeper.report().total.counts.requests;
    assert.ok(now >= before, `${now} after ${before}`);
    before = now;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const all = threads * requests;
  const { counts, statuses, latency } = placeOf(keeper, "listener", "web");
  assert.deepEqual(
    [counts.requests, counts.bytesIn, counts.bytesOut, counts.requestsOpen, latency.count],
    [all, all, 10 * all, 0, all],
  );
  assert.deepEqual([...statuses], [[200, all]]);
  assert.deepEqual(placeOf(keeper, "route", "all").counts.requests, all);
  // Latencies are spread evenly from 0 to 99.9 milliseconds.
  for (const [found, truth] of [
    [latency.p50, 50],
    [latency.p90, 90],
    [latency.p99, 99],
  ] as const)
    assert.ok(Math.abs(found - truth) <= 0.017 * truth, `${found} for ${truth}`);
  assert.equal(latency.max, 99.9);
  const { total, entries } = keeper.top("client", 2);
  assert.deepEqual(
    [total, entries.map(({ count, atLeast }) => [count, atLeast])],
    [
      all,
      [
        [all / 4, all / 4],
        [all / 4, all / 4],
      ],
    ],
  );
  keeper.stop();
  await Promise.all(workers.map((worker) => worker.terminate()));
});

describe("a thread that is gone", () => {
  test("leaves what it has counted, but nothing that is open", () => {
    const keeper = new TrafficKeeper();
    const memories = new Set<SharedArrayBuffer>();
    for (let generation = 1; generation <= 3; generation++) {
      const { book, memory } = freshBook(keeper);
      memories.add(memory);
      const row = book.row("listener", "web");
      row.add(TrafficCount.connections);
      row.add(TrafficCount.connectionsOpen);
      row.addRequest(END);
      book.paths!.enterText("/a");
      assert.equal(placeOf(keeper, "listener", "web").counts.connectionsOpen, 1);
      keeper.takeBack(memory);
      keeper.takeBack(memory);
      const { counts } = placeOf(keeper, "listener", "web");
      assert.deepEqual(
        [counts.connections, counts.connectionsOpen, counts.requests],
        [generation, 0, generation],
      );
      assert.equal(keeper.top("path", 10).entries[0]?.count, generation);
    }
    assert.equal(memories.size, 1, "the next one gets its memory, which holds nothing any more");
    keeper.stop();
  });
});

describe("those met most often", () => {
  test("have bounds that hold for all threads together, gone or not", () => {
    const keeper = new TrafficKeeper({ enabled: true, top: 4 });
    const truth = new Map<string, number>();
    const memories = [0, 1, 2].map((thread) => {
      const { book, memory } = freshBook(keeper);
      for (let i = 0; i < 100; i++) {
        const key = i % 3 === 0 ? "often" : `${(thread * 7 + i * 5) % 23}`;
        book.clients!.enterText(key);
        truth.set(key, (truth.get(key) ?? 0) + 1);
      }
      return memory;
    });
    const check = (): void => {
      const { total, least, entries } = keeper.top("client", 100);
      assert.equal(total, 300);
      assert.equal(entries[0]?.key, "often");
      const told = new Map(entries.map((entry) => [entry.key, entry]));
      for (const [key, exact] of truth) {
        const { count = least, atLeast = 0 } = told.get(key) ?? {};
        assert.ok(atLeast <= exact && exact <= count, `${key}: ${exact} in ${atLeast}…${count}`);
      }
    };
    check();
    for (const memory of memories) {
      keeper.takeBack(memory);
      check();
    }
    const { entries, least } = keeper.top("client", 1);
    assert.equal(entries.length, 1);
    assert.ok(least >= Math.max(...[...truth].filter(([key]) => key !== "often").map(([, n]) => n)));
    keeper.stop();
  });
});

describe("windows", () => {
  test("tell of the last seconds only", () => {
    const clock = new ManualAlarmClock();
    const keeper = new TrafficKeeper(undefined, clock, () => 0);
    const book = new TrafficBook(keeper.lend()!);
    const row = book.row("listener", "web");
    const pass = (requests: number, milliseconds: number): void => {
      for (let i = 0; i < requests; i++) {
        row.addRequest({ ...END, status: 503, failed: true });
        row.addLatency(milliseconds);
      }
      clock.advance(1000);
    };
    clock.advance(5000);
    pass(100, 80);
    for (let i = 0; i < 8; i++) pass(0, 0);
    pass(20, 5);
    const [second, ten, minute] = placeOf(keeper, "listener", "web").windows;
    assert.deepEqual([second?.seconds, ten?.seconds, minute?.seconds], [1, 10, 15]);
    assert.deepEqual([second?.rates.requests, ten?.rates.requests, minute?.rates.requests], [20, 12, 8]);
    assert.deepEqual([second?.rates.failed, second?.rates.bytesOut], [20, 200]);
    const near = (found: number | undefined, truth: number): void =>
      assert.ok(Math.abs(found! - truth) <= 0.017 * truth, `${found} for ${truth}`);
    near(second?.latency.p99, 5);
    near(ten?.latency.p99, 80);
    near(second?.latency.mean, 5);
    assert.deepEqual([second?.latency.count, ten?.latency.count], [20, 120]);
    const { history } = placeOf(keeper, "listener", "web");
    assert.deepEqual(history.slice(-10), [100, 0, 0, 0, 0, 0, 0, 0, 0, 20]);
    assert.deepEqual(
      keeper.report().total.windows.map(({ rates }) => rates.requests),
      [20, 12, 8],
    );
    clock.advance(120_000);
    const later = placeOf(keeper, "listener", "web");
    assert.deepEqual(
      later.windows.map(({ seconds, rates, latency }) => [seconds, rates.requests, latency.count]),
      [
        [1, 0, 0],
        [10, 0, 0],
        [60, 0, 0],
      ],
    );
    assert.equal(later.counts.requests, 120);
    assert.equal(later.history.length, 60);
    keeper.stop();
  });
});

test("what is counted elsewhere is told beside the rest", () => {
  const clock = new ManualAlarmClock();
  const keeper = new TrafficKeeper(undefined, clock, () => 0);
  freshBook(keeper).book.row("listener", "web").addRequest(END);
  let connections = 2;
  const latencies = new Float64Array(ROW_NUMBERS);
  new TrafficRow(latencies, 0).addLatency(3);
  const details = { restarts: 4 };
  keeper.others = () => [
    { kind: "plugin", name: "xor", counts: { connections, bytesIn: 5 }, latencies, details },
  ];
  clock.advance(1000);
  connections = 7;
  clock.advance(1000);
  const { counts, windows, latency, details: told } = placeOf(keeper, "plugin", "xor");
  assert.deepEqual([latency.count, latency.max, told], [1, 3, details]);
  assert.deepEqual([counts.connections, counts.bytesIn, counts.requests], [7, 5, 0]);
  assert.equal(windows[0]?.rates.connections, 5);
  assert.equal(keeper.report().total.counts.requests, 1);
  keeper.stop();
});

test("where nothing is to be counted, no memory is lent", () => {
  const keeper = new TrafficKeeper({ enabled: false, top: 10 });
  assert.equal(keeper.lend(), null);
  keeper.takeBack(null);
  assert.deepEqual(keeper.report().places, []);
});
