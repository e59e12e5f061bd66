import type { GhostTable } from "./ghost-table.ts";
import { Flag, Header, hostOf, MOST_USES, QUEUES, type StoreMemory, Word } from "./store-memory.ts";

/** Words of a queue in the header. */
const Queue = { Newest: 0, Oldest: 1, Units: 2 } as const;

/** What of the memory in use belongs to entries that are new. The inventors' tenth does a little worse (`npm run bench:cache`). */
const SMALL_SHARE = 0.05;
/** Uses while an entry is new that let it stay. */
const USES_TO_STAY = 2;
/** Entries that are looked at for one that may go, for the lock is held meanwhile; then one goes though it was used. */
const MOST_LOOKS = 512;

/**
 * Who goes when there is no room: S3-FIFO (J. Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023), by
 * bytes.
 *
 *     new ──▶ small ──used twice──▶ main ──▶ not used since: gone
 *              │                    ▲  └─used─▶ once more around
 *              └──▶ ghosts ─asked for again─┘
 *
 * A hit counts up two bits and moves nothing. What is held by somebody stays: it would give back no memory. All of it under the lock.
 */
export class EntryQueues {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #ghosts: GhostTable;

  constructor(memory: StoreMemory, ghosts: GhostTable) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#ghosts = ghosts;
  }

  /** A new one comes to the small queue, unless it went from there lately. */
  admit(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    const isKnown = this.#ghosts.take(words[at + Word.Hash + 1]!, words[at + Word.Hash + 2]!);
    this.#add(record, isKnown ? Flag.Main : Flag.Small);
  }

  /** One comes to where another one is, with its uses. */
  admitLike(record: number, other: number): void {
    const words = this.#words;
    const flags = words[this.#memory.wordOf(other) + Word.Flags]!;
    words[this.#memory.wordOf(record) + Word.Flags]! |= flags & (Flag.Uses * MOST_USES);
    this.#add(record, flags & QUEUES);
  }

  use(at: number): void {
    const flags = this.#words[at + Word.Flags]!;
    if ((flags & (Flag.Uses * MOST_USES)) !== Flag.Uses * MOST_USES)
      this.#words[at + Word.Flags] = flags + Flag.Uses;
  }

  remove(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    const queue = queueOf(words[at + Word.Flags]!);
    const newer = words[at + Word.Newer]!;
    const older = words[at + Word.Older]!;
    if (newer === 0) words[queue + Queue.Newest] = older;
    else words[this.#memory.wordOf(newer - 1) + Word.Older] = older;
    if (older === 0) words[queue + Queue.Oldest] = newer;
    else words[this.#memory.wordOf(older - 1) + Word.Newer] = newer;
    words[queue + Queue.Units]! -= words[at + Word.Units]!;
    words[at + Word.Flags]! &= ~QUEUES;
  }

  /** The record has more units, or less. */
  grown(at: number, units: number): void {
    this.#words[at + Word.Units]! += units;
    const flags = this.#words[at + Word.Flags]!;
    if ((flags & QUEUES) !== 0) this.#words[queueOf(flags) + Queue.Units]! += units;
  }

  /** The record is at another place now, with all of its words. */
  moved(to: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(to);
    const queue = queueOf(words[at + Word.Flags]!);
    const newer = words[at + Word.Newer]!;
    const older = words[at + Word.Older]!;
    words[newer === 0 ? queue + Queue.Newest : this.#memory.wordOf(newer - 1) + Word.Older] = to + 1;
    words[older === 0 ? queue + Queue.Oldest : this.#memory.wordOf(older - 1) + Word.Newer] = to + 1;
  }

  /**
   * @param host whose own has to go, as it has its share: others stay, and come last again; 0: whoever's
   * @returns an entry that nobody holds and that had better go than others; -1: none
   */
  victim(host = 0): number {
    const words = this.#words;
    let used = -1;
    for (let looks = 0; looks < MOST_LOOKS; looks++) {
      const queue = this.#queueToShrink(host !== 0 && looks >= MOST_LOOKS / 2);
      const record = words[queue + Queue.Oldest]! - 1;
      if (record === -1) return -1;
      const at = this.#memory.wordOf(record);
      const isOthers = host !== 0 && hostOf(words[at + Word.Flags]!) !== host;
      if (isOthers || words[at + Word.Pins] !== 0)
        this.#requeue(record, queue === Header.SmallQueue ? Flag.Small : Flag.Main);
      else if (queue === Header.SmallQueue ? this.#leavesSmall(record) : this.#leavesMain(record))
        return record;
      else used = record;
    }
    return used;
  }

  clear(): void {
    this.#words.fill(0, Header.SmallQueue, Header.MainQueue + Queue.Units + 1);
  }

  /** @param isVain whether what is wanted isn't in the one that had better shrink */
  #queueToShrink(isVain: boolean): number {
    const words = this.#words;
    const small = words[Header.SmallQueue + Queue.Units]!;
    const main = words[Header.MainQueue + Queue.Units]!;
    const isSmall = main === 0 || small > (small + main) * SMALL_SHARE;
    return isSmall === isVain ? Header.MainQueue : Header.SmallQueue;
  }

  #leavesSmall(record: number): boolean {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    if (usesOf(words[at + Word.Flags]!) >= USES_TO_STAY) {
      words[at + Word.Flags]! &= ~(Flag.Uses * MOST_USES);
      this.#requeue(record, Flag.Main);
      return false;
    }
    this.#ghosts.add(words[at + Word.Hash + 1]!, words[at + Word.Hash + 2]!, words[at + Word.Units]!);
    return true;
  }

  #leavesMain(record: number): boolean {
    const at = this.#memory.wordOf(record);
    if (usesOf(this.#words[at + Word.Flags]!) === 0) return true;
    this.#words[at + Word.Flags]! -= Flag.Uses;
    this.#requeue(record, Flag.Main);
    return false;
  }

  #requeue(record: number, to: number): void {
    this.remove(record);
    this.#add(record, to);
  }

  #add(record: number, flag: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    const queue = queueOf(flag);
    const newest = words[queue + Queue.Newest]!;
    words[at + Word.Flags]! |= flag;
    words[at + Word.Newer] = 0;
    words[at + Word.Older] = newest;
    if (newest === 0) words[queue + Queue.Oldest] = record + 1;
    else words[this.#memory.wordOf(newest - 1) + Word.Newer] = record + 1;
    words[queue + Queue.Newest] = record + 1;
    words[queue + Queue.Units]! += words[at + Word.Units]!;
  }
}

function queueOf(flags: number): number {
  return (flags & Flag.Small) !== 0 ? Header.SmallQueue : Header.MainQueue;
}

function usesOf(flags: number): number {
  return Math.floor(flags / Flag.Uses) & MOST_USES;
}
