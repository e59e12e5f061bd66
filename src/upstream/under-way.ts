import { type GroupMemory, GroupWord, Kept, ServerWord } from "./group-memory.ts";
import type { CircuitLimits, GroupSettings } from "./group-settings.ts";

/** A word that says how much is under way, over all threads, and how much may be. */
export class Gauge {
  readonly most: number;
  readonly #memory: GroupMemory;
  readonly #place: number;

  constructor(memory: GroupMemory, place: number, most: number) {
    this.most = most === 0 ? Number.POSITIVE_INFINITY : most;
    this.#memory = memory;
    this.#place = place;
  }

  /** How much more there may be. */
  get room(): number {
    return this.most - this.#memory.at(this.#place);
  }

  /** Counts one more, unless that were too much. */
  enter(): boolean {
    if (this.most !== Number.POSITIVE_INFINITY) return this.#memory.addUpTo(this.#place, this.most);
    this.#memory.addAt(this.#place, 1);
    return true;
  }

  leave(): void {
    this.#memory.addAt(this.#place, -1);
  }
}

/** The words of a group's memory that something in these settings depends on. */
export function keptWords({ limits, serverLimits, retryBudget }: GroupSettings): number {
  return (
    (limits.requests > 0 || retryBudget !== null ? Kept.Requests : 0) |
    (limits.connections > 0 ? Kept.Connections : 0) |
    (serverLimits.requests > 0 ? Kept.ServerRequests : 0) |
    (serverLimits.connections > 0 ? Kept.ServerConnections : 0)
  );
}

interface Word {
  readonly flag: number;
  readonly place: number;
}

/** What counts the requests of the whole group; none where nobody asks. */
export function groupGauges(memory: GroupMemory, settings: GroupSettings): Gauge[] {
  const { limits } = settings;
  return gauges(memory, keptWords(settings), limits, {
    requests: { flag: Kept.Requests, place: GroupWord.Requests },
    connections: { flag: Kept.Connections, place: GroupWord.Connections },
  });
}

/** The same of one server. */
export function serverGauges(memory: GroupMemory, settings: GroupSettings, slot: number): Gauge[] {
  return gauges(memory, keptWords(settings), settings.serverLimits, {
    requests: { flag: Kept.ServerRequests, place: memory.placeOf(slot, ServerWord.Requests) },
    connections: { flag: Kept.ServerConnections, place: memory.placeOf(slot, ServerWord.Connections) },
  });
}

function gauges(
  memory: GroupMemory,
  kept: number,
  { requests, connections }: CircuitLimits,
  words: { readonly requests: Word; readonly connections: Word },
): Gauge[] {
  const all = [
    { ...words.requests, most: requests },
    { ...words.connections, most: connections },
  ];
  return all
    .filter(({ flag }) => (kept & flag) !== 0)
    .map(({ place, most }) => new Gauge(memory, place, most));
}

/** How many more requests fit under all of them. */
export function roomIn(gauges: readonly Gauge[]): number {
  let room = Number.POSITIVE_INFINITY;
  for (let i = 0; i < gauges.length; i++) room = Math.min(room, gauges[i]!.room);
  return room;
}

/** Counts a request in all of them, or in none. */
export function enterAll(gauges: readonly Gauge[]): boolean {
  for (let i = 0; i < gauges.length; i++) {
    if (gauges[i]!.enter()) continue;
    while (--i >= 0) gauges[i]!.leave();
    return false;
  }
  return true;
}

export function leaveAll(gauges: readonly Gauge[]): void {
  for (let i = 0; i < gauges.length; i++) gauges[i]!.leave();
}
