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
 *     words 0…7    | lock | generation | floor | end of the log | rewrites | first generation | kept | is kept |
 *     words 8…15   | remote: f64 | remote floor: f64 | turn | … |
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
/** The generation that it began with. */
const FIRST = 5;
/** The last generation that a file has. */
const KEPT = 6;
/** Whether there is a file. */
const IS_KEPT = 7;
/** Counts up whenever one of these two changes. */
const TURN = 12;
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
  words[FIRST] = beginning.generation;
  numbers[REMOTE] = beginning.remote;
  numbers[REMOTE_FLOOR] = beginning.remoteFloor;
  return buffer;
}

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
    return this.#begin(generation);
  }

  /** All that is stored by now may have been purged. @param remote up to which this is known; 0: as before */
  forget(remote: number): number {
    if (remote !== 0) this.#numbers[REMOTE] = remote;
    this.#numbers[REMOTE_FLOOR] = this.remote;
    return this.#forgetUpTo((this.generation + 1) >>> 0);
  }

  /**
   * Puts the purges of a process before in front of those that there are, so that what it has stored is judged by both. Where that can't be
   * told, all that it has stored may have been purged.
   */
  adopt(former: Pick<PurgeBeginning, "generation" | "floor">, records: readonly PurgeRecord[]): void {
    const words = this.#words;
    const first = words[FIRST]! >>> 0;
    const isComplete = words[FLOOR]! >>> 0 === first;
    const own = decodeRecords(this.since({ end: 0, rewrites: -1 })) ?? [];
    if (former.generation <= first) {
      if (isComplete) this.refill([...records, ...own], former.floor);
    } else if (isComplete) {
      // The clock was put back, or that process had a great many: those of this one come behind them all the same. What was fetched
      // since counts as older than it is.
      const behind = own.map((record, i) => ({ ...record, generation: former.generation + 1 + i }));
      this.refill([...records, ...behind], former.floor);
      this.#begin(former.generation + own.length);
    } else this.#forgetUpTo(Math.max(former.generation, this.generation) + 1);
  }

  #forgetUpTo(generation: number): number {
    this.#words[FLOOR] = generation;
    this.#words[END] = 0;
    this.#words[REWRITES]!++;
    return this.#begin(generation);
  }

  #begin(generation: number): number {
    Atomics.store(this.#words, GENERATION, generation);
    Atomics.notify(this.#words, GENERATION);
    return generation;
  }

  // ── the file that they are kept in ─────────────────────────────────────────────────────────────────────────────

  /** Resolves when there is another generation, or `wakeKeeper` is called; null: there is one already. */
  untilNext(generation: number): Promise<unknown> | null {
    return waitFor(this.#words, GENERATION, generation);
  }

  wakeKeeper(): void {
    Atomics.notify(this.#words, GENERATION);
  }

  /** @param generation up to which a file has them; null: there is no file any more */
  setKept(generation: number | null): void {
    if (generation !== null) this.#words[KEPT] = generation;
    Atomics.store(this.#words, IS_KEPT, generation === null ? 0 : 1);
    Atomics.add(this.#words, TURN, 1);
    Atomics.notify(this.#words, TURN);
  }

  /** Resolves when a file has the purges up to a generation; null: it has, or there is none. */
  untilKept(generation: number): Promise<void> | null {
    return this.#isKept(generation) ? null : this.#waitUntilKept(generation);
  }

  #isKept(generation: number): boolean {
    if (Atomics.load(this.#words, IS_KEPT) === 0) return true;
    return ((Atomics.load(this.#words, KEPT) - generation) | 0) >= 0;
  }

  async #waitUntilKept(generation: number): Promise<void> {
    for (;;) {
      // Before the look: what changes after that is a turn that isn't this one any more.
      const turn = Atomics.load(this.#words, TURN);
      if (this.#isKept(generation)) return;
      await waitFor(this.#words, TURN, turn);
    }
  }

  #compact(room: number): void {
    const records = decodeRecords(this.since({ end: 0, rewrites: -1 })) ?? [];
    this.refill(withoutRepeated(records), this.state.floor, room);
  }

  /**
   * Puts purges in place of those that there are.
   * @param floor the generation from which on they are all there are
   * @param room for what is to be added
   */
  refill(records: readonly PurgeRecord[], floor: number, room: number = 0): void {
    const { remoteFloor } = this.state;
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

function waitFor(words: Int32Array, at: number, value: number): Promise<unknown> | null {
  const wait = Atomics.waitAsync(words, at, value | 0);
  return wait.async ? wait.value : null;
}
