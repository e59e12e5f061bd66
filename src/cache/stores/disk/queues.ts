import { type DiskMemory, Head, Slot, Sum } from "./disk-memory.ts";

/** Bits of a slot's flags that say in which queue it stands and how often it was found since; the rest is the index's. */
const IN_SMALL = 1 << 8;
const IN_MAIN = 1 << 9;
const USE = 1 << 10;
const USES = 3 << 10;

/** Share of the bytes that new entries have to show themselves. */
const SMALL_SHARE = 0.1;
/** Entries that are looked at until one goes, so that nobody is held up by a walk through all of them. */
const MOST_LOOKS = 1000;

/**
 * Who goes first: S3-FIFO (J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). New entries stand in
 * a small queue, and come into the main one if they were asked for meanwhile, or soon after they went. Being asked for moves
 * nothing, it sets two bits. For whoever holds the lock of the index.
 */
export class Queues {
  readonly #words: Int32Array;
  readonly #memory: DiskMemory;

  constructor(memory: DiskMemory) {
    this.#memory = memory;
    this.#words = memory.words;
  }

  /** @param isProven as after a restart: it is one of those that were kept */
  add(slot: number, isProven: boolean): void {
    const at = this.#at(slot);
    const isMain = isProven || this.#takeGhost(at);
    this.#words[at + Slot.Flags]! &= ~USES;
    this.#push(slot, isMain);
  }

  use(slot: number): void {
    const at = this.#at(slot) + Slot.Flags;
    if ((this.#words[at]! & USES) !== USES) this.#words[at]! += USE;
  }

  remove(slot: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    const flags = words[at + Slot.Flags]!;
    if ((flags & (IN_SMALL | IN_MAIN)) === 0) return;
    const isMain = (flags & IN_MAIN) !== 0;
    if (!isMain) this.#memory.sums[Sum.Small]! -= this.#chargeOf(at);
    const newer = words[at + Slot.Newer]!;
    const older = words[at + Slot.Older]!;
    words[newer === 0 ? newestOf(isMain) : this.#at(newer) + Slot.Older] = older;
    words[older === 0 ? oldestOf(isMain) : this.#at(older) + Slot.Newer] = newer;
    words[at + Slot.Flags] = flags & ~(IN_SMALL | IN_MAIN);
  }

  /** It takes so many bytes more than was thought. */
  recharge(slot: number, bytes: number): void {
    if ((this.#words[this.#at(slot) + Slot.Flags]! & IN_SMALL) !== 0) this.#memory.sums[Sum.Small]! += bytes;
  }

  /** Takes the next one to go out of its queue; 0: there is none. */
  evict(): number {
    for (let looks = 0; ; looks++) {
      const isMain = this.#isMainNext();
      const slot = this.#words[oldestOf(isMain)]!;
      if (slot === 0) return 0;
      const at = this.#at(slot) + Slot.Flags;
      const uses = this.#words[at]! & USES;
      this.remove(slot);
      if (uses === 0 || looks > MOST_LOOKS) {
        if (!isMain) this.#leaveGhost(this.#at(slot));
        return slot;
      }
      this.#words[at]! -= isMain ? USE : uses;
      this.#push(slot, true);
    }
  }

  #isMainNext(): boolean {
    const { sums } = this.#memory;
    if (this.#words[Head.SmallOldest] === 0) return true;
    return sums[Sum.Small]! < SMALL_SHARE * sums[Sum.Limit]! && this.#words[Head.MainOldest] !== 0;
  }

  #push(slot: number, isMain: boolean): void {
    const words = this.#words;
    const at = this.#at(slot);
    const newest = words[newestOf(isMain)]!;
    words[at + Slot.Newer] = 0;
    words[at + Slot.Older] = newest;
    words[newest === 0 ? oldestOf(isMain) : this.#at(newest) + Slot.Newer] = slot;
    words[newestOf(isMain)] = slot;
    words[at + Slot.Flags]! |= isMain ? IN_MAIN : IN_SMALL;
    if (!isMain) this.#memory.sums[Sum.Small]! += this.#chargeOf(at);
  }

  /** Ghosts remember of those that went a part of the hash, until as many others went as there are entries. */
  #leaveGhost(at: number): void {
    const ghost = this.#ghostOf(at);
    this.#words[ghost] = this.#words[at + Slot.Hash + 2]!;
    this.#words[ghost + 1] = ++this.#words[Head.GhostTurn]!;
  }

  #takeGhost(at: number): boolean {
    const words = this.#words;
    const ghost = this.#ghostOf(at);
    const age = words[Head.GhostTurn]! - words[ghost + 1]!;
    const isKnown = words[ghost + 1] !== 0 && words[ghost] === words[at + Slot.Hash + 2];
    if (isKnown) words[ghost + 1] = 0;
    return isKnown && age <= this.#memory.sums[Sum.Entries]!;
  }

  #ghostOf(at: number): number {
    const { ghosts, ghostsAt } = this.#memory;
    return ghostsAt + 2 * (this.#words[at + Slot.Hash + 1]! & (ghosts - 1));
  }

  #at(slot: number): number {
    return this.#memory.slotsAt + slot * this.#memory.slotWords;
  }

  #chargeOf(at: number): number {
    return this.#memory.sums[(at + Slot.Charge) >> 1]!;
  }
}

function newestOf(isMain: boolean): number {
  return isMain ? Head.MainNewest : Head.SmallNewest;
}

function oldestOf(isMain: boolean): number {
  return isMain ? Head.MainOldest : Head.SmallOldest;
}
