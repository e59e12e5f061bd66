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

/** From one slot to the next, in the view of its numbers, and in those of its words and of its histogram. */
export const NUMBER_STRIDE: number = SLOT_BYTES / NUMBER;
export const WORD_STRIDE: number = SLOT_BYTES / WORD;

/** What is kept of a slot beside its numbers: by whom it is found, and where it stands. All but the version is its writer's. */
export const SlotWord = { version: 0, low: 1, high: 2, next: 3, place: 4 } as const;

/** Views of one list, each beginning where the first slot has what it is a view of. */
export interface TopMemory {
  readonly slots: number;
  /** How many slots are somebody's. */
  readonly used: Int32Array;
  /** That of a slot begin at `slot * NUMBER_STRIDE`. */
  readonly numbers: Float64Array;
  /** At `slot * WORD_STRIDE`, as in the histograms. */
  readonly words: Int32Array;
  readonly histograms: Uint32Array;
  /** At `nameAt(slot)`. */
  readonly names: Uint8Array;
}

/** Bytes that a list of so many keys takes: a multiple of eight. */
export function topBytes(slots: number): number {
  return slots === 0 ? 0 : HEADER_WORDS * WORD + slots * SLOT_BYTES;
}

/** @param at where it begins */
export function openTopMemory(buffer: SharedArrayBuffer, at: number, slots: number): TopMemory {
  const slotsAt = at + HEADER_WORDS * WORD;
  const left = (offset: number, unit: number): number => (slots * SLOT_BYTES - offset) / unit;
  return {
    slots,
    used: new Int32Array(buffer, at, HEADER_WORDS),
    numbers: new Float64Array(buffer, slotsAt, left(0, NUMBER)),
    words: new Int32Array(buffer, slotsAt + WORDS_AT, left(WORDS_AT, WORD)),
    histograms: new Uint32Array(buffer, slotsAt + HISTOGRAM_AT, left(HISTOGRAM_AT, WORD)),
    names: new Uint8Array(buffer, slotsAt + NAME_AT, left(NAME_AT, 1)),
  };
}

export function nameAt(slot: number): number {
  return slot * SLOT_BYTES;
}
