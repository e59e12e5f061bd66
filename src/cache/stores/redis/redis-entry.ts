import { type CacheEntry, type CacheKey, EntryState, type EntryStateCode, type Piece } from "../../store.ts";

/** An entry that has come from Redis, all of it. */
export class RedisEntry implements CacheEntry {
  readonly key: CacheKey;
  /** Changed by an update that went through. */
  meta: Buffer;
  readonly state: EntryStateCode = EntryState.Complete;
  /** Tells it from others under the same key. */
  readonly id: Buffer;
  readonly #body: Buffer;
  #listener: (() => void) | null = null;

  constructor(key: CacheKey, id: Buffer, meta: Buffer, body: Buffer) {
    this.key = key;
    this.id = id;
    this.meta = meta;
    this.#body = body;
  }

  get length(): number {
    return this.#body.length;
  }

  get body(): Buffer {
    return this.#body;
  }

  read(offset: number, end: number): Piece | null {
    const limit = Math.min(end, this.#body.length);
    return offset >= limit ? null : { bytes: this.#body, start: offset, end: limit };
  }

  /** It is complete already. */
  whenMore(_offset: number, listener: () => void): void {
    this.#listener = listener;
    queueMicrotask(() => {
      if (this.#listener !== listener) return;
      this.#listener = null;
      listener();
    });
  }

  release(): void {
    this.#listener = null;
  }
}
