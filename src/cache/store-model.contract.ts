import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cacheKey, RecordingOwner, readBody, readEntry, writeEntry } from "../../test/kit/cache-store.ts";
import { patternBytes } from "../../test/kit/pattern.ts";
import type { MakeStore, StoreSubject } from "./store.contract.ts";
import type { CacheEntry, CacheStore } from "./store.ts";

const KEYS = 5;
const SIZES = [0, 1, 200, 5000, 40_000] as const;

interface Step {
  readonly kind: "write" | "begin" | "abort" | "read" | "hold" | "release" | "update" | "remove" | "clear";
  readonly key: number;
  readonly size: number;
  readonly announced: boolean;
}

interface Held {
  readonly entry: CacheEntry;
  readonly meta: string;
  readonly body: Buffer;
}

/** What a store should know, by key. */
type Model = Map<string, { meta: string; body: Buffer }>;

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    "write",
    "write",
    "write",
    "begin",
    "abort",
    "read",
    "hold",
    "release",
    "update",
    "remove",
    "clear",
  ),
  key: fc.nat(KEYS - 1),
  size: fc.constantFrom(...SIZES),
  announced: fc.boolean(),
});

/** Random operations, after each of which the store says what a map would. */
export function testAgainstModel(make: MakeStore, runs: number): void {
  for (const [room, mostBytes] of [
    ["enough", 8 << 20],
    ["little", 400_000],
  ] as const) {
    test(`does as a map would, with ${room} room`, async () => {
      const sequences = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const subject = await make({ mostBytes, mostEntryBytes: 100_000 });
        try {
          await new Walk(subject, room === "enough").take(steps);
        } finally {
          await subject.store.close();
          await subject.dispose?.();
        }
      });
      await fc.assert(sequences, { numRuns: runs, seed: 7 });
    });
  }
}

class Walk {
  readonly #store: CacheStore;
  readonly #subject: StoreSubject;
  /** Whether nothing may be missing. */
  readonly #isExact: boolean;
  readonly #model: Model = new Map();
  readonly #held: Held[] = [];
  #turn = 0;

  constructor(subject: StoreSubject, isExact: boolean) {
    this.#subject = subject;
    this.#store = subject.store;
    this.#isExact = isExact;
  }

  async take(steps: readonly Step[]): Promise<void> {
    for (const one of steps) {
      this.#turn++;
      await this.#do(one);
      await this.#subject.settled?.();
      assert.ok(this.#store.stats.bytes <= this.#store.stats.mostBytes);
    }
    for (let key = 0; key < KEYS; key++) await this.#read(`${key}`);
    if (this.#isExact) assert.equal(this.#store.stats.entries, this.#model.size);
    while (this.#held.length > 0) await this.#release();
  }

  async #do({ kind, key, size, announced }: Step): Promise<void> {
    const text = `${key}`;
    if (kind === "write") await this.#write(text, patternBytes(size, 0, this.#turn), announced);
    else if (kind === "begin" || kind === "abort") await this.#abort(text, patternBytes(size, 0, this.#turn));
    else if (kind === "hold") await this.#hold(text);
    else if (kind === "release") await this.#release();
    else if (kind === "update") await this.#update(text, size);
    else if (kind === "remove") {
      const was = await this.#store.remove(cacheKey(text));
      if (this.#isExact) assert.equal(was, this.#model.has(text));
      this.#model.delete(text);
    } else if (kind === "clear") {
      await this.#store.clear();
      this.#model.clear();
    } else await this.#read(text);
  }

  async #write(key: string, body: Buffer, announced: boolean): Promise<void> {
    const meta = `meta ${this.#turn}`;
    const isTaken = await writeEntry(this.#store, key, [meta, body], { announced, step: 3000 });
    if (isTaken) this.#model.set(key, { meta, body });
    else assert.ok(!this.#isExact, "there was room");
  }

  async #abort(key: string, body: Buffer): Promise<void> {
    const owner = new RecordingOwner();
    const writer = this.#store.begin(cacheKey(key), Buffer.from("aborted"), null, owner);
    if (writer === null) return;
    await owner.write(writer, body);
    writer.abort();
  }

  async #hold(key: string): Promise<void> {
    const entry = await this.#store.find(cacheKey(key));
    const known = this.#model.get(key);
    if (entry === null) assert.ok(!this.#isExact || known === undefined);
    else if (known === undefined) assert.fail("it was removed");
    else this.#held.push({ entry, ...known });
  }

  async #release(): Promise<void> {
    const held = this.#held.shift();
    if (held === undefined) return;
    assert.equal(held.entry.meta.toString(), held.meta);
    assert.ok((await readBody(held.entry)).equals(held.body), "what is held stays as it was");
    held.entry.release();
  }

  async #update(key: string, size: number): Promise<void> {
    const entry = await this.#store.find(cacheKey(key));
    if (entry === null) return;
    const meta = `updated ${this.#turn} ${"x".repeat(size >> 4)}`;
    await this.#store.update(entry, Buffer.from(meta));
    entry.release();
    await this.#subject.settled?.();
    const now = await readEntry(this.#store, key);
    const known = this.#model.get(key)!;
    // Where there is no room for it, the old one stays.
    if (now?.[0] === meta) known.meta = meta;
    else assert.ok(!this.#isExact, "it wasn't updated");
  }

  async #read(key: string): Promise<void> {
    const read = await readEntry(this.#store, key);
    const known = this.#model.get(key);
    if (read === null) assert.ok(!this.#isExact || known === undefined, `${key} is lost`);
    else {
      assert.ok(known !== undefined, `${key} was removed`);
      assert.equal(read[0], known.meta);
      assert.ok(read[1].equals(known.body), `${key} has other bytes`);
    }
  }
}
