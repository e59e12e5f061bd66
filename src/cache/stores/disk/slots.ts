import { type DiskMemory, Head, Slot, Sum } from "./disk-memory.ts";
import type { FileId } from "./file-format.ts";

/** What becomes of an entry; 0 is a slot that nobody has. */
export const Stage = { Free: 0, Writing: 1, Complete: 2, Failed: 3 } as const;

export const STAGE: number = 3;
/** It is what its key leads to. */
export const VISIBLE: number = 1 << 2;
/** Its file is to be removed, or is and somebody still reads it: its bytes are counted as long. */
export const LEAVING: number = 1 << 3;
export const GONE: number = 1 << 4;
/** Removed while it was written: it never becomes what its key leads to. */
export const UNWANTED: number = 1 << 5;
export const ROUND: number = 1 << 6;
export const THREAD_SHIFT: number = 16;
export const FLAGS_OF_THREAD: number = ~(0xfff << THREAD_SHIFT);

/** Slots of a chain: a hash has one or two. More of them go round in a circle. */
const MOST_STEPS = 1000;

/** A file of the index: ids are never used again, so one that went can't be taken for one that came. */
export interface Place extends FileId {
  readonly slot: number;
}

/**
 * The slots of the index, each in the chain of its hash. What is public needs no lock, for an entry that this thread has open: its
 * slot stays its own as long.
 */
export class Slots {
  readonly memory: DiskMemory;
  protected readonly words: Int32Array;
  protected readonly sums: Float64Array;

  constructor(memory: DiskMemory) {
    this.memory = memory;
    this.words = memory.words;
    this.sums = memory.sums;
  }

  /** Whether the slot is still this entry's. */
  is({ slot, high, low }: Place): boolean {
    const at = this.at(slot);
    return (
      this.words[at + Slot.IdHigh] === high &&
      this.words[at + Slot.IdLow] === low &&
      (this.words[at + Slot.Flags]! & STAGE) !== Stage.Free
    );
  }

  placeOf(slot: number): Place {
    const at = this.at(slot);
    return { slot, high: this.words[at + Slot.IdHigh]!, low: this.words[at + Slot.IdLow]! };
  }

  stageOf(place: Place): number {
    return this.is(place) ? Atomics.load(this.words, this.at(place.slot) + Slot.Flags) & STAGE : Stage.Free;
  }

  /**
   * Bytes of the whole file; while it is written, -1 less those of the body that are there, and minus infinity before its head is. One
   * number says both, or somebody could read one of before and one of after the end.
   */
  lengthOf(place: Place): number {
    return this.sums[(this.at(place.slot) + Slot.Length) >> 1]!;
  }

  hashOf(place: Place): Int32Array {
    const at = this.at(place.slot) + Slot.Hash;
    return this.words.slice(at, at + 4);
  }

  /** Its meta isn't what it was: others that have it open read it again. */
  signal(place: Place): void {
    if (this.is(place)) this.wake(this.at(place.slot));
  }

  signalOf(place: Place): number {
    return Atomics.load(this.words, this.at(place.slot) + Slot.Signal);
  }

  /** Resolves when the entry has changed since `signal` was read. */
  untilChanged(place: Place, signal: number): Promise<unknown> | null {
    const wait = Atomics.waitAsync(this.words, this.at(place.slot) + Slot.Signal, signal);
    return wait.async ? wait.value : null;
  }

  /** Waits so many milliseconds until room is made. @returns whether it was */
  async untilFreed(mostWait: number): Promise<boolean> {
    const freed = Atomics.load(this.words, Head.Freed);
    return (await Atomics.waitAsync(this.words, Head.Freed, freed, mostWait).value) !== "timed-out";
  }

  /** Bytes of the body that others can read, of an entry that this thread writes. */
  advance(place: Place, length: number): void {
    if (!this.is(place)) return;
    const at = this.at(place.slot);
    this.sums[(at + Slot.Length) >> 1] = -1 - length;
    this.wake(at);
  }

  /** Something is as it can't be: whoever comes next makes the index anew. */
  protected suspect(): void {
    this.words[Head.IsBroken] = 1;
  }

  protected at(slot: number): number {
    return this.memory.slotsAt + slot * this.memory.slotWords;
  }

  protected flagsOf(slot: number): number {
    return this.words[this.at(slot) + Slot.Flags]!;
  }

  protected chainOf(at: number): number {
    return this.memory.chainsAt + (this.words[at + Slot.Hash + 1]! & (this.memory.chains - 1));
  }

