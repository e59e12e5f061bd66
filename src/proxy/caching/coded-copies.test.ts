import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { metaOf } from "../../../test/kit/cache-exchange.ts";
import { cacheKey, RecordingOwner, readBody } from "../../../test/kit/cache-store.ts";
import { until } from "../../../test/kit/deadline.ts";
import { patternBytes } from "../../../test/kit/pattern.ts";
import { WatchedStore } from "../../../test/kit/watched-store.ts";
import { encodeMeta } from "../../cache/meta.ts";
import type { CacheEntry } from "../../cache/store.ts";
import { MemoryStore } from "../../cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../cache/stores/memory/store-memory.ts";
import type { BodyCoder, BodyCoding, CoderOwner } from "../body-coder.ts";
import { CodedCopies, copyKeyText } from "./coded-copies.ts";

const MIB = 1024 * 1024;
const KEY = "https://example.com/";

/** Turns every bit, and takes its time. */
class Turning implements BodyCoder {
  readonly #owner: CoderOwner;
  readonly #fails: boolean;
  #pieces: Buffer[] = [];
  isStopped = false;
  holds = 0;

  constructor(owner: CoderOwner, fails: boolean) {
    this.#owner = owner;
    this.#fails = fails;
  }

  push(bytes: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    if (this.#pieces.length > 1) return;
    this.#owner.onCoderBusy();
    setImmediate(() => this.#work());
  }

  #work(): void {
    if (this.isStopped) return;
    for (const piece of this.#pieces) {
      this.#owner.onCoded(turned(piece), 0, piece.length);
    }
    this.#pieces = [];
    if (this.#fails) this.#owner.onCoderFailed(new Error("no"));
    else this.#owner.onCoderIdle();
  }

  end(): void {
    setImmediate(() => {
      this.#work();
      if (!this.isStopped) this.#owner.onCodedEnd();
    });
  }

  stop(): void {
    this.isStopped = true;
  }

  pause(): void {
    this.holds++;
  }

  resume(): void {
    this.holds--;
  }
}

class Rig implements AsyncDisposable {
  readonly store: WatchedStore;
  readonly copies: CodedCopies;
  readonly coders: Turning[] = [];
  readonly way: BodyCoding;
  readonly entry: CacheEntry;
  readonly told: (Buffer | null)[] = [];

  private constructor(store: WatchedStore, entry: CacheEntry, fails: boolean) {
    this.store = store;
    this.entry = entry;
    this.copies = new CodedCopies(store);
    this.way = {
      name: "turn",
      isQuick: true,
      get forCopies() {
        return this;
      },
      open: (owner) => {
        const coder = new Turning(owner, fails);
        this.coders.push(coder);
        return coder;
      },
    };
  }

  static async start(bytes: number, fails = false): Promise<Rig> {
    const memory = allocateMemoryStore({ mostBytes: 8 * MIB, mostEntryBytes: 4 * MIB, rows: 1 });
    const store = new WatchedStore(new MemoryStore(memory, 0));
    put(store, bytes);
    return new Rig(store, (await store.find(cacheKey(KEY)))!, fails);
  }

  get key(): ReturnType<typeof cacheKey> {
    return cacheKey(copyKeyText(this.entry, this.way));
  }

  make(entry: CacheEntry = this.entry): boolean {
    const onCopy = (body: readonly Buffer[] | null): void => {
      this.told.push(body === null ? null : Buffer.concat(body));
    };
    return this.copies.make(entry, { key: this.key, way: this.way, fields: [] }, { onCopy });
  }

  get isThere(): boolean {
    const copy = this.copies.find(this.entry, this.key) as CacheEntry | null;
    copy?.release();
    return copy !== null;
  }

  /** The copy's body; null: there is none. */
  async found(): Promise<Buffer | null> {
    const copy = await this.copies.find(this.entry, this.key);
    if (copy === null) return null;
    const body = await readBody(copy);
    copy.release();
    return body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.entry.release();
    await until("nothing is held", () => this.store.held === 0);
    await this.store.close();
  }
}

function put(store: WatchedStore, bytes: number): void {
  const meta = encodeMeta({ ...metaOf({}, bytes), epoch: 1 + Math.floor(Math.random() * 1e9) });
  const writer = store.begin(cacheKey(KEY), meta, bytes, new RecordingOwner());
  writer!.write(patternBytes(bytes), 0, bytes);
  writer!.finish();
}

function turned(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => byte ^ 0xff));
}

