import { type StoreMemory, Word } from "./store-memory.ts";

const HASH_WORDS = 4;

/** Finds records by the hashes of their keys: buckets of records in chains. All of it under the lock. */
export class KeyIndex {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #shift: number;

  constructor(memory: StoreMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#shift = 32 - Math.log2(memory.buckets);
  }

  /** @returns -1 when there is none */
  find(hash: Int32Array): number {
    const words = this.#words;
    const first = hash[0]!;
    const second = hash[1]!;
    let record = words[this.#bucketOf(first)]! - 1;
    while (record !== -1) {
      const at = this.#memory.wordOf(record);
      if (words[at + Word.Hash] === first && words[at + Word.Hash + 1] === second && this.#isRest(at, hash))
        return record;
      record = words[at + Word.Chain]! - 1;
    }
    return -1;
  }

  add(record: number): void {
    const at = this.#memory.wordOf(record);
    const bucket = this.#bucketOf(this.#words[at + Word.Hash]!);
    this.#words[at + Word.Chain] = this.#words[bucket]!;
    this.#words[bucket] = record + 1;
  }

  remove(record: number): void {
    const words = this.#words;
    words[this.#linkTo(record)] = words[this.#memory.wordOf(record) + Word.Chain]!;
  }

  /** The record is at another place now. */
  moved(from: number, to: number): void {
    this.#words[this.#linkTo(from)] = to + 1;
  }

  clear(): void {
    const { at, buckets } = this.#memory;
    this.#words.fill(0, at.buckets, at.buckets + buckets);
  }

  #bucketOf(hash: number): number {
    return this.#memory.at.buckets + (hash >>> this.#shift);
  }

  #isRest(at: number, hash: Int32Array): boolean {
    for (let i = 2; i < HASH_WORDS; i++) if (this.#words[at + Word.Hash + i] !== hash[i]) return false;
    return true;
  }

  #linkTo(record: number): number {
    const words = this.#words;
    let link = this.#bucketOf(words[this.#memory.wordOf(record) + Word.Hash]!);
    while (words[link]! !== record + 1) link = this.#memory.wordOf(words[link]! - 1) + Word.Chain;
    return link;
  }
}
