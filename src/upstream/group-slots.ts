import { type GroupMemory, OwnCount } from "./group-memory.ts";
import type { GroupSettings } from "./group-settings.ts";

/** Milliseconds that a thread may take to hear of a change of servers; none takes longer than some turns of its loop. */
const HEARSAY = 10_000;

/**
 * Slots for a group: twice its servers, so that quite other servers have room at once, while the places of those that they
 * come after are still to be let alone.
 */
export function slotsFor({ mostServers, servers }: GroupSettings): number {
  return 2 * Math.max(mostServers, servers.length, 1);
}

/** Servers that a group may have at once. */
export function mostServersOf({ mostServers }: GroupSettings, { slots }: GroupMemory): number {
  return mostServers === 0 ? slots : Math.min(mostServers, slots);
}

/**
 * Gives out the places in a group's memory. One that was given back is used again when nobody can count anything there for
 * the server that had it: its requests are over, no thread has it in its list, and none can still hear an old list.
 */
export class GroupSlots {
  readonly #memory: GroupMemory;
  /** Below it all have been given out once. */
  #fresh = 0;
  /** With the time that each was given back. */
  readonly #free: { readonly slot: number; readonly since: number }[] = [];

  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** A slot of which nothing is known any more; null: all are in use. In fresh memory they come in order. */
  take(now: number): number | null {
    if (this.#fresh < this.#memory.slots) return this.#fresh++;
    const place = this.#free.findIndex(({ slot, since }) => now - since >= HEARSAY && this.#isUnused(slot));
    if (place === -1) return null;
    const { slot } = this.#free.splice(place, 1)[0]!;
    this.#memory.clear(slot);
    return slot;
  }

  giveBack(slot: number, now: number): void {
    this.#free.push({ slot, since: now });
  }

  #isUnused(slot: number): boolean {
    return this.#memory.underWay(slot) === 0 && this.#memory.total(slot, OwnCount.Holds) === 0;
  }
}