/** Not as `deepEqual`, which takes for ever to tell what differs. */
function isTurned(body: Buffer | null | undefined, bytes: number): boolean {
  return body?.equals(turned(patternBytes(bytes))) === true;
}

describe("a short copy", () => {
  test("is made once for all who ask meanwhile, and stored", async () => {
    await using rig = await Rig.start(100_000);
    assert.deepEqual([rig.make(), rig.make(), rig.make()], [true, true, true]);
    await until("it is coded", () => rig.told.length === 3);
    for (const body of rig.told) assert.ok(isTurned(body, 100_000));
    assert.equal(rig.coders.length, 1);
    assert.ok(isTurned(await rig.found(), 100_000));
  });

  test("that can't be made isn't awaited for ever, and is tried again", async () => {
    await using rig = await Rig.start(1_000, true);
    rig.make();
    rig.make();
    await until("it has failed", () => rig.told.length === 2);
    assert.deepEqual([rig.told, await rig.found(), rig.coders[0]!.isStopped], [[null, null], null, true]);
    rig.make();
    await until("it has failed again", () => rig.told.length === 3);
    assert.equal(rig.coders.length, 2);
  });

  test("isn't for who wants what was stored while it is made", async () => {
    await using rig = await Rig.start(1_000);
    rig.make();
    put(rig.store, 500);
    const now = (await rig.store.find(cacheKey(KEY)))!;
    assert.equal(rig.make(now), true);
    await until("both are over", () => rig.told.length === 2);
    now.release();
    assert.deepEqual(
      [isTurned(rig.told[0], 1_000), isTurned(rig.told[1], 500), rig.coders.length],
      [true, true, 2],
    );
  });

  test("that there is no room for is for those who waited", async () => {
    await using rig = await Rig.start(1_000);
    rig.store.room = 10;
    rig.make();
    await until("it is coded", () => rig.told.length === 1);
    assert.deepEqual([isTurned(rig.told[0], 1_000), await rig.found()], [true, null]);
  });

  test("is none of what was stored since", async () => {
    await using rig = await Rig.start(1_000);
    rig.make();
    await until("it is coded", () => rig.told.length === 1);
    put(rig.store, 500);
    const now = (await rig.store.find(cacheKey(KEY)))!;
    assert.equal(rig.copies.find(now, rig.key), null);
    now.release();
    assert.ok(isTurned(await rig.found(), 1_000));
    // What was replaced is gone for whoever would code it now.
    rig.make();
    await until("it is given up", () => rig.told.length === 2);
    assert.equal(rig.told[1], null);
  });
});

describe("a long copy", () => {
  const LONG = 2 * MIB;

  test("is made with nobody waiting, one at a time", async () => {
    await using rig = await Rig.start(LONG);
    assert.deepEqual([rig.make(), rig.make()], [false, false]);
    await until("it is stored", () => rig.isThere);
    assert.ok(isTurned(await rig.found(), LONG));
    assert.deepEqual([rig.told, rig.coders.length], [[], 1]);
  });

  test("that the store has no room for is given up", async () => {
    await using rig = await Rig.start(LONG);
    rig.store.room = 100_000;
    rig.make();
    await until("it is given up", () => rig.coders[0]?.isStopped === true);
    assert.equal(await rig.found(), null);
    rig.store.room = Number.POSITIVE_INFINITY;
    rig.make();
    await until("it is coded", () => rig.store.stats.entries === 2 && rig.coders.length === 2);
  });
});
