import { type Purge, PurgeVerdict, type PurgeVerdictCode } from "./purge.ts";
import { PurgeMarks } from "./purge-marks.ts";
import { allocatePurges, PurgeMemory, type PurgePlace, type PurgeState } from "./purge-memory.ts";
import { decodeRecords } from "./purge-records.ts";

/** Bytes that purges may take, some ten thousand of them. */
const PURGE_BYTES = 1024 * 1024;

/** Generations begin where those of the process before can't have come to, unless it had four purges a second all its life. */
const GENERATION_TIME = 250;
const FIRST_TIME = Date.UTC(2025, 0);

/**
 * Memory for the purges of all threads.
 * @param now milliseconds since 1970; whatever a store has kept from a process before is revalidated, unless its purges are adopted
 */
export function createPurges(now: number, mostBytes: number = PURGE_BYTES): SharedArrayBuffer {
  const generation = Math.max(1, Math.floor((now - FIRST_TIME) / GENERATION_TIME)) >>> 0;
  return allocatePurges(mostBytes, { generation, floor: generation, remote: 0, remoteFloor: 0 });
}

/**
 * What was purged. No store is searched for it: each purge begins a generation, entries know that of the time when their server was asked, and
 * an entry of an earlier generation than the present one is judged by the purges since, when it is found.
 */
export class PurgeList {
  readonly #memory: PurgeMemory;
  #marks = new PurgeMarks();
  #place: PurgePlace = { end: 0, rewrites: 0 };

  /**
   * @param memory of `createPurges`, for all threads
   * @param thread tells this thread from others at the lock
   */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#memory = new PurgeMemory(memory, thread);
  }

  /**
   * 32 bits. An entry that has this one needs no verdict. An entry that is stored gets the one there was **before its server was asked**: what is purged
   * meanwhile may be what it answers with.
   */
  get generation(): number {
    return this.#memory.generation;
  }

  /** Resolves when a restart won't undo the purges that there are by now; null: it wouldn't, or can't, for nothing is stored that lasts. */
  kept(): Promise<void> | null {
    return this.#memory.untilKept(this.generation);
  }

  /** The number of the last purge that came from all machines; 0: none did. */
  get remote(): number {
    return this.#memory.remote;
  }

  /** @returns the generation that it begins */
  add(purge: Purge): number {
    return this.addRemote(purge, 0);
  }

  /** One that all machines do, by its number among those. */
  addRemote({ kind, text, isSoft }: Purge, remote: number): number {
    const memory = this.#memory;
    memory.enter();
    const generation = memory.add({ kind, text, isSoft, remote });
    memory.leave();
    return generation;
  }

  /**
   * Purges are unknown: whatever is stored by now is revalidated.
   * @param remote the number of the last purge of all machines that may be among them; 0: as before
   */
  forget(remote: number = 0): void {
    const memory = this.#memory;
    memory.enter();
    memory.forget(remote);
    memory.leave();
  }

  /**
   * What the purges since its generation make of an entry.
   * @param key text of its key
   * @param tags as a meta has them: " a b ", or ""
   */
  verdict(generation: number, key: string, tags: string): PurgeVerdictCode {
    const memory = this.#memory;
    if (generation === memory.generation) return PurgeVerdict.Kept;
    const { floor, generation: last } = this.#readOn();
    const isKnown = generation >= floor && generation <= last;
    const verdict = this.#marks.verdict(generation, key, tags);
    return isKnown || verdict === PurgeVerdict.Gone ? verdict : PurgeVerdict.Revalidate;
  }

  /** The generation that an entry has here which was stored, on whichever machine, after the purge of all machines with that number; 0: nobody can say. */
  generationOf(number: number): number {
    const { remote, remoteFloor, generation } = this.#readOn();
    if (!(number > 0 && number >= remoteFloor && number <= remote)) return 0;
    return this.#marks.generationBefore(number) ?? generation;
  }

  /** The number that says the same to other machines as a generation does here; -1: none does. */
  remoteOf(generation: number): number {
    const { remoteFloor, floor, generation: last } = this.#readOn();
    if (generation < floor || generation > last) return -1;
    return this.#marks.remoteAt(generation) ?? remoteFloor;
  }

  /** Learns what other threads have added. The lock is held for a copy only. */
  #readOn(): PurgeState {
    const memory = this.#memory;
    const known = this.#place;
    memory.enter();
    const state = memory.state;
    const isBehind = state.end !== known.end || state.rewrites !== known.rewrites;
    const bytes = isBehind ? memory.since(known) : NO_BYTES;
    memory.leave();
    if (state.rewrites !== known.rewrites) this.#marks = new PurgeMarks();
    this.#place = state;
    for (const record of decodeRecords(bytes) ?? []) this.#marks.add(record);
    return state;
  }
}

const NO_BYTES = Buffer.alloc(0);
