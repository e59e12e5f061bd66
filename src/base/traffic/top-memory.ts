import { LogBuckets } from "./log-buckets.ts";

/*
 * The keys that one thread has met most often, in memory that others may read meanwhile:
 *
 *     | slots in use | words of slot 0, slot 1, … | numbers | histograms | names |
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

export const TOP_NUMBERS = 16;
/** Microseconds; at most 6.3 % beside the truth. */
export const TOP_BUCKETS: LogBuckets = new LogBuckets(3);
/** Bytes of a name; longer ones are cut. */
export const NAME_BYTES = 200;
/** Two for its length, and one that says whether it was cut. */
export const NAME_HEAD = 3;
const NAME_STRIDE = 208;

/** Words of a slot, and those of the header. */
export const SLOT_WORDS = 8;
const HEADER_WORDS = 16;

/** What is kept of a slot beside its numbers: by whom it is found, and where it stands. All but the version is its writer's. */
export const SlotWord = { version: 0, low: 1, high: 2, next: 3, place: 4 } as const;

const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const WORD = Int32Array.BYTES_PER_ELEMENT;

/** Views of one list. */
export interface TopMemory {
  readonly slots: number;
  /** How many slots are somebody's. */
  readonly used: Int32Array;
  /** `SLOT_WORDS` for each slot. */
  readonly words: Int32Array;
  /** `TOP_NUMBERS` for each slot. */
  readonly numbers: Float64Array;
  readonly histograms: Uint32Array;
  readonly names: Uint8Array;
}

/** Bytes that a list of so many keys takes: a multiple of eight. */
export function topBytes(slots: number): number {
  if (slots === 0) return 0;
  const perSlot = (SLOT_WORDS + TOP_BUCKETS.count) * WORD + TOP_NUMBERS * NUMBER + NAME_STRIDE;
  return HEADER_WORDS * WORD + slots * perSlot;
}

/** @param at where it begins */
export function openTopMemory(buffer: SharedArrayBuffer, at: number, slots: number): TopMemory {
  const used = new Int32Array(buffer, at, HEADER_WORDS);
  const words = new Int32Array(buffer, at + used.byteLength, slots * SLOT_WORDS);
  const numbers = new Float64Array(buffer, words.byteOffset + words.byteLength, slots * TOP_NUMBERS);
  const histogramsAt = numbers.byteOffset + numbers.byteLength;
  const histograms = new Uint32Array(buffer, histogramsAt, slots * TOP_BUCKETS.count);
  const names = new Uint8Array(buffer, histogramsAt + histograms.byteLength, slots * NAME_STRIDE);
  return { slots, used, words, numbers, histograms, names };
}

export function nameAt(slot: number): number {
  return slot * NAME_STRIDE;
}
