import { LogBuckets } from "./log-buckets.ts";

/*
 * The keys that one thread has met most often, in memory that others may read meanwhile:
 *
 *     | slots in use | slot 0: numbers · words · histogram · name | slot 1 … |
 *
 * What is written for a key lies together: pages cost more than arithmetic.
 *
 * A slot's version is odd while another key moves in: who reads one, or finds another version afterwards, has read rubbish.
 */

/** What is counted of a key, by its place: what every request writes stands in one cache line. */
export const TopCount = {
  /** How often it was met, at most: once too often for each of `error`. The sum of all of them is how often any was. */
  count: 0,
  error: 1,
  bytesIn: 2,
  bytesOut: 3,
  latencySum: 4,
  latencyMax: 5,
  /** Responses with a status below 200, and so on; all others are the last one's. */
  responses1xx: 6,
  responses2xx: 7,
  responses3xx: 8,
  responses4xx: 9,
  responses5xx: 10,
  failed: 11,
  connections: 12,
} as const;

export type TopCountName = keyof typeof TopCount;
export type TopCount = (typeof TopCount)[TopCountName];

export const TOP_COUNTS: readonly TopCountName[] = Object.keys(TopCount) as TopCountName[];

/** Numbers of a slot. */
export const TOP_NUMBERS = 16;
/** Microseconds; at most 6.3 % beside the truth. */
export const TOP_BUCKETS: LogBuckets = new LogBuckets(3);
/** Bytes of a name; longer ones are cut. */
export const NAME_BYTES = 200;
/** Two for its length, and one that says whether it was cut. */
export const NAME_HEAD = 3;

const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const HEADER_WORDS = 16;
const SLOT_WORDS = 8;

/** Where the parts of a slot begin, in bytes, and how many it takes: whole cache lines. */
const WORDS_AT = TOP_NUMBERS * NUMBER;
const HISTOGRAM_AT = WORDS_AT + SLOT_WORDS * WORD;
const NAME_AT: number = HISTOGRAM_AT + TOP_BUCKETS.count * WORD;
const SLOT_BYTES: number = Math.ceil((NAME_AT + NAME_HEAD + NAME_BYTES) / 64) * 64;

/** From one slot to the next, among numbers and among words. */
export const NUMBER_STRIDE: number = SLOT_BYTES / NUMBER;
export const WORD_STRIDE: number = SLOT_BYTES / WORD;
/** Where a slot's histogram begins, from its words on. */
export const HISTOGRAM_WORD: number = SLOT_WORDS;

/** What is kept of a slot beside its numbers: by whom it is found. All but the version is its writer's. */
export const SlotWord = { version: 0, low: 1, high: 2, next: 3 } as const;

/**
 * A piece of shared memory, in three ways. There is one set of them for all that a thread counts: whatever is read through
 * a view of its own is one more thing that a request has to fetch, and to fetch costs more than to count.
 */
export interface MemoryViews {
  readonly numbers: Float64Array;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

export function viewsOf(buffer: SharedArrayBuffer): MemoryViews {
  return {
    numbers: new Float64Array(buffer),
    words: new Int32Array(buffer),
    bytes: new Uint8Array(buffer),
  };
}

/** Where one list lies in a memory. */
export interface TopMemory extends MemoryViews {
  readonly slots: number;
  /** Of the word that says how many slots are somebody's. */
  readonly usedAt: number;
  /** Where slots have their numbers and their words: that of a slot begin at `numbersAt + slot * NUMBER_STRIDE`. */
  readonly numbersAt: number;
  readonly wordsAt: number;
}

/** Bytes that a list of so many keys takes: a multiple of eight. */
export function topBytes(slots: number): number {
  return slots === 0 ? 0 : HEADER_WORDS * WORD + slots * SLOT_BYTES;
}

/** @param at where it begins, in bytes */
export function openTopMemory(views: MemoryViews, at: number, slots: number): TopMemory {
  const slotsAt = at + HEADER_WORDS * WORD;
  const { numbers, words, bytes } = views;
  return {
    ...{ numbers, words, bytes, slots },
    usedAt: at / WORD,
    numbersAt: slotsAt / NUMBER,
    wordsAt: (slotsAt + WORDS_AT) / WORD,
  };
}

/** Where a slot's name begins, in bytes. */
export function nameAt({ numbersAt }: TopMemory, slot: number): number {
  return numbersAt * NUMBER + slot * SLOT_BYTES + NAME_AT;
}
