import { LogBuckets } from "./log-buckets.ts";

/*
 * The keys that one thread has met most often, in memory that others may read meanwhile:
 *
 *     | header | numbers of slot 0, slot 1, … | histograms | versions | names |
 *
 * A slot's version is odd while another key moves in: who reads one, or finds another version afterwards, has read rubbish.
 */

/** What is counted of a key, by its place. */
export const TopCount = {
  /** How often it was met, at most: once too often for each of `error`. */
  count: 0,
  error: 1,
  connections: 2,
  bytesIn: 3,
  bytesOut: 4,
  /** Responses with a status below 200, and so on; all others are the last one's. */
  responses1xx: 5,
  responses2xx: 6,
  responses3xx: 7,
  responses4xx: 8,
  responses5xx: 9,
  failed: 10,
  latencySum: 11,
  latencyMax: 12,
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

const HEADER_NUMBERS = 8;
export const TopHeader = { total: 0, used: 1 } as const;

const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const WORD = Int32Array.BYTES_PER_ELEMENT;

/** Views of one list. */
export interface TopMemory {
  readonly slots: number;
  readonly header: Float64Array;
  readonly numbers: Float64Array;
  readonly histograms: Uint32Array;
  readonly versions: Int32Array;
  readonly names: Uint8Array;
}

/** Bytes that a list of so many keys takes: a multiple of eight, for an even number of slots. */
export function topBytes(slots: number): number {
  if (slots === 0) return 0;
  const numbers = (HEADER_NUMBERS + slots * TOP_NUMBERS) * NUMBER;
  return numbers + slots * (TOP_BUCKETS.count * WORD + WORD + NAME_STRIDE);
}

/** @param at where it begins */
export function openTopMemory(buffer: SharedArrayBuffer, at: number, slots: number): TopMemory {
  const header = new Float64Array(buffer, at, HEADER_NUMBERS);
  const numbers = new Float64Array(buffer, at + header.byteLength, slots * TOP_NUMBERS);
  const histogramsAt = numbers.byteOffset + numbers.byteLength;
  const histograms = new Uint32Array(buffer, histogramsAt, slots * TOP_BUCKETS.count);
  const versions = new Int32Array(buffer, histogramsAt + histograms.byteLength, slots);
  const names = new Uint8Array(buffer, versions.byteOffset + versions.byteLength, slots * NAME_STRIDE);
  return { slots, header, numbers, histograms, versions, names };
}

export function nameAt(slot: number): number {
  return slot * NAME_STRIDE;
}
