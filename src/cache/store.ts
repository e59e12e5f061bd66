/**
 * What an entry is found by: 128 bits of a keyed hash, and the text it was made of. The hash leads to a place, the text is
 * compared there, so that keys that fall together cost a miss and never a wrong answer.
 */
export interface CacheKey {
  readonly text: string;
  /** Four words; borrowed, good until the call that it is given to returns. */
  readonly hash: Int32Array;
  /** Whether so many bytes are its text, a byte for each character. Absent where nobody can tell that without the text. */
  isAt?(bytes: Buffer, at: number, length: number): boolean;
}

/** Bytes that are borrowed: good until the next call on the entry. */
export interface Piece {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export const EntryState = { Writing: 0, Complete: 1, Failed: 2 } as const;
export type EntryStateCode = (typeof EntryState)[keyof typeof EntryState];

/**
 * A response in a store, held (pinned) by whoever found it until `release`. What is replaced or evicted meanwhile can be read
 * to its end.
 */
export interface CacheEntry {
  readonly key: CacheKey;
  /** As it was given to `begin` or, since, to `update`; borrowed until release. */
  readonly meta: Buffer;
  /** Bytes of the body that are there by now. */
  readonly length: number;
  readonly state: EntryStateCode;
  /**
   * A piece of the body from `offset` on, at most to `end`; null when there is none yet (Writing), or at the end. Synchronous
   * where the bytes are in memory. Of an entry that has failed, what came before that can be read.
   * @rejects when they can't be read or don't match their checksum: the entry is removed then
   */
  read(offset: number, end: number): Piece | null | Promise<Piece | null>;
  /**
   * `listener` is called once, in this thread, when there is more of it than `offset`, or it is complete or has failed; if that
   * is so already then soon, but not before this call returns. One listener a handle: another one takes its place.
   */
  whenMore(offset: number, listener: () => void): void;
  /** Once; the handle, and all it has lent, is of no use any more, and its listener isn't called. */
  release(): void;
}

/**
 * Writes one entry. It can be found while it is written (`EntryState.Writing`) unless the store can't do that
 * (`CacheStore.streams`).
 */
export interface EntryWriter {
  /** The entry under way, pinned for the writer's own reading; null where the store can't be read while writing. */
  open(): CacheEntry | null;
  /**
   * Takes a copy of the bytes. Never throws: a store that fails reports by `WriterOwner.onFailure` once, and takes the rest in
   * vain.
   * @returns false when the caller should wait for `onDrain` before the next one
   */
  write(bytes: Buffer, start: number, end: number): boolean;
  /**
   * All of it came. When a length was announced and it is another one, that is a failure.
   * @returns a promise where it isn't found as a whole at once; kept when it is, or has failed. It never rejects
   */
  finish(): void | Promise<void>;
  /** Not all of it came: readers are told, and nothing stays. */
  abort(): void;
}

export interface WriterOwner {
  onDrain(): void;
  /** Larger than the largest entry, no room, a disk that is full… Never called from within `begin`. */
  onFailure(error: Error): void;
}

/** Of all threads and since the store began, where the store is shared; `bytes` is what it takes, overhead included. */
export interface StoreStats {
  readonly entries: number;
  readonly bytes: number;
  readonly mostBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  /** Entries that `begin` had no room for or didn't want. */
  readonly refused: number;
  /** Entries that were begun and didn't come to their end. */
  readonly failures: number;
}

export interface CacheStore {
  /** Whether an entry can be read while it is written. */
  readonly streams: boolean;
  readonly stats: StoreStats;
  /** The entry, pinned. It counts as a use of it. */
  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null>;
  /**
   * Begins an entry. It takes the place of the one under the same key when it is finished; if there is none, it can be found
   * from now on.
   * @param meta copied
   * @param length of the body if it is known, else null
   * @returns null when there is no room for that, or the store doesn't want it
   */
  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null;
  /** Puts other meta in place, as freshened by a 304. Nothing happens when the entry has been replaced or removed. */
  update(entry: CacheEntry, meta: Buffer): void | Promise<void>;
  /**
   * Whether an entry is still what its key leads to: it may have been replaced or removed since it was found. Absent where a store can't
   * say so at once.
   */
  isCurrent?(entry: CacheEntry): boolean;
  /** What is being written of the key goes as well, unless it was begun after this. @returns whether there was one */
  remove(key: CacheKey): boolean | Promise<boolean>;
  clear(): void | Promise<void>;
  close(): Promise<void>;
}
