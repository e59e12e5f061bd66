import { setImmediate } from "node:timers/promises";
import { SetLock } from "../../../base/shared/set-lock.ts";
import { type DiskMemory, Head, pinOf, Role, SHARD_STATES, SHARDS, Slot, Sum } from "./disk-memory.ts";
import type { FileId } from "./file-format.ts";
import { Queues } from "./queues.ts";
import {
  FLAGS_OF_THREAD,
  GONE,
  LEAVING,
  type Place,
  ROUND,
  Slots,
  STAGE,
  Stage,
  THREAD_SHIFT,
  UNWANTED,
  VISIBLE,
} from "./slots.ts";

/** Share of the bytes that is kept free, so that what comes needn't wait until files are removed. */
const HEADROOM = 0.005;
/** Slots that are kept free for the same reason. */
const SPARE_SLOTS = 16;
/** Slots that are gone through without letting others at the index. */
const STRIDE = 4096;

/** Whether there is room: later means that files are being removed that it is taken by. */
export const Room = { Given: 0, Later: 1, None: 2 } as const;
export type RoomCode = (typeof Room)[keyof typeof Room];

/** What a file that was come upon is: in the index, to be removed, or new to the index. */
export type Met = "known" | "stale" | "added";

/**
 * Where the files of a store are, how many bytes they take, and which goes next: in memory that all threads share, behind one
 * lock that is held for a microsecond. Whoever makes an entry leave finds it in `leaving` and removes its file.
 */
export class DiskIndex extends Slots {
  /** Entries whose files this thread has to remove, and say so by `gone`. */
  readonly leaving: Place[] = [];
  readonly #queues: Queues;
  readonly #lock: SetLock;
  readonly #thread: number;
  /** Of this thread in each slot. */
  readonly #pinAt: number;
  readonly #pin: number;

  /** @param thread a number that no other thread has; whoever opens files has one below `DiskBounds.threads` */
  constructor(memory: DiskMemory, thread: number) {
    super(memory);
    this.#queues = new Queues(memory);
    this.#lock = new SetLock(memory.words, thread);
    this.#thread = thread & 0xfff;
    const { word, bit } = pinOf(thread);
    this.#pinAt = Slot.Pins + word;
    this.#pin = bit;
  }

  get role(): number {
    return Atomics.load(this.words, Head.Role);
  }

  /** Whether what is in the folder may be given out. */
  get isOpen(): boolean {
    const { role } = this;
    return role === Role.Writing || role === Role.Starting;
  }

  sum(which: number): number {
    return this.sums[which]!;
  }

  isScanned(shard: number): boolean {
    return Atomics.load(this.words, SHARD_STATES + shard) !== 0;
  }

