import {
  HISTOGRAM_WORD,
  NAME_HEAD,
  NUMBER_STRIDE,
  nameAt,
  SlotWord,
  TOP_BUCKETS,
  TOP_COUNTS,
  TOP_NUMBERS,
  TopCount,
  type TopMemory,
  WORD_STRIDE,
} from "../../base/traffic/top-memory.ts";
import { latencyReport } from "./latency-report.ts";
import type { TopEntry, TopReport } from "./report.ts";

/** A key with all that is known of it. */
interface ReadKey {
  readonly key: string;
  readonly isCut: boolean;
  readonly numbers: Float64Array;
  readonly histogram: Float64Array;
}

/** Who was met most often, as one thread or several together know it. */
export interface TopReading {
  readonly total: number;
  /** Whoever isn't in it was met at most so often. */
  readonly least: number;
  readonly keys: ReadonlyMap<string, ReadKey>;
}

export const NOBODY: TopReading = { total: 0, least: 0, keys: new Map() };

/** What a list says at the moment. Keys that just give way to others are left out. */
export function readTop(memory: TopMemory): TopReading {
  const keys = new Map<string, ReadKey>();
  const used = Atomics.load(memory.words, memory.usedAt);
  let least = Number.POSITIVE_INFINITY;
  let total = 0;
  for (let slot = 0; slot < used; slot++) {
    const count = memory.numbers[memory.numbersAt + slot * NUMBER_STRIDE + TopCount.count]!;
    least = Math.min(least, count);
    total += count;
    const read = readSlot(memory, slot);
    if (read !== null) keys.set(idOf(read), read);
  }
  return { total, least: used < memory.slots ? 0 : least, keys };
}

function readSlot(memory: TopMemory, slot: number): ReadKey | null {
  const { words, bytes, numbers } = memory;
  const wordsAt = memory.wordsAt + slot * WORD_STRIDE;
  const versionAt = wordsAt + SlotWord.version;
  const version = Atomics.load(words, versionAt);
  if (version === 0 || version % 2 === 1) return null;
  const at = nameAt(memory, slot);
  const length = bytes[at]! | (bytes[at + 1]! << 8);
  const name = bytes.slice(at + NAME_HEAD, at + NAME_HEAD + length);
  const numbersAt = memory.numbersAt + slot * NUMBER_STRIDE;
  const histogramAt = wordsAt + HISTOGRAM_WORD;
  const read = {
    key: Buffer.from(name).toString("latin1"),
    isCut: bytes[at + 2] === 1,
    numbers: numbers.slice(numbersAt, numbersAt + TOP_NUMBERS),
    // Counts have all 32 bits of their words.
    histogram: Float64Array.from(
      words.subarray(histogramAt, histogramAt + TOP_BUCKETS.count),
      (count) => count >>> 0,
    ),
  };
  return Atomics.load(words, versionAt) === version ? read : null;
}

function idOf({ key, isCut }: ReadKey): string {
  return isCut ? `${key}…` : key;
}

/**
 * What several lists say together. Whoever isn't in one of them may have been met there as often as the last of it, and no
 * more often: so the bounds hold for the sum as they do for each.
 * @param most keys that are kept
 */
export function mergeTop(readings: readonly TopReading[], most: number): TopReading {
  const least = readings.reduce((sum, reading) => sum + reading.least, 0);
  const all = new Map<string, ReadKey>();
  for (const id of new Set(readings.flatMap(({ keys }) => [...keys.keys()])))
    all.set(id, mergeKey(id, readings));
  const sorted = [...all].sort(([, a], [, b]) => b.numbers[TopCount.count]! - a.numbers[TopCount.count]!);
  const [, left] = sorted[most] ?? [];
  return {
    total: readings.reduce((sum, { total }) => sum + total, 0),
    least: Math.max(least, left?.numbers[TopCount.count] ?? 0),
    keys: new Map(sorted.slice(0, most)),
  };
}

function mergeKey(id: string, readings: readonly TopReading[]): ReadKey {
  const numbers = new Float64Array(TOP_NUMBERS);
  const histogram = new Float64Array(TOP_BUCKETS.count);
  let first: ReadKey | undefined;
  for (const { keys, least } of readings) {
    const known = keys.get(id);
    if (known === undefined) {
      numbers[TopCount.count]! += least;
      numbers[TopCount.error]! += least;
      continue;
    }
    first ??= known;
    const longest = Math.max(numbers[TopCount.latencyMax]!, known.numbers[TopCount.latencyMax]!);
    for (let i = 0; i < TOP_NUMBERS; i++) numbers[i]! += known.numbers[i]!;
    numbers[TopCount.latencyMax] = longest;
    for (let i = 0; i < histogram.length; i++) histogram[i]! += known.histogram[i]!;
  }
  return { key: first!.key, isCut: first!.isCut, numbers, histogram };
}

/** @param limit entries that are told of */
export function topReport({ total, least, keys }: TopReading, limit: number): TopReport {
  const all = [...keys.values()];
  const dropped = all[limit]?.numbers[TopCount.count] ?? 0;
  return { total, least: Math.max(least, dropped), entries: all.slice(0, limit).map(toEntry) };
}

type Told = Exclude<keyof typeof TopCount, "count" | "error" | "latencySum" | "latencyMax">;
const UNTOLD: ReadonlySet<string> = new Set(["count", "error", "latencySum", "latencyMax"]);

function toEntry({ key, isCut, numbers, histogram }: ReadKey): TopEntry {
  const count = numbers[TopCount.count]!;
  const told = TOP_COUNTS.filter((name): name is Told => !UNTOLD.has(name));
  const counts = Object.fromEntries(told.map((name) => [name, numbers[TopCount[name]]!]));
  const measured = { sum: numbers[TopCount.latencySum]!, max: numbers[TopCount.latencyMax]! };
  return {
    key,
    isCut,
    count,
    atLeast: count - numbers[TopCount.error]!,
    counts: counts as Record<Told, number>,
    latency: latencyReport(TOP_BUCKETS, histogram, measured),
  };
}
