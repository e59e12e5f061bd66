import { randomFillSync } from "node:crypto";
import { sizeClasses, UNIT } from "./size-classes.ts";

/*
 * All that threads know of a memory store, in one buffer of a size that is settled beforehand:
 *
 *     | header, lock | counts | size classes | bells | pins of thread 0, 1 … | pages | buckets | ghosts | hosts |  page 0 | page 1 | …
 *
 * Pages are divided into chunks, a page into chunks of one size. An entry is a chunk that begins with its record (`Word`), with
 * the text of its key, its meta and the beginning of its body behind it, and as many chunks more as the body takes:
 *
 *     | record | key | meta | body … | ──next──▶ | 4 words | body … | ──▶ | 4 words | body … |
 *
 * A chunk is named by the unit of the pages that it begins at; 0 where there is none is what makes it `+ 1` in memory.
 */

export const WORD: number = Int32Array.BYTES_PER_ELEMENT;
export const UNIT_WORDS: number = UNIT / WORD;

/** Words of the header. Those that never change come first; the lock has a cache line of its own. */
export const Header = {
  Rows: 0,
  Pages: 1,
  PageUnits: 2,
  Buckets: 3,
  Ghosts: 4,
  PinsPerRow: 5,
  MostEntry: 6,
  Hosts: 7,
  /** Units that a host may have of what others want too; 0: all. */
  HostUnits: 8,
  /** Two words, of the hash of hosts. */
  Secret: 9,
  Lock: 16,
  FreePage: 32,
  /** Pages that have never been used begin here: their memory isn't touched before. */
  FreshPage: 33,
  /** Units of all chunks that entries have. */
  Units: 34,
  Entries: 35,
  /** Units whose eviction from the small queue is remembered, all together; it wraps. */
  Ghosted: 36,
  /** Newest, oldest and units of the queues. */
  SmallQueue: 40,
  MainQueue: 44,
} as const;
const HEADER_WORDS = 64;

export const Count = { hits: 0, misses: 1, evictions: 2, refused: 3, failures: 4 } as const;
const COUNTS = 8;
const MOST_CLASSES = 128;

/** Of a size class: the first page with chunks that are free, and how many of them there are in all of its pages. */
export const ClassWord = { FirstPage: 0, FreeChunks: 1 } as const;
export const CLASS_WORDS = 2;

/** Of a page: its class + 1 (0: free), chunks in use, the first free one + 1, chunks never used yet, neighbours in the list of its class. */
export const PageWord = { Class: 0, Used: 1, Free: 2, Fresh: 3, Prev: 4, Next: 5 } as const;
export const PAGE_WORDS = 8;

/** Of every chunk: whose it is (+ 1; free ones have less than 1 there), and the chunk after it. */
export const ChunkWord = { Owner: 0, Next: 1, Prev: 2 } as const;
/** Bytes before the body in chunks but an entry's first. */
export const CHUNK_HEAD = 16;

/** The record of an entry, continuing its first chunk's words. */
export const Word = {
  Owner: 0,
  Next: 1,
  Hash: 2,
  /** The next one in its bucket. */
  Chain: 6,
  /** Neighbours in its queue. */
  Newer: 7,
  Older: 8,
  /** `Flag`, under the lock only. */
  Flags: 9,
  /** How many hold it. */
  Pins: 10,
  KeyBytes: 11,
  MetaBytes: 12,
  /** Bytes of the body that are in the first chunk, at most. */
  Inline: 13,
  /** Bytes of the body that are there: written by the writer alone, read without the lock. */
  Length: 14,
  /** `EntryState`, read without the lock. */
  State: 15,
  /** A bit for each thread (modulo 32) that wants to know of more. */
  Waiters: 16,
  Units: 17,
  Last: 18,
  /** The entry that has the other chunks now, since this one's meta was replaced. */
  Heir: 19,
} as const;
export const RECORD_BYTES = 80;

export const Flag = {
  Small: 1,
  Main: 2,
  /** Two bits. */
  Uses: 4,
  Linked: 16,
  Removed: 32,
  /** Its last chunk is larger than need be. */
  Loose: 64,
  /** The text of its key has characters beyond Latin-1. */
  Wide: 128,
  /** From this bit on, the slot of its host (`HostShares`). */
  Host: 0x10000,
} as const;
export const HOSTS: number = -Flag.Host;

/** The slot of an entry's host. */
export function hostOf(flags: number): number {
  return flags >>> 16;
}

export const QUEUES: number = Flag.Small | Flag.Main;
export const MOST_USES = 3;

/** Bytes of memory for each bucket, and for each ghost. */
const BYTES_PER_BUCKET = 512;
const GHOST_WAYS = 4;
const BYTES_PER_HOST = 4096;
const MOST_HOSTS = 16_384;
const MOST_PAGE = 65_536;
const LEAST_PAGE = 4096;
const PAGES_AT_LEAST = 256;
const BYTES_PER_PIN = 4096;
/** What the pins of all rows may take of the memory: where there are hundreds of rows, each has fewer. */
const PINS_SHARE = 1 / 32;

interface Shape {
  readonly rows: number;
  readonly pages: number;
  readonly pageUnits: number;
  readonly buckets: number;
  readonly ghosts: number;
  readonly hosts: number;
  readonly pinsPerRow: number;
}

function powerAtMost(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}