  /** What the key leads to, held open by this thread from now on; 0: nothing. */
  find(hash: Int32Array): number {
    this.#enter();
    const slot = this.seek(hash);
    this.sums[slot === 0 ? Sum.Misses : Sum.Hits]!++;
    if (slot !== 0) {
      this.words[this.at(slot) + this.#pinAt]! |= this.#pin;
      this.#queues.use(slot);
    }
    this.#leave();
    return slot;
  }

  /** What was found couldn't be opened after all. */
  countMiss(): void {
    this.#enter();
    this.sums[Sum.Hits]!--;
    this.sums[Sum.Misses]!++;
    this.#leave();
  }

  count(which: typeof Sum.Refused | typeof Sum.Misses): void {
    this.#enter();
    this.sums[which]!++;
    this.#leave();
  }

  /**
   * A slot for an entry that is to be written, held open; 0: there is none.
   * @param mayBeShown whether it is found from now on, if there is no other one of the key
   */
  begin(hash: Int32Array, id: FileId, mayBeShown: boolean): number {
    this.#enter();
    if (this.words[Head.FreeCount]! < SPARE_SLOTS) this.#evict();
    const isFirst = mayBeShown && this.seek(hash) === 0;
    const slot = this.take(hash, id);
    if (slot !== 0) {
      const at = this.at(slot);
      const isVisible = isFirst ? VISIBLE : 0;
      this.words[at + Slot.Flags] = Stage.Writing | isVisible | (this.#thread << THREAD_SHIFT);
      this.clearPins(at);
      this.words[at + this.#pinAt] = this.#pin;
      this.sums[(at + Slot.Length) >> 1] = Number.NEGATIVE_INFINITY;
    }
    this.#leave();
    return slot;
  }

  /** Counts bytes that are to be written to a file, if there is room for them. */
  reserve(place: Place, bytes: number): RoomCode {
    this.#enter();
    const sums = this.sums;
    const isLate = !this.is(place) || this.role !== Role.Writing;
    if (!isLate) this.#makeRoom(bytes);
    const fits = !isLate && sums[Sum.Used]! + bytes <= sums[Sum.Limit]!;
    if (fits) this.charge(place.slot, bytes);
    const isComing = !isLate && sums[Sum.Leaving]! > 0;
    this.#leave();
    if (fits) return Room.Given;
    return isComing ? Room.Later : Room.None;
  }

  /**
   * The entry is complete, and what its key leads to.
   * @param length of the file
   * @param charge what it takes on the disk
   * @param insteadOf what it is to replace, and nothing else
   * @returns false when it was removed meanwhile: it is leaving
   */
  publish(place: Place, length: number, charge: number, insteadOf: Place | null): boolean {
    this.#enter();
    const isKnown = this.is(place) && (this.flagsOf(place.slot) & LEAVING) === 0;
    const isInPlace = insteadOf === null || (this.is(insteadOf) && this.#isVisible(insteadOf.slot));
    const isWanted = isKnown && isInPlace && (this.flagsOf(place.slot) & UNWANTED) === 0;
    if (isKnown) this.#complete(place.slot, length, charge);
    if (isWanted) this.#show(place.slot, false);
    else if (isKnown) this.#makeLeave(place.slot);
    this.#leave();
    return isWanted;
  }

  /** The entry won't be complete. Its writer removes the file, and says so by `gone`. */
  fail(place: Place): void {
    this.#enter();
    if (this.is(place) && (this.flagsOf(place.slot) & LEAVING) === 0) {
      const at = this.at(place.slot);
      this.words[at + Slot.Flags] =
        (this.words[at + Slot.Flags]! & ~(STAGE | VISIBLE)) | Stage.Failed | LEAVING;
      this.sums[Sum.Leaving]! += this.sums[(at + Slot.Charge) >> 1]!;
      this.sums[Sum.Failures]!++;
      this.wake(at);
    }
    this.#leave();
  }

  /** The file can't be read, isn't there, or isn't wanted any more. */
  drop(place: Place): void {
    this.#enter();
    if (this.is(place) && this.stageOf(place) === Stage.Complete) this.#makeLeave(place.slot);
    this.#leave();
  }

  /** What is being written of the key, won't be kept either. @returns whether there was one */
  remove(hash: Int32Array): boolean {
    this.#enter();
    const slot = this.seek(hash);
    if (slot !== 0) this.#makeUnwanted(slot);
    this.forEachOf(hash, (one) => {
      if ((this.flagsOf(one) & STAGE) === Stage.Writing) this.#makeUnwanted(one);
    });
    this.#leave();
    return slot !== 0;
  }

  /** Whether it is still what its key leads to. */
  isCurrent(place: Place): boolean {
    return this.is(place) && this.#isVisible(place.slot);
  }

  async removeAll(): Promise<void> {
    await this.#forEachInTurn((slot) => {
      if ((this.flagsOf(slot) & LEAVING) === 0) this.#makeUnwanted(slot);
    });
  }

  /** Makes some entries leave, if there are more than the bound allows. @returns whether there are still */
  trim(): boolean {
    this.#enter();
    const isOver = this.#makeRoom(0);
    this.#leave();
    return isOver;
  }

  /** The file of an entry that was leaving isn't there any more. Any number of times: who follows a dead thread may remove it again. */
  gone(place: Place): void {
    this.#enter();
    if (this.is(place) && (this.flagsOf(place.slot) & GONE) === 0) {
      const at = this.at(place.slot);
      this.words[at + Slot.Flags]! |= GONE;
      this.sums[Sum.Leaving]! -= this.sums[(at + Slot.Charge) >> 1]!;
      this.freeIfOver(place.slot);
    }
    this.#leave();
  }

  /** This thread has it open no longer. */
  unpin(place: Place): void {
    this.#enter();
    if (this.is(place)) {
      this.words[this.at(place.slot) + this.#pinAt]! &= ~this.#pin;
      this.freeIfOver(place.slot);
    }
    this.#leave();
  }

  /** A file was come upon in the folder. */
  meet(hash: Int32Array, id: FileId, length: number, charge: number): Met {
    this.#enter();
    const met = this.#meet(hash, id, length, charge);
    this.#leave();
    return met;
  }

  setScanned(shard: number): void {
    Atomics.store(this.words, SHARD_STATES + shard, 1);
  }

  setRole(role: number): void {
    Atomics.store(this.words, Head.Role, role);
  }

  /** Bytes of folders, and of files that aren't the index's. */
  setFolders(bytes: number): void {
    this.#enter();
    this.sums[Sum.Used]! += bytes - this.sums[Sum.Folders]!;
    this.sums[Sum.Folders] = bytes;
    this.#leave();
  }

  addFolders(bytes: number): void {
    this.#enter();
    this.sums[Sum.Folders]! += bytes;
    this.sums[Sum.Used]! += bytes;
    this.#leave();
  }

  /** Begins a look at all files: those that aren't met, nor written meanwhile, aren't there. */
  beginRound(): void {
    this.words[Head.Round]! ^= 1;
  }

  async endRound(): Promise<void> {
    await this.#forEachInTurn((slot) => {
      const flags = this.flagsOf(slot);
      const isUnseen = ((flags & ROUND) === 0) === (this.words[Head.Round] === 1);
      if ((flags & STAGE) === Stage.Complete && (flags & LEAVING) === 0 && isUnseen) this.#makeLeave(slot);
    });
  }

  /** A thread died, or begins anew: what it wrote has failed, and what it had to remove is this one's to do. */
  forgetThread(thread: number): void {
    const { word, bit } = pinOf(thread);
    this.#forEach((slot) => {
      const at = this.at(slot);
      this.words[at + Slot.Pins + word]! &= ~bit;
      const flags = this.flagsOf(slot);
      const isOfThread = flags >>> THREAD_SHIFT === (thread & 0xfff);
      const isWriting = (flags & STAGE) === Stage.Writing;
      if (isOfThread && isWriting) this.#makeLeave(slot);
      else if (isOfThread && (flags & LEAVING) !== 0 && (flags & GONE) === 0)
        this.leaving.push(this.placeOf(slot));
      this.freeIfOver(slot);
    });
  }

  #enter(): void {
    this.#lock.enter(Head.Lock);
    // Somebody died in the middle of a change, or two made changes at a time, since one was slow enough to be taken for dead:
    // nothing of the index can be believed, and all of it is in the files.
    if (this.words[Head.IsBeingChanged] !== 0 || this.words[Head.IsBroken] !== 0) this.#reset();
    this.words[Head.IsBeingChanged] = 1;
  }

  #leave(): void {
    this.words[Head.IsBeingChanged] = 0;
    if (!this.#lock.leave()) this.suspect();
  }

  #reset(): void {
    const { chains, chainsAt, slotsAt, slots } = this.memory;
    this.words.fill(0, slotsAt);
    this.words.fill(0, chainsAt, chainsAt + chains);
    this.words.fill(0, SHARD_STATES, SHARD_STATES + SHARDS);
    this.words[Head.IsBroken] = 0;
    this.words.fill(0, Head.SmallNewest, Head.MainOldest + 1);
    this.words[Head.FreeSlots] = 0;
    this.words[Head.Fresh] = 1;
    this.words[Head.FreeCount] = slots - 1;
    for (const sum of [Sum.Used, Sum.Folders, Sum.Leaving, Sum.Small, Sum.Entries]) this.sums[sum] = 0;
    if (this.role === Role.Writing) this.setRole(Role.Starting);
  }

  /** Visits all slots in use. */
  #forEach(visit: (slot: number) => void): void {
    for (let from = 1; from < this.words[Head.Fresh]!; from += STRIDE) this.#forSome(from, visit);
  }

  /** The same, and whatever else waits in the thread gets its turns between. */
  async #forEachInTurn(visit: (slot: number) => void): Promise<void> {
    for (let from = 1; from < this.words[Head.Fresh]!; from += STRIDE) {
      this.#forSome(from, visit);
      await setImmediate();
    }
  }

  #forSome(from: number, visit: (slot: number) => void): void {
    this.#enter();
    const end = Math.min(from + STRIDE, this.words[Head.Fresh]!);
    for (let slot = from; slot < end; slot++) if ((this.flagsOf(slot) & STAGE) !== 0) visit(slot);
    this.#leave();
  }

  #complete(slot: number, length: number, charge: number): void {
    const at = this.at(slot);
    this.charge(slot, charge - this.sums[(at + Slot.Charge) >> 1]!);
    this.sums[(at + Slot.Length) >> 1] = length;
    const flags = this.words[at + Slot.Flags]! & ~(STAGE | ROUND);
    this.words[at + Slot.Flags] = flags | Stage.Complete | this.#round();
    this.wake(at);
  }

  /** From now on this is what its key leads to. */
  #show(slot: number, isProven: boolean): void {
    const at = this.at(slot);
    const before = this.seek(this.words.subarray(at + Slot.Hash, at + Slot.Hash + 4));
    if (before !== 0 && before !== slot) this.#hide(before);
    this.words[at + Slot.Flags]! |= VISIBLE;
    this.#queues.add(slot, isProven);
    this.sums[Sum.Entries]!++;
  }

  /** Another one takes its place; one that is still written may take it back when it is finished. */
  #hide(slot: number): void {
    if ((this.flagsOf(slot) & STAGE) === Stage.Complete) this.#makeLeave(slot);
    else this.words[this.at(slot) + Slot.Flags]! &= ~VISIBLE;
  }

  #makeUnwanted(slot: number): void {
    const at = this.at(slot) + Slot.Flags;
    if ((this.words[at]! & STAGE) === Stage.Complete) this.#makeLeave(slot);
    else this.words[at] = (this.words[at]! & ~VISIBLE) | UNWANTED;
  }

  /** Nobody finds it from now on, and this thread removes its file. */
  #makeLeave(slot: number): void {
    const at = this.at(slot);
    const flags = this.flagsOf(slot);
    if ((flags & LEAVING) !== 0) return;
    this.#queues.remove(slot);
    if ((flags & STAGE) === Stage.Complete && (flags & VISIBLE) !== 0) this.sums[Sum.Entries]!--;
    this.sums[Sum.Leaving]! += this.sums[(at + Slot.Charge) >> 1]!;
    const stage = (flags & STAGE) === Stage.Writing ? Stage.Failed : flags & STAGE;
    const rest = this.flagsOf(slot) & FLAGS_OF_THREAD & ~(VISIBLE | STAGE);
    this.words[at + Slot.Flags] = rest | stage | LEAVING | (this.#thread << THREAD_SHIFT);
    this.leaving.push(this.placeOf(slot));
    this.wake(at);
  }

  /** @returns whether there would be more to do, but others wait */
  #makeRoom(bytes: number): boolean {
    const sums = this.sums;
    const bound = sums[Sum.Limit]! * (1 - HEADROOM);
    for (let left = STRIDE; sums[Sum.Used]! - sums[Sum.Leaving]! + bytes > bound; left--) {
      if (left === 0) return true;
      if (!this.#evict()) break;
    }
    return false;
  }

  #evict(): boolean {
    const slot = this.#queues.evict();
    if (slot === 0) return false;
    if ((this.flagsOf(slot) & (STAGE | LEAVING)) !== Stage.Complete) {
      this.suspect();
      return false;
    }
    this.#makeLeave(slot);
    this.sums[Sum.Evictions]!++;
    return true;
  }

  #meet(hash: Int32Array, id: FileId, length: number, charge: number): Met {
    const known = this.seekFile(hash, id);
    if (known !== 0) {
      this.#meetAgain(known, charge);
      return "known";
    }
    const shown = this.seek(hash);
    if (shown !== 0 && (this.flagsOf(shown) & STAGE) === Stage.Writing) return "stale";
    if (shown !== 0 && isLater(this.placeOf(shown), id)) return "stale";
    const slot = this.take(hash, id);
    if (slot === 0) return "stale";
    this.words[this.at(slot) + Slot.Flags] = Stage.Writing;
    this.clearPins(this.at(slot));
    this.#complete(slot, length, charge);
    this.#show(slot, true);
    return "added";
  }

  #meetAgain(slot: number, charge: number): void {
    const at = this.at(slot);
    const flags = this.words[at + Slot.Flags]!;
    if ((flags & STAGE) !== Stage.Complete || (flags & LEAVING) !== 0) return;
    this.words[at + Slot.Flags] = (flags & ~ROUND) | this.#round();
    const more = charge - this.sums[(at + Slot.Charge) >> 1]!;
    if (more === 0) return;
    this.#queues.recharge(slot, more);
    this.charge(slot, more);
  }

  #isVisible(slot: number): boolean {
    return (this.flagsOf(slot) & VISIBLE) !== 0;
  }

  #round(): number {
    return this.words[Head.Round] === 1 ? ROUND : 0;
  }
}

function isLater(a: FileId, b: FileId): boolean {
  const seconds = (a.high >>> 0) - (b.high >>> 0);
  return seconds > 0 || (seconds === 0 && a.low >>> 0 > b.low >>> 0);
}
