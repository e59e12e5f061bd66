import { SpaceSaving } from "./space-saving.ts";
import {
  NAME_BYTES,
  NAME_HEAD,
  nameAt,
  TOP_BUCKETS,
  TOP_NUMBERS,
  TopCount,
  TopHeader,
  type TopMemory,
} from "./top-memory.ts";
import { toMicroseconds } from "./traffic-row.ts";

/** Where a slot's number ends in a mark, and how many versions are told apart. */
const SLOT_BITS = 12;
const SLOT_MASK: number = 2 ** SLOT_BITS - 1;
const VERSION_MASK = 0x3ffff;

/** The most slots that a list may have. */
export const MOST_TOP: number = 2 ** SLOT_BITS;

/** What stands before an encoding's query, and ends what is a path. */
const QUESTION_MARK = 0x3f;

/** What became of something that was counted for a key. Made once, and filled anew for each. */
export interface TopEvent {
  bytesIn: number;
  bytesOut: number;
  /** 0 for none. */
  status: number;
  failed: boolean;
  connections: number;
  /** Milliseconds; -1: not known. */
  latency: number;
}

/**
 * The keys that this thread has met most often, and what is known of them. However many there are and whoever makes them up,
 * it takes the same memory; its hash has a seed, so that nobody can choose keys that fall together.
 */
export class TopList {
  readonly #memory: TopMemory;
  readonly #saving: SpaceSaving;
  readonly #seed: number;
  #low = 0;
  #high = 0;

  /** @param seed the same for nobody else, 32 bits */
  constructor(memory: TopMemory, seed: number) {
    this.#memory = memory;
    const { numbers, slots } = memory;
    this.#saving = new SpaceSaving(slots, numbers, numbers.subarray(TopCount.error), TOP_NUMBERS);
    this.#seed = seed | 0;
  }

  /** Counts a text. @returns its mark, for `note` */
  enterText(text: string): number {
    const length = Math.min(text.length, NAME_BYTES);
    this.#begin();
    for (let i = 0; i < length; i++) this.#mix(text.charCodeAt(i));
    const slot = this.#enter();
    if (this.#saving.isFresh) this.#name(slot, Buffer.from(text, "latin1"), 0, text.length);
    return this.#markOf(slot);
  }

  /** Counts a path: bytes up to a query. @returns its mark, for `note` */
  enterPath(bytes: Uint8Array, start: number, end: number): number {
    const most = Math.min(end, start + NAME_BYTES);
    this.#begin();
    let stop = start;
    for (; stop < most; stop++) {
      const byte = bytes[stop]!;
      if (byte === QUESTION_MARK) break;
      this.#mix(byte);
    }
    const slot = this.#enter();
    // One that is as long as a name may be and is followed by its query wasn't cut.
    const isCut = stop < end && bytes[stop] !== QUESTION_MARK;
    if (this.#saving.isFresh) this.#name(slot, bytes, start, isCut ? stop + 1 : stop);
    return this.#markOf(slot);
  }

  /** Notes what became of what was counted; nothing when the key was pushed out meanwhile. */
  note(mark: number, event: TopEvent): void {
    const slot = mark & SLOT_MASK;
    if (this.#markOf(slot) !== mark) return;
    const { numbers, histograms } = this.#memory;
    const at = slot * TOP_NUMBERS;
    const { status, latency } = event;
    numbers[at + TopCount.bytesIn]! += event.bytesIn;
    numbers[at + TopCount.bytesOut]! += event.bytesOut;
    numbers[at + TopCount.connections]! += event.connections;
    if (status !== 0) numbers[at + TopCount.responses1xx + classOf(status)]! += 1;
    if (event.failed) numbers[at + TopCount.failed]! += 1;
    if (latency < 0) return;
    numbers[at + TopCount.latencySum]! += latency;
    if (latency > numbers[at + TopCount.latencyMax]!) numbers[at + TopCount.latencyMax] = latency;
    histograms[slot * TOP_BUCKETS.count + TOP_BUCKETS.indexOf(toMicroseconds(latency))]! += 1;
  }

  #begin(): void {
    this.#low = this.#seed;
    this.#high = ~this.#seed;
  }

  #mix(unit: number): void {
    this.#low = Math.imul(this.#low ^ unit, 0x9e3779b1);
    this.#high = Math.imul(this.#high ^ unit ^ (this.#low >>> 15), 0x85ebca6b);
  }

  #enter(): number {
    this.#memory.header[TopHeader.total]! += 1;
    const low = this.#low ^ (this.#low >>> 15);
    return this.#saving.enter(low, this.#high);
  }

  #markOf(slot: number): number {
    return ((this.#memory.versions[slot]! & VERSION_MASK) << SLOT_BITS) | slot;
  }

  /** Another key moves in. */
  #name(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const { versions, names, numbers, histograms, header } = this.#memory;
    Atomics.add(versions, slot, 1);
    const at = nameAt(slot);
    const length = Math.min(end - start, NAME_BYTES);
    names[at] = length & 0xff;
    names[at + 1] = length >> 8;
    names[at + 2] = end - start > length ? 1 : 0;
    names.set(bytes.subarray(start, start + length), at + NAME_HEAD);
    numbers.fill(0, slot * TOP_NUMBERS + TopCount.connections, (slot + 1) * TOP_NUMBERS);
    histograms.fill(0, slot * TOP_BUCKETS.count, (slot + 1) * TOP_BUCKETS.count);
    Atomics.add(versions, slot, 1);
    header[TopHeader.used] = this.#saving.used;
  }
}

/** Statuses that are none of the five classes are the last one's. */
function classOf(status: number): number {
  return Math.min(Math.max(Math.floor(status / 100), 1), 5) - 1;
}
