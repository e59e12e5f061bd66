/*
 * What the threads share of a store on disk: an index of its files, which says where everything stands and never what is in it.
 * The files describe themselves, so that the index can be made from them at any time.
 *
 *     words   | head: lock, role, queues … sums | a state for each shard | heads of chains | ghosts | slot 0 | slot 1 …
 *     slot    | next in chain, flags, 4 × hash, 2 × id, length, charge, 2 × queue, signal, pins … |
 *
 * Slot 0 is nobody's: a link of 0 leads nowhere.
 */

export const SHARDS = 256;

/** Words of the head. */
export const Head = {
  Lock: 0,
  /** Set while the index is changed: whoever finds it set at the lock knows that somebody died in the middle. */
  IsBeingChanged: 1,
  Role: 2,
  FreeSlots: 3,
  /** The first slot that was never used. */
  Fresh: 4,
  /** Counts up whenever room was made. */
  Freed: 5,
  SmallNewest: 6,
  SmallOldest: 7,
  MainNewest: 8,
  MainOldest: 9,
  GhostTurn: 10,
  /** 0 or 1, turns with each look at all files. */
  Round: 11,
  Slots: 12,
  Chains: 13,
  Ghosts: 14,
  FreeCount: 15,
  PinWords: 29,
  /** Set when the index was found to be what it can't be. */
  IsBroken: 28,
} as const;

/** 64-bit floats of the head, by their place among all. */
export const Sum = {
  /** Bytes of all files, those under way and those still to be removed included. */
  Used: 16,
  /** Of folders, and of what isn't ours. */
  Folders: 17,
  /** Of files that are to be removed. Those that are, and are still read, have bytes that may not come back for long. */
  Leaving: 18,
  Small: 19,
  Limit: 20,
  MostEntry: 21,
  Entries: 22,
  Hits: 23,
  Misses: 24,
  Evictions: 25,
  Refused: 26,
  Failures: 27,
} as const;

const HEAD_WORDS = 64;
export const SHARD_STATES: number = HEAD_WORDS;
const CHAINS = HEAD_WORDS + SHARDS;

/** Words of a slot. */
export const Slot = {
  Next: 0,
  Flags: 1,
  Hash: 2,
  IdHigh: 6,
  IdLow: 7,
  Length: 8,
  Charge: 10,
  Newer: 12,
  Older: 13,
  /** Counts up with each change, and whoever waits for one is woken. */
  Signal: 14,
  /** A bit for each thread that has the file open, in as many words as there are threads. */
  Pins: 15,
} as const;

/** What may be done with the folder. */
export const Role = {
  /** Nothing: it isn't ours yet, or no longer. */
  Waiting: 0,
  /** It can be read; it isn't known yet how much there is. */
  Starting: 1,
  Writing: 2,
  /** Nothing, for good. */
  Closed: 3,
} as const;

export interface DiskMemory {
  readonly words: Int32Array;
  readonly sums: Float64Array;
  readonly slots: number;
  readonly chains: number;
  readonly ghosts: number;
  /** Words of each slot, and how many of them are pins. */
  readonly slotWords: number;
  readonly pinWords: number;
  readonly chainsAt: number;
  readonly ghostsAt: number;
  readonly slotsAt: number;
}

export interface DiskBounds {
  /** Bytes on the disk, folders included. */
  readonly mostBytes: number;
  /** Bytes of one file. Default: an eighth of all */
  readonly mostEntryBytes?: number | undefined;
  /** Default: as many as there would be of 16 KiB each, at least 1,024 and at most four millions; some 90 bytes of memory each. */
  readonly mostEntries?: number | undefined;
  /** Threads that may have it open, each by a number below. Default: 32 */
  readonly threads?: number | undefined;
}

const USUAL_BYTES = 16 * 1024;
const LEAST_ENTRIES = 1024;
const MOST_ENTRIES = 4_000_000;
const USUAL_THREADS = 32;
const PINS_PER_WORD = 32;

/** Memory that is lent to all threads of the process. */
export function allocateDiskMemory(bounds: DiskBounds): SharedArrayBuffer {
  const usual = Math.ceil(bounds.mostBytes / USUAL_BYTES);
  const slots = (bounds.mostEntries ?? Math.min(MOST_ENTRIES, Math.max(LEAST_ENTRIES, usual))) + 1;
  const chains = 2 ** Math.ceil(Math.log2(slots));
  const pinWords = Math.ceil((bounds.threads ?? USUAL_THREADS) / PINS_PER_WORD);
  const size = CHAINS + chains + chains * 2 + slots * slotWordsFor(pinWords);
  const buffer = new SharedArrayBuffer(4 * size);
  const words = new Int32Array(buffer);
  words[Head.Slots] = slots;
  words[Head.Chains] = chains;
  words[Head.Ghosts] = chains;
  words[Head.Fresh] = 1;
  words[Head.FreeCount] = slots - 1;
  words[Head.PinWords] = pinWords;
  const sums = new Float64Array(buffer, 0, HEAD_WORDS / 2);
  sums[Sum.Limit] = bounds.mostBytes;
  sums[Sum.MostEntry] = bounds.mostEntryBytes ?? bounds.mostBytes / 8;
  return buffer;
}

export function viewDiskMemory(buffer: SharedArrayBuffer): DiskMemory {
  const words = new Int32Array(buffer);
  const chains = words[Head.Chains]!;
  const ghosts = words[Head.Ghosts]!;
  const pinWords = words[Head.PinWords]!;
  const ghostsAt = CHAINS + chains;
  return {
    words,
    sums: new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8)),
    slots: words[Head.Slots]!,
    ...{ pinWords, slotWords: slotWordsFor(pinWords) },
    ...{ chains, ghosts, chainsAt: CHAINS, ghostsAt, slotsAt: ghostsAt + 2 * ghosts },
  };
}

/** An even number, for slots hold 64-bit floats. */
function slotWordsFor(pinWords: number): number {
  return 2 * Math.ceil((Slot.Pins + pinWords) / 2);
}

/** The word, from the first of a slot's pins on, and the bit in it that are a thread's. */
export function pinOf(thread: number): { readonly word: number; readonly bit: number } {
  return { word: Math.floor(thread / PINS_PER_WORD), bit: 1 << (thread % PINS_PER_WORD) };
}
