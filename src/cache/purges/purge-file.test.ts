import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { PurgeKind, PurgeVerdict } from "./purge.ts";
import { PurgeFile } from "./purge-file.ts";
import { createPurges, PurgeList } from "./purge-list.ts";
import { PurgeMemory } from "./purge-memory.ts";

const NOW = Date.UTC(2026, 5);
const HOUR = 3_600_000;
const { Kept, Stale, Revalidate, Gone } = PurgeVerdict;

/** The purges of one process, as one of its threads and their keeper have them. */
class Process {
  readonly memory: SharedArrayBuffer;
  readonly list: PurgeList;
  readonly file: PurgeFile;
  readonly problems: Error[] = [];

  constructor(path: string, now: number, mostBytes?: number) {
    this.memory = createPurges(now, mostBytes);
    this.list = new PurgeList(this.memory, 0);
    const onProblem = (error: Error): number => this.problems.push(error);
    this.file = new PurgeFile({ path, memory: this.memory, thread: 1, onProblem });
  }

  async purge(kind: keyof typeof PurgeKind, text: string, isSoft = false): Promise<number> {
    const generation = this.list.add({ kind: PurgeKind[kind], text, isSoft });
    await this.list.kept();
    return generation;
  }
}

test("the next process judges by the purges of the one before, also when that was killed", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("purges");
  const first = new Process(path, NOW);
  const before = first.list.generation;
  await first.file.begin();
  await first.purge("Key", "a");
  const between = await first.purge("Tag", "t", true);
  await first.purge("Key", "b");
  // As if it had been killed: nobody ends it. What is purged before the file is there is among them as well.
  const second = new Process(path, NOW + HOUR);
  second.list.add({ kind: PurgeKind.Key, text: "c", isSoft: false });
  await second.file.begin();
  const verdicts = (key: string): number[] =>
    [before, between].map((generation) => second.list.verdict(generation, key, " t "));
  assert.deepEqual(verdicts("a"), [Gone, Kept]);
  assert.deepEqual(verdicts("b"), [Gone, Gone]);
  assert.deepEqual(verdicts("c"), [Gone, Gone]);
  assert.deepEqual(verdicts("d"), [Stale, Kept]);
  assert.equal(second.list.verdict(before - 1, "d", ""), Revalidate);
  assert.equal(second.list.verdict(second.list.generation, "c", ""), Kept);
  await second.file.end();
  const third = new Process(path, NOW + 2 * HOUR, 4096);
  await third.file.begin();
  assert.equal(third.list.verdict(between, "b", ""), Gone);
  await third.file.end();
  await first.file.end();
});

test("without a file that can be believed all is revalidated", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("purges");
  const first = new Process(path, NOW);
  const { generation } = first.list;
  await first.file.begin();
  await first.file.end();
  const whole = await readFile(path);
  const flipped = Buffer.from(whole);
  flipped[5]! ^= 1;
  for (const bytes of [Buffer.alloc(0), whole.subarray(0, -1), flipped]) {
    await writeFile(path, bytes);
    const next = new Process(path, NOW + HOUR);
    await next.file.begin();
    assert.equal(next.list.verdict(generation, "a", ""), Revalidate);
    assert.equal(next.problems.length, 1);
    await next.file.end();
  }
  await writeFile(path, whole);
  // The clock was put back: generations would come again.
  const earlier = new Process(path, NOW - HOUR);
  const own = earlier.list.generation;
  await earlier.file.begin();
  assert.equal(earlier.list.verdict(own, "a", ""), Revalidate);
  assert.equal(earlier.list.verdict(generation, "a", ""), Kept);
  await earlier.purge("Key", "a");
  assert.equal(earlier.list.verdict(generation, "a", ""), Gone);
  await earlier.file.end();
});

test("a file that can't be written any more isn't there any more, and nobody waits for it", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("purges");
  const process = new Process(path, NOW);
  const { list, file, problems } = process;
  assert.equal(list.kept(), null, "nobody keeps them yet");
  await file.begin();
  await folder.write("purges.new/in-the-way", "");
  await process.purge("Key", "a");
  assert.equal(problems.length, 1);
  await assert.rejects(readFile(path), { code: "ENOENT" });
  await file.end();
  list.add({ kind: PurgeKind.All, text: "", isSoft: false });
  assert.equal(list.kept(), null);
});

test("who is about to wait for a file hears that there is none any more", async (t) => {
  const memory = createPurges(NOW);
  const [list, keeper] = [new PurgeMemory(memory, 0), new PurgeMemory(memory, 1)];
  const { generation } = list;
  keeper.setKept(generation);
  const waitAsync = Atomics.waitAsync.bind(Atomics);
  const afterEnd = (words: Int32Array, at: number, value: number): ReturnType<typeof waitAsync> => {
    keeper.setKept(null);
    return waitAsync(words, at, value);
  };
  t.mock.method(Atomics, "waitAsync", afterEnd);
  await list.untilKept(generation + 1);
});