  /** What the key leads to. */
  protected seek(hash: Int32Array): number {
    let slot = this.words[this.memory.chainsAt + (hash[1]! & (this.memory.chains - 1))]!;
    for (let steps = 0; slot !== 0 && steps < MOST_STEPS; steps++) {
      if ((this.flagsOf(slot) & VISIBLE) !== 0 && this.isOf(slot, hash)) return slot;
      slot = this.words[this.at(slot) + Slot.Next]!;
    }
    if (slot !== 0) this.suspect();
    return 0;
  }

  /** All slots of the key, also of what isn't found by it. */
  protected forEachOf(hash: Int32Array, visit: (slot: number) => void): void {
    let slot = this.words[this.memory.chainsAt + (hash[1]! & (this.memory.chains - 1))]!;
    for (let steps = 0; slot !== 0 && steps < MOST_STEPS; steps++) {
      const next = this.words[this.at(slot) + Slot.Next]!;
      if (this.isOf(slot, hash)) visit(slot);
      slot = next;
    }
  }

  protected isOf(slot: number, hash: Int32Array): boolean {
    const at = this.at(slot) + Slot.Hash;
    const words = this.words;
    return (
      words[at] === hash[0] &&
      words[at + 1] === hash[1] &&
      words[at + 2] === hash[2] &&
      words[at + 3] === hash[3]
    );
  }

  /** A slot of its own, in its chain; 0: all are taken. */
  protected take(hash: Int32Array, id: FileId): number {
    const words = this.words;
    if (words[Head.FreeCount] === 0) return 0;
    words[Head.FreeCount]!--;
    const used = words[Head.FreeSlots]!;
    const slot = used === 0 ? words[Head.Fresh]!++ : used;
    const at = this.at(slot);
    if (used !== 0) words[Head.FreeSlots] = words[at + Slot.Next]!;
    for (let i = 0; i < 4; i++) words[at + Slot.Hash + i] = hash[i]!;
    words[at + Slot.IdHigh] = id.high;
    words[at + Slot.IdLow] = id.low;
    this.sums[(at + Slot.Charge) >> 1] = 0;
    const chain = this.chainOf(at);
    words[at + Slot.Next] = words[chain]!;
    words[chain] = slot;
    return slot;
  }

  protected charge(slot: number, bytes: number): void {
    this.sums[(this.at(slot) + Slot.Charge) >> 1]! += bytes;
    this.sums[Sum.Used]! += bytes;
  }

  /** Whether any thread has it open. */
  protected isPinned(at: number): boolean {
    for (let word = 0; word < this.memory.pinWords; word++)
      if (this.words[at + Slot.Pins + word] !== 0) return true;
    return false;
  }

  protected clearPins(at: number): void {
    for (let word = 0; word < this.memory.pinWords; word++) this.words[at + Slot.Pins + word] = 0;
  }

  protected wake(at: number): void {
    Atomics.add(this.words, at + Slot.Signal, 1);
    Atomics.notify(this.words, at + Slot.Signal);
  }

  /** The slot of the very file. */
  protected seekFile(hash: Int32Array, { high, low }: FileId): number {
    const words = this.words;
    let slot = words[this.memory.chainsAt + (hash[1]! & (this.memory.chains - 1))]!;
    for (let steps = 0; slot !== 0 && steps < MOST_STEPS; steps++) {
      const at = this.at(slot);
      if (words[at + Slot.IdHigh] === high && words[at + Slot.IdLow] === low && this.isOf(slot, hash))
        return slot;
      slot = words[at + Slot.Next]!;
    }
    if (slot !== 0) this.suspect();
    return 0;
  }

  /** Somebody else may have it, once its file is gone and nobody has it open. */
  protected freeIfOver(slot: number): void {
    const words = this.words;
    const at = this.at(slot);
    if ((words[at + Slot.Flags]! & GONE) === 0 || this.isPinned(at)) return;
    let link = this.chainOf(at);
    for (let steps = 0; words[link] !== slot; steps++) {
      if (words[link] === 0 || steps === MOST_STEPS) {
        this.suspect();
        return;
      }
      link = this.at(words[link]!) + Slot.Next;
    }
    words[link] = words[at + Slot.Next]!;
    const charge = this.sums[(at + Slot.Charge) >> 1]!;
    this.sums[Sum.Used]! -= charge;
    words[at + Slot.Flags] = 0;
    words[at + Slot.Next] = words[Head.FreeSlots]!;
    words[Head.FreeSlots] = slot;
    words[Head.FreeCount]!++;
    Atomics.add(words, Head.Freed, 1);
    Atomics.notify(words, Head.Freed);
  }
}
