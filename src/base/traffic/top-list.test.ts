import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { TopList } from "./top-list.ts";
import type { TopMemory } from "./top-memory.ts";
import {
  HISTOGRAM_WORD,
  NAME_BYTES,
  NAME_HEAD,
  NUMBER_STRIDE,
  nameAt,
  openTopMemory,
  TOP_BUCKETS,
  TopCount,
  topBytes,
  viewsOf,
} from "./top-memory.ts";

interface Made {
  readonly list: TopList;
  readonly memory: TopMemory;
}

function make(slots: number): Made {
  const memory = openTopMemory(viewsOf(new SharedArrayBuffer(topBytes(slots))), 0, slots);
  return { list: new TopList(memory, 0x1234_5678), memory };
}

/** That of the only slot. */
function histogramOf({ words, wordsAt }: TopMemory): Int32Array {
  return words.subarray(wordsAt + HISTOGRAM_WORD, wordsAt + HISTOGRAM_WORD + TOP_BUCKETS.count);
}

/** A number of the only slot. */
function numberOf({ numbers, numbersAt }: TopMemory, count: TopCount): number {
  return numbers[numbersAt + count]!;
}

interface Entry {
  readonly count: number;
  readonly error: number;
}

/** What the list says, by name. */
function read({ memory }: Made): Map<string, Entry> {
  const { bytes, numbers } = memory;
  const entries = new Map<string, Entry>();
  for (let slot = 0; slot < memory.words[memory.usedAt]!; slot++) {
    const at = nameAt(memory, slot) + NAME_HEAD;
    const length = bytes[at - NAME_HEAD]! | (bytes[at - NAME_HEAD + 1]! << 8);
    const name = Buffer.from(bytes.slice(at, at + length)).toString("latin1");
    const isCut = bytes[at - 1] === 1;
    const numbersAt = memory.numbersAt + slot * NUMBER_STRIDE;
    const count = numbers[numbersAt + TopCount.count]!;
    entries.set(isCut ? `${name}…` : name, { count, error: numbers[numbersAt + TopCount.error]! });
  }
  return entries;
}

/** Few keys come often, many come once. */
const streams = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 }) },
  ),
  { maxLength: 400 },
);

describe("the counts", () => {
  test("are never too low, too high by what is told at most, and nobody is missing who came often", () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 1, max: 20 }), (stream, slots) => {
        const made = make(slots);
        const truth = new Map<string, number>();
        for (const n of stream) {
          made.list.enterText(`key ${n}`);
          truth.set(`key ${n}`, (truth.get(`key ${n}`) ?? 0) + 1);
        }
        const entries = read(made);
        const bound = stream.length / slots;
        let sum = 0;
        for (const [key, { count, error }] of entries) {
          const exact = truth.get(key) ?? 0;
          assert.ok(
            count >= exact && count - error <= exact,
            `${key}: ${exact} in ${count - error}…${count}`,
          );
          assert.ok(error <= bound, `${error} of ${bound}`);
          sum += count;
        }
        assert.equal(sum, stream.length);
        for (const [key, exact] of truth) assert.ok(exact <= bound || entries.has(key), key);
      }),
    );
  });

  test("are exact while there is room", () => {
    const made = make(4);
    for (const key of ["a", "b", "a", "c", "a"]) made.list.enterText(key);
    const exact = (count: number): Entry => ({ count, error: 0 });
    assert.deepEqual(
      [...read(made)],
      [
        ["a", exact(3)],
        ["b", exact(1)],
        ["c", exact(1)],
      ],
    );
  });

  test("go on by a mark as long as its key is there", () => {
    const made = make(1);
    const mark = made.list.enterText("a");
    assert.equal(made.list.enterAgain(mark), true);
    assert.deepEqual([...read(made)], [["a", { count: 2, error: 0 }]]);
    made.list.enterText("b");
    assert.equal(made.list.enterAgain(mark), false);
    assert.deepEqual([...read(made)], [["b", { count: 3, error: 2 }]]);
  });
});

describe("what is noted of a key", () => {
  const end = { bytesIn: 1, bytesOut: 10, status: 503, failed: true, aborted: false, retries: 0 };

  test("is its own", () => {
    const { list, memory } = make(1);
    const a = list.enterText("a");
    list.note(a, end, 2, 2000);
    list.add(a, TopCount.connections, 1);
    assert.deepEqual(
      [TopCount.bytesOut, TopCount.responses5xx, TopCount.failed, TopCount.connections].map((count) =>
        numberOf(memory, count),
      ),
      [10, 1, 1, 1],
    );
    const b = list.enterText("b");
    assert.equal(numberOf(memory, TopCount.bytesOut), 0);
    assert.ok(histogramOf(memory).every((count) => count === 0));
    list.note(a, end, 2, 2000);
    assert.equal(numberOf(memory, TopCount.bytesOut), 0, "who was pushed out notes nothing any more");
    list.note(b, end, -1, 0);
    assert.equal(numberOf(memory, TopCount.bytesOut), 10);
    assert.ok(histogramOf(memory).every((count) => count === 0));
  });
});

describe("a path", () => {
  const enter = (made: Made, target: string): void => {
    const bytes = Buffer.from(`GET ${target} HTTP/1.1`);
    made.list.enterPath(bytes, 4, bytes.length - 9);
  };

  test("ends before its query", () => {
    const made = make(4);
    for (const target of ["/a?x", "/a", "/a?", "/b"]) enter(made, target);
    assert.deepEqual(
      [...read(made)].map(([name, { count }]) => [name, count]),
      [
        ["/a", 3],
        ["/b", 1],
      ],
    );
  });

  test("that is too long is cut, and all that begin alike are one", () => {
    const made = make(4);
    const long = `/${"x".repeat(NAME_BYTES - 1)}`;
    for (const target of [`${long}y`, `${long}zzz`]) enter(made, target);
    assert.deepEqual([...read(made).keys()], [`${long}…`]);
    enter(make(4), long);
    const whole = make(4);
    enter(whole, `${long}?q`);
    assert.deepEqual([...read(whole).keys()], [long]);
  });
});