function shapeFor(mostBytes: number, rows: number, knowsHosts: boolean): Shape {
  const pageBytes = Math.min(MOST_PAGE, Math.max(LEAST_PAGE, powerAtMost(mostBytes / PAGES_AT_LEAST)));
  const buckets = powerAtMost(Math.max(mostBytes / BYTES_PER_BUCKET, GHOST_WAYS));
  const pinsWanted = Math.min(mostBytes / BYTES_PER_PIN, (mostBytes * PINS_SHARE) / WORD / rows);
  const pinsPerRow = Math.min(65_536, Math.max(256, powerAtMost(pinsWanted)));
  const hosts = knowsHosts ? Math.min(MOST_HOSTS, powerAtMost(mostBytes / BYTES_PER_HOST)) : 0;
  const shape = { rows, pages: 0, pageUnits: pageBytes / UNIT, buckets, ghosts: buckets, hosts, pinsPerRow };
  const rest = mostBytes - sectionsOf(shape).data * WORD;
  return { ...shape, pages: Math.floor(rest / (pageBytes + PAGE_WORDS * WORD)) - 1 };
}

/** Where each section begins, in words. */
interface Sections {
  readonly counts: number;
  readonly classes: number;
  readonly bells: number;
  readonly pinsInUse: number;
  readonly pins: number;
  readonly pages: number;
  readonly buckets: number;
  readonly ghosts: number;
  readonly hosts: number;
  readonly data: number;
}

function sectionsOf({ rows, pages, buckets, ghosts, hosts, pinsPerRow }: Shape): Sections {
  const counts = HEADER_WORDS;
  const classes = counts + COUNTS * 2;
  const bells = classes + MOST_CLASSES * CLASS_WORDS;
  const pinsInUse = bells + rows * UNIT_WORDS;
  const pins = pinsInUse + rows * UNIT_WORDS;
  const pageTable = pins + rows * pinsPerRow;
  const bucketTable = pageTable + Math.max(pages, 0) * PAGE_WORDS;
  const ghostTable = bucketTable + buckets;
  const hostTable = ghostTable + ghosts * 2;
  const data = Math.ceil((hostTable + hosts * 2) / UNIT_WORDS) * UNIT_WORDS;
  return {
    counts,
    classes,
    bells,
    pinsInUse,
    pins,
    pages: pageTable,
    buckets: bucketTable,
    ghosts: ghostTable,
    hosts: hostTable,
    data,
  };
}

export interface MemoryStoreSettings {
  /** All that it takes, its tables included; memory that nothing was ever put into isn't touched. 256 KiB at least. */
  readonly mostBytes: number;
  /** The largest entry that is kept, meta included. Default: an eighth of `mostBytes`. */
  readonly mostEntryBytes?: number;
  /** Of the memory, the share beyond which a host makes room by its own entries alone; 1, the default: all of it. */
  readonly hostShare?: number;
  /** Threads that may use it at once, each by a row of its own. */
  readonly rows: number;
}

/** @throws RangeError when that is too little to hold anything */
export function allocateMemoryStore({
  mostBytes,
  mostEntryBytes,
  hostShare = 1,
  rows,
}: MemoryStoreSettings): SharedArrayBuffer {
  if (mostBytes < 262_144) throw new RangeError("A memory store needs 256 KiB at least");
  const shape = shapeFor(mostBytes, rows, hostShare < 1);
  if (shape.pages < 8) throw new RangeError("A memory store needs more memory for so many threads");
  const sections = sectionsOf(shape);
  const words = sections.data + shape.pages * shape.pageUnits * UNIT_WORDS;
  const buffer = new SharedArrayBuffer(words * WORD);
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  header[Header.Rows] = rows;
  header[Header.Pages] = shape.pages;
  header[Header.PageUnits] = shape.pageUnits;
  header[Header.Buckets] = shape.buckets;
  header[Header.Ghosts] = shape.ghosts;
  header[Header.PinsPerRow] = shape.pinsPerRow;
  header[Header.Hosts] = shape.hosts;
  if (hostShare < 1) {
    header[Header.HostUnits] = Math.max(1, Math.floor(hostShare * shape.pages * shape.pageUnits));
    randomFillSync(header, Header.Secret, 2);
  }
  header[Header.MostEntry] = Math.min(mostEntryBytes ?? mostBytes / 8, 0x7fff_ffff);
  return buffer;
}

/** The memory of a store as one thread sees it. */
export class StoreMemory {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly counts: Float64Array;
  readonly rows: number;
  readonly pages: number;
  readonly pageUnits: number;
  readonly sizes: Int32Array;
  readonly buckets: number;
  readonly ghosts: number;
  readonly hosts: number;
  readonly pinsPerRow: number;
  readonly mostEntry: number;
  readonly at: Sections;

  constructor(buffer: SharedArrayBuffer) {
    const words = new Int32Array(buffer);
    this.words = words;
    this.bytes = Buffer.from(buffer);
    this.rows = words[Header.Rows]!;
    this.pages = words[Header.Pages]!;
    this.pageUnits = words[Header.PageUnits]!;
    this.sizes = sizeClasses(this.pageUnits);
    this.buckets = words[Header.Buckets]!;
    this.ghosts = words[Header.Ghosts]!;
    this.hosts = words[Header.Hosts]!;
    this.pinsPerRow = words[Header.PinsPerRow]!;
    this.mostEntry = words[Header.MostEntry]!;
    this.at = sectionsOf(this);
    this.counts = new Float64Array(buffer, this.at.counts * WORD, COUNTS);
  }

  /** The first word of a chunk. */
  wordOf(chunk: number): number {
    return this.at.data + chunk * UNIT_WORDS;
  }

  /** The first byte of a chunk. */
  byteOf(chunk: number): number {
    return (this.at.data + chunk * UNIT_WORDS) * WORD;
  }
}
