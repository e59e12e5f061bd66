import { SetLock } from "../../base/shared/set-lock.ts";
import {
  countBeyond,
  decodeRecords,
  encodeRecord,
  type PurgeRecord,
  withoutRepeated,
} from "./purge-records.ts";

/*
 * The purges of all threads, in one buffer of a size that is settled beforehand:
 *
 *     words 0…15   | lock | generation | floor | end of the log | rewrites | … | remote: f64 | remote floor: f64 |
 *     then         | purge | purge | … | not used yet |
 *
 * Records are only added behind the others, so that a thread reads what is new since it last looked. When there is no room for another
 * one, the log is written anew without those that later ones include, and if that isn't enough, without the oldest half: the
 * floor rises to these.
 */

const HEADER_BYTES = 64;
const LOCK = 0;
const GENERATION = 1;
const FLOOR = 2;
const END = 3;
const REWRITES = 4;
/** In 64-bit floats. */
const REMOTE = 4;
const REMOTE_FLOOR = 5;

/** How far purges have come. */
export interface PurgeBeginning {
  /** Of those that are added here: 32 bits. */
  readonly generation: number;
  /** Entries of generations before this one may have been purged by what nobody knows any more. */
  readonly floor: number;
  /** The number of the last purge of all machines; 0: there was none. */
  readonly remote: number;
  /** As the floor, for those numbers. */
  readonly remoteFloor: number;
}

/** @param mostBytes that the purges may take, at least 4 KiB */
export function allocatePurges(mostBytes: number, beginning: PurgeBeginning): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(HEADER_BYTES + Math.max(4096, mostBytes));
  const words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  const numbers = new Float64Array(buffer, 0, HEADER_BYTES / 8);
  words[GENERATION] = beginning.generation;
  words[FLOOR] = beginning.floor;
  numbers[REMOTE] = beginning.remote;
  numbers[REMOTE_FLOOR] = beginning.remoteFloor;
  return buffer;
}

/** What all threads have come to. */
/** How far a thread has read. */
export interface PurgePlace {
  readonly end: number;
  readonly rewrites: number;
}

/** All that is known at one moment, but the purges. */
export type PurgeState = PurgeBeginning & PurgePlace;

/** The buffer as one thread sees it. What changes something, or looks at more than a number, is called between `enter` and `leave`. */
export class PurgeMemory {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #log: Buffer;
  readonly #lock: SetLock;

  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#numbers = new Float64Array(buffer, 0, HEADER_BYTES / 8);
    this.#log = Buffer.from(buffer, HEADER_BYTES);
    this.#lock = new SetLock(this.#words, thread);
  }

  /** At any time. */
  get generation(): number {
    return this.#words[GENERATION]! >>> 0;
  }

  /** At any time. */
  get remote(): number {
    return this.#numbers[REMOTE]!;
  }

  get state(): PurgeState {
    const words = this.#words;
    return {
      ...{ generation: this.generation, floor: words[FLOOR]! >>> 0 },
      ...{ remote: this.remote, remoteFloor: this.#numbers[REMOTE_FLOOR]! },
      ...{ end: words[END]!, rewrites: words[REWRITES]! },
    };
  }

  enter(): void {
    this.#lock.enter(LOCK);
  }

  leave(): void {
    this.#lock.leave();
  }

  /** A copy of what was added since a place. */
  since(place: PurgePlace): Buffer {
    const start = place.rewrites === this.#words[REWRITES] ? place.end : 0;
    return Buffer.from(this.#log.subarray(start, this.#words[END]));
  }

  /** @returns its generation */
  add(purge: Omit<PurgeRecord, "generation">): number {
    const generation = (this.generation + 1) >>> 0;
    const bytes = encodeRecord({ ...purge, generation });
    const most = this.#log.length;
    if (this.#words[END]! + bytes.length > most) this.#compact(bytes.length);
    if (this.#words[END]! + bytes.length > most) return this.forget(purge.remote);
    const end = this.#words[END]!;
    this.#log.set(bytes, end);
    // The end is told last: a thread that dies before leaves nothing half done.
    if (purge.remote !== 0) this.#numbers[REMOTE] = purge.remote;
    this.#words[END] = end + bytes.length;
    this.#words[GENERATION] = generation;
    return generation;
  }

  /** All that is stored by now may have been purged. @param remote up to which this is known; 0: as before */
  forget(remote: number): number {
    const generation = (this.generation + 1) >>> 0;
    if (remote !== 0) this.#numbers[REMOTE] = remote;
    this.#numbers[REMOTE_FLOOR] = this.remote;
    this.#words[FLOOR] = generation;
    this.#words[GENERATION] = generation;
    this.#words[END] = 0;
    this.#words[REWRITES]!++;
    return generation;
  }

  #compact(room: number): void {
    const records = decodeRecords(this.since({ end: 0, rewrites: -1 })) ?? [];
    this.refill(withoutRepeated(records), room);
  }

  /** Puts purges in place of those that there are. @param room for what is to be added */
  refill(records: readonly PurgeRecord[], room: number = 0): void {
    const { floor, remoteFloor } = this.state;
    const most = this.#log.length;
    const isEnough = countBeyond(records, Math.min(most - room, 0.75 * most)) === 0;
    const dropped = isEnough ? 0 : countBeyond(records, Math.min(most - room, most / 2));
    const bytes = Buffer.concat(records.slice(dropped).map(encodeRecord));
    // A thread that dies while it writes leaves a log that says: whatever there was.
    this.#words[FLOOR] = this.generation;
    this.#words[END] = 0;
    this.#words[REWRITES]!++;
    this.#log.set(bytes);
    this.#words[END] = bytes.length;
    const remotes = records.slice(0, dropped).map(({ remote }) => remote);
    this.#numbers[REMOTE_FLOOR] = remotes.reduce((one, other) => Math.max(one, other), remoteFloor);
    this.#words[FLOOR] = dropped === 0 ? floor : records[dropped - 1]!.generation;
  }
}
