import { randomFillSync } from "node:crypto";
import { openTopMemory, type TopMemory, topBytes, viewsOf } from "./top-memory.ts";
import { ROW_NUMBERS } from "./traffic-row.ts";

/*
 * All that one thread counts of the traffic that passes it, in one buffer of a size that is settled beforehand:
 *
 *     | header | entry of row 0, row 1, … | rows | clients met most often | paths met most often |
 *
 * One thread writes, any may read. An entry tells what its row is of; its version is odd while that changes. What was never
 * written costs no memory: the kernel gives pages when they are touched.
 */

/** What rows are of. Row 0 counts for whatever there is no room for. */
const TRAFFIC_KINDS = ["other", "listener", "route", "upstream", "plugin"] as const;
export type TrafficKind = (typeof TRAFFIC_KINDS)[number];

const WORD = Int32Array.BYTES_PER_ELEMENT;
const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const HEADER_WORDS = 16;

/** Words of the header. */
const TrafficHeader = { rows: 0, top: 1, seed: 2, used: 3 } as const;

/** Bytes of an entry: its version, its kind, two for the length of its key, the key. */
const ENTRY_BYTES = 256;
const KIND_AT = 4;
const LENGTH_AT = 6;
const KEY_AT = 8;

/** Bytes of a key; longer ones are cut. */
export const KEY_BYTES: number = ENTRY_BYTES - KEY_AT;

/**
 * @param rows listeners, routes, upstreams and plugins that are told apart
 * @param top clients, and as many paths; 0: they aren't looked at
 */
export function allocateTraffic(rows: number, top: number): SharedArrayBuffer {
  const places = rows + 1;
  const size = entryAt(places) + places * ROW_NUMBERS * NUMBER + 2 * topBytes(top);
  const buffer = new SharedArrayBuffer(size);
  writeHeader(buffer, places, top);
  return buffer;
}

/** Makes memory that nobody uses any more as good as new. What wasn't written isn't written now: it needs no pages. */
export function clearTraffic(buffer: SharedArrayBuffer): void {
  const words = new Int32Array(buffer);
  const [places, top] = [words[TrafficHeader.rows]!, words[TrafficHeader.top]!];
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) words[i] = 0;
  writeHeader(buffer, places, top);
}

function writeHeader(buffer: SharedArrayBuffer, places: number, top: number): void {
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  header[TrafficHeader.rows] = places;
  header[TrafficHeader.top] = top;
  header.set(randomFillSync(new Int32Array(1)), TrafficHeader.seed);
}

/** What an entry says, if it isn't changing at the moment. */
export interface TrafficEntry {
  readonly version: number;
  readonly kind: TrafficKind;
  readonly key: string;
}

/** A thread's memory, for whoever writes or reads it. */
export class TrafficMemory {
  /** Row 0 included. */
  readonly rows: number;
  readonly seed: number;
  /** Null when they aren't looked at. */
  readonly clients: TopMemory | null;
  readonly paths: TopMemory | null;
  /** All of it as numbers: rows begin at `rowAt`. */
  readonly numbers: Float64Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    const views = viewsOf(buffer);
    this.numbers = views.numbers;
    this.#words = views.words;
    this.#bytes = views.bytes;
    this.rows = this.#words[TrafficHeader.rows]!;
    this.seed = this.#words[TrafficHeader.seed]!;
    const slots = this.#words[TrafficHeader.top]!;
    const topAt = this.rowAt(this.rows) * NUMBER;
    this.clients = slots === 0 ? null : openTopMemory(views, topAt, slots);
    this.paths = slots === 0 ? null : openTopMemory(views, topAt + topBytes(slots), slots);
  }

  /** Rows that have been somebody's, row 0 included. */
  get used(): number {
    return Atomics.load(this.#words, TrafficHeader.used);
  }

  /** Where a row begins in `numbers`. */
  rowAt(place: number): number {
    return entryAt(this.rows) / NUMBER + place * ROW_NUMBERS;
  }

  /** The numbers of a row. */
  row(place: number): Float64Array {
    return this.numbers.subarray(this.rowAt(place), this.rowAt(place + 1));
  }

  /** A row is somebody else's from now on, and begins with nothing. */
  assign(place: number, kind: TrafficKind, key: Uint8Array): void {
    const at = entryAt(place);
    Atomics.add(this.#words, at / WORD, 1);
    this.#bytes[at + KIND_AT] = TRAFFIC_KINDS.indexOf(kind);
    this.#bytes[at + LENGTH_AT] = key.length & 0xff;
    this.#bytes[at + LENGTH_AT + 1] = key.length >> 8;
    this.#bytes.set(key, at + KEY_AT);
    this.row(place).fill(0);
    Atomics.add(this.#words, at / WORD, 1);
    if (place >= this.used) Atomics.store(this.#words, TrafficHeader.used, place + 1);
  }

  /** Null while it changes. */
  entry(place: number): TrafficEntry | null {
    const at = entryAt(place);
    const version = this.version(place);
    if (version % 2 === 1) return null;
    const length = this.#bytes[at + LENGTH_AT]! | (this.#bytes[at + LENGTH_AT + 1]! << 8);
    // What is shared with another thread can't be decoded where it lies.
    const key = Buffer.from(this.#bytes.slice(at + KEY_AT, at + KEY_AT + length)).toString("utf8");
    const kind = TRAFFIC_KINDS[this.#bytes[at + KIND_AT]!] ?? "other";
    return this.version(place) === version ? { version, kind, key } : null;
  }

  version(place: number): number {
    return Atomics.load(this.#words, entryAt(place) / WORD);
  }
}

/** Where an entry begins, in bytes; the rows begin where the last one ends. */
function entryAt(place: number): number {
  return HEADER_WORDS * WORD + place * ENTRY_BYTES;
}
