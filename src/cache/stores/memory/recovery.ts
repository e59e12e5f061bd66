import { EntryState } from "../../store.ts";
import type { ChunkPages } from "./chunk-pages.ts";
import type { EntryQueues } from "./entry-queues.ts";
import type { HostShares } from "./host-shares.ts";
import type { KeyIndex } from "./key-index.ts";
import { clearRow, heldBy } from "./pins.ts";
import { ChunkWord, Flag, Header, HOSTS, hostOf, type StoreMemory, Word } from "./store-memory.ts";

export interface RecoveryMeans {
  readonly memory: StoreMemory;
  readonly pages: ChunkPages;
  readonly index: KeyIndex;
  readonly queues: EntryQueues;
  readonly hosts: HostShares;
}

/**
 * Makes the structure anew, with nothing in it but what living threads hold, which they can read to its end and let go of. It
 * serves to empty a store too, for it goes by pages and not by entries. What a thread held is written down in one step, and the
 * chunks of an entry stay together from when they are linked, in front of their reader: that alone is relied upon. Under the lock.
 */
export class Recovery {
  readonly #means: RecoveryMeans;
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;

  constructor(means: RecoveryMeans) {
    this.#means = means;
    this.#memory = means.memory;
    this.#words = means.memory.words;
  }

  /** @param dead a row whose thread isn't any more; -1: none */
  rebuild(dead: number): void {
    const records = this.#heldRecords(dead);
    const words = this.#words;
    this.#means.index.clear();
    this.#means.queues.clear();
    this.#means.hosts.clear();
    words[Header.Entries] = 0;
    words[Header.Units] = 0;
    const kept = new Set<number>();
    for (const [record, pins] of records) this.#keep(record, pins, kept);
    this.#means.pages.reset(kept);
    for (const record of records.keys()) this.#weigh(record);
    if (dead !== -1) this.#failWritten(dead, records);
  }

  /** Tells of each that a row holds, and that it holds nothing more. */
  letGoOf(row: number, letGo: (held: number) => void): void {
    for (const held of heldBy(this.#memory, row).slice()) if (held !== 0) letGo(held);
    clearRow(this.#memory, row);
  }

  /** What is held, and by how many. */
  #heldRecords(dead: number): Map<number, number> {
    const records = new Map<number, number>();
    for (let row = 0; row < this.#memory.rows; row++) {
      if (row === dead) continue;
      for (const held of heldBy(this.#memory, row)) if (held !== 0) this.#note(Math.abs(held) - 1, records);
    }
    return records;
  }

  #note(record: number, records: Map<number, number>): void {
    const pins = records.get(record);
    records.set(record, (pins ?? 0) + 1);
    const heir = this.#words[this.#memory.wordOf(record) + Word.Heir]! - 1;
    if (pins === undefined && heir !== -1) this.#note(heir, records);
  }

  #keep(record: number, pins: number, kept: Set<number>): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    words[at + Word.Pins] = pins;
    words[at + Word.Flags] = (words[at + Word.Flags]! & (Flag.Wide | HOSTS)) | Flag.Removed;
    kept.add(record);
    if (words[at + Word.Heir] !== 0) return;
    let last = record + 1;
    for (
      let next = words[at + Word.Next]!;
      next !== 0;
      next = words[this.#memory.wordOf(next - 1) + ChunkWord.Next]!
    ) {
      kept.add(next - 1);
      words[this.#memory.wordOf(next - 1) + ChunkWord.Owner] = record + 1;
      words[this.#memory.wordOf(next - 1) + ChunkWord.Prev] = last;
      last = next;
    }
    words[at + Word.Last] = last;
  }

  #weigh(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    let units = this.#means.pages.unitsOf(record);
    let next = words[at + Word.Heir] === 0 ? words[at + Word.Next]! : 0;
    for (; next !== 0; next = words[this.#memory.wordOf(next - 1) + ChunkWord.Next]!)
      units += this.#means.pages.unitsOf(next - 1);
    words[at + Word.Units] = units;
    words[Header.Units]! += units;
    this.#means.hosts.count(hostOf(words[at + Word.Flags]!), units);
  }

  /** Who reads what the dead one wrote is told by its bell. */
  #failWritten(dead: number, records: ReadonlyMap<number, number>): void {
    for (const held of heldBy(this.#memory, dead)) {
      const record = -held - 1;
      if (held < 0 && records.has(record))
        Atomics.store(this.#words, this.#memory.wordOf(record) + Word.State, EntryState.Failed);
    }
    clearRow(this.#memory, dead);
  }
}
