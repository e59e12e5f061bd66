/** What tests of cache stores need: keys, and entries written and read whole. */
import assert from "node:assert/strict";
import { KeyHash } from "../../src/cache/key-hash.ts";
import {
  type CacheEntry,
  type CacheKey,
  type CacheStore,
  EntryState,
  type EntryWriter,
  type WriterOwner,
} from "../../src/cache/store.ts";

const hash = new KeyHash([1, 2, 3, 4]);

export function cacheKey(text: string): CacheKey {
  return { text, hash: Int32Array.from(hash.of(text)) };
}

/** Waits for what a writer wants to be waited for. */
export class RecordingOwner implements WriterOwner {
  readonly failures: string[] = [];
  #drained = Promise.withResolvers<void>();

  onDrain(): void {
    this.#drained.resolve();
    this.#drained = Promise.withResolvers();
  }

  onFailure(error: Error): void {
    this.failures.push(error.message);
    this.onDrain();
  }

  async write(writer: EntryWriter, bytes: Buffer): Promise<void> {
    const drained = this.#drained.promise;
    if (!writer.write(bytes, 0, bytes.length) && this.failures.length === 0) await drained;
  }
}

export interface WriteOptions {
  /** Whether its length is announced; it is when absent. */
  readonly announced?: boolean;
  /** Bytes of each write; all at once when absent. */
  readonly step?: number;
}

/** @returns whether the store took it, as far as one knows by now */
export async function writeEntry(
  store: CacheStore,
  key: string,
  [meta, body]: readonly [meta: string, body: Buffer],
  { announced = true, step = body.length }: WriteOptions = {},
): Promise<boolean> {
  const owner = new RecordingOwner();
  const writer = store.begin(cacheKey(key), Buffer.from(meta), announced ? body.length : null, owner);
  if (writer === null) return false;
  for (let at = 0; at < body.length && owner.failures.length === 0; at += step)
    await owner.write(writer, Buffer.from(body.subarray(at, at + step)));
  writer.finish();
  return owner.failures.length === 0;
}

/** Waits until there is more than `offset`, or the entry has come to its end. */
export function more(entry: CacheEntry, offset: number): Promise<void> {
  return new Promise((resolve) => entry.whenMore(offset, resolve));
}

/** All of the body from `from` to `to`, when it is there. @param most bytes of a piece */
export async function readBody(
  entry: CacheEntry,
  from = 0,
  to: number = Number.MAX_SAFE_INTEGER,
  most: number = Number.MAX_SAFE_INTEGER,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = from; at < to; ) {
    const piece = await entry.read(at, Math.min(to, at + most));
    if (piece !== null) {
      assert.ok(piece.end > piece.start && piece.end - piece.start <= Math.min(to - at, most));
      parts.push(Buffer.from(piece.bytes.subarray(piece.start, piece.end)));
      at += piece.end - piece.start;
    } else if (entry.state !== EntryState.Writing && at >= entry.length) break;
    else await more(entry, at);
  }
  return Buffer.concat(parts);
}

/** Meta and body of what is found, null when nothing is; let go again. */
export async function readEntry(store: CacheStore, key: string): Promise<[string, Buffer] | null> {
  const entry = await store.find(cacheKey(key));
  if (entry === null) return null;
  try {
    const body = await readBody(entry);
    return entry.state === EntryState.Complete ? [entry.meta.toString(), body] : null;
  } finally {
    entry.release();
  }
}
