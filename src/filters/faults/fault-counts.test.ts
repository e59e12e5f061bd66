import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { parseConfig } from "../../config/load.ts";
import type { ProxySettings } from "../settings.ts";
import {
  allocateFaultCounts,
  type FaultCount,
  faultCounts,
  MOST_VALUES,
  nextFaultCounts,
} from "./fault-counts.ts";

const settings: ProxySettings = parseConfig(
  `listeners:
  - { bind: 0, name: a, respond: 200, faults: [{ first: 1, abort: 503 }, { first: 1, key: x-user, abort: 503 }] }
  - { bind: 0, name: b, respond: 200, faults: [{ first: 1, abort: 503 }] }`,
  "a.yaml",
  {},
);

function countsOf(name: string, memory = allocateFaultCounts(settings)): FaultCount[] {
  return faultCounts(settings, name, memory);
}

describe("the counts of faults", () => {
  test("are counted for each fault by itself", () => {
    const memory = allocateFaultCounts(settings);
    const [plain, keyed] = countsOf("a", memory);
    const [other] = countsOf("b", memory);
    assert.deepEqual([plain!.next(""), plain!.next(""), plain!.next("")], [1, 2, 3]);
    assert.equal(keyed!.next(""), 1);
    assert.equal(other!.next(""), 1);
  });

  test("are those of everybody who shares the memory", () => {
    const memory = allocateFaultCounts(settings);
    const [one, two] = [countsOf("a", memory), countsOf("a", memory)];
    for (const index of [0, 1]) {
      const seen = [one, two, one].map((counts) => counts[index]!.next("ann"));
      assert.deepEqual(seen, [1, 2, 3]);
    }
  });

  test("begin anew when they are told to", () => {
    const counts = countsOf("a");
    for (const count of counts) {
      count.next("ann");
      count.reset();
      assert.equal(count.next("ann"), 1);
    }
  });
});

describe("when another configuration comes", () => {
  const parse = (text: string): ProxySettings => parseConfig(`listeners:\n${text}`, "a.yaml", {});
  const before = parse(`
  - { bind: 0, name: a, respond: 200, faults: [{ name: x, first: 2, abort: 503 }, { name: y, first: 2, abort: 503 }] }
  - { bind: 0, name: b, respond: 200, faults: [{ name: x, first: 2, abort: 503 }] }`);
  const after = parse(`
  - { bind: 0, name: b, respond: 200, faults: [{ name: z, delay: 5 }, { name: x, first: 9, reset: true }] }
  - bind: 0
    name: a
    respond: 200
    faults: [{ name: y, first: 2, match: { method: GET }, abort: 503 }, { name: x, first: 2, key: x-user, abort: 503 }]`);
  const old = allocateFaultCounts(before);
  for (const name of ["a", "b"]) for (const count of faultCounts(before, name, old)) count.next("");
  const next = nextFaultCounts(before, old, after);

  test("faults of the same name on the same listener count on, in the same memory", () => {
    const [z, x] = faultCounts(after, "b", next);
    assert.deepEqual([z!.next(""), x!.next("")], [1, 2]);
    assert.equal(faultCounts(before, "b", old)[0]!.next(""), 3);
  });

  test("those that count other requests, or apart, begin anew", () => {
    assert.deepEqual(
      faultCounts(after, "a", next).map((count) => count.next("")),
      [1, 1],
    );
    assert.equal(faultCounts(before, "a", old)[0]!.next(""), 2);
  });
});

describe("counts by a key", () => {
  test("are those of each value", () => {
    const [, count] = countsOf("a");
    const values = ["ann", "bob", "ann", "", "ann", "bob", ""];
    assert.deepEqual(
      values.map((value) => count!.next(value)),
      [1, 1, 2, 1, 3, 2, 2],
    );
  });

  test("are kept for as many values as there is room for, but for a few that share a set", () => {
    const [, count] = countsOf("a");
    const values = Array.from({ length: MOST_VALUES / 4 }, (_, i) => `user-${i}`);
    for (const value of values) assert.equal(count!.next(value), 1);
    const kept = values.filter((value) => count!.next(value) === 2);
    assert.ok(kept.length > values.length * 0.99, `${kept.length} of ${values.length}`);
  });

  test("are dropped where the value wasn't used for long, and kept where it was", () => {
    const [, count] = countsOf("a");
    count!.next("rare");
    for (let i = 1; i <= 20 * MOST_VALUES; i++) {
      count!.next(`passer-by ${i}`);
      if (i % 100 === 0) assert.equal(count!.next("regular"), i / 100);
    }
    assert.equal(count!.next("rare"), 1);
  });
});

const WORKER = `
const { parentPort, workerData } = require("node:worker_threads");
import(workerData.module).then(({ faultCounts }) => {
  const [plain, keyed] = faultCounts(workerData.settings, "a", workerData.memory);
  for (let i = 0; i < workerData.rounds; i++) {
    plain.next("");
    keyed.next("value " + (i % 10));
  }
  parentPort.postMessage("done");
});`;

test("no request is lost between threads", async () => {
  const memory = allocateFaultCounts(settings);
  const rounds = 20_000;
  const workerData = { settings, memory, rounds, module: import.meta.resolve("./fault-counts.ts") };
  await Promise.all(
    [1, 2, 3].map(() => {
      const worker = new Worker(WORKER, { eval: true, workerData });
      return new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
    }),
  );
  const [plain, keyed] = countsOf("a", memory);
  assert.equal(plain!.next(""), 3 * rounds + 1);
  for (let value = 0; value < 10; value++) {
    assert.equal(keyed!.next(`value ${value}`), (3 * rounds) / 10 + 1);
  }
});
