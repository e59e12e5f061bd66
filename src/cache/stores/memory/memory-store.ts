import { threadId } from "node:worker_threads";
import { copyOnWrite } from "../../../net/slabs.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, StoreStats, WriterOwner } from "../../store.ts";
import { EntryTable } from "./entry-table.ts";
import { isKey } from "./key-text.ts";
import { MemoryEntry } from "./memory-entry.ts";
import { MemoryWriter } from "./memory-writer.ts";
import { Count, Flag, Header, RECORD_BYTES, UNIT_WORDS, WORD, Word } from "./store-memory.ts";

/**
 * Responses in memory that all threads share: what one stores all find, at once, and read where it stands.
 *
 * A thread that ends in the middle of something leaves it behind. Whoever sees it end has to say so by `forgetThread`, from any
 * other thread's store; the next one that takes the same row says so as it comes. Until then what it held isn't freed, and if it was
 * inside the structure, all threads go on without the store.
 */
export class MemoryStore implements CacheStore {
  readonly streams: boolean = true;
  readonly #table: EntryTable;

  /**
   * @param buffer of `allocateMemoryStore`
   * @param row of this thread; no other one that lives has it
   * @param thread tells this thread from those before that had the row: it may have several stores, which let go of nothing that
   *   the others hold
   */
  constructor(buffer: SharedArrayBuffer, row: number, thread: number = threadId) {
    this.#table = new EntryTable(buffer, row, thread);
    copyOnWrite(this.#table.memory.bytes);
  }

  get stats(): StoreStats {
    const { words, counts, at } = this.#table.memory;
    return {
      entries: words[Header.Entries]!,
      bytes: (at.data + words[Header.Units]! * UNIT_WORDS) * WORD,
      mostBytes: words.byteLength,
      hits: counts[Count.hits]!,
      misses: counts[Count.misses]!,
      evictions: counts[Count.evictions]!,
      refused: counts[Count.refused]!,
      failures: counts[Count.failures]!,
    };
  }

  find(key: CacheKey): CacheEntry | null {
    const table = this.#table;
    const record = table.find(key);
    if (record === -1) return null;
    const place = table.foundPlace;
    if (this.#isIts(record, key)) return new MemoryEntry(table, record, place);
    table.release({ record, place });
    table.mistaken();
    return null;
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const table = this.#table;
    const record = table.begin(key, meta, length ?? 0);
    if (record === -1) return null;
    const hold = { record, place: table.foundPlace };
    const writer = new MemoryWriter(table, hold, length ?? -1, owner);
    return writer.reserve() ? writer : null;
  }

  update(entry: CacheEntry, meta: Buffer): void {
    if (entry instanceof MemoryEntry) this.#table.update(entry.record, meta);
  }

  remove(key: CacheKey): boolean {
    return this.#table.remove(key);
  }

  clear(): void {
    this.#table.clear();
  }

  /** @param row of a thread that has ended, in whichever way */
  forgetThread(row: number): void {
    this.#table.forgetRow(row, -1);
  }

  close(): Promise<void> {
    this.#table.bells.close();
    return Promise.resolve();
  }

  #isIts(record: number, key: CacheKey): boolean {
    const { words, bytes } = this.#table.memory;
    const at = this.#table.memory.wordOf(record);
    const isWide = (words[at + Word.Flags]! & Flag.Wide) !== 0;
    return isKey(bytes, at * WORD + RECORD_BYTES, words[at + Word.KeyBytes]!, key, isWide);
  }
}
