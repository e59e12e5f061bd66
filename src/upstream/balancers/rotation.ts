import type { Gate } from "./candidates.ts";
import { toProportions } from "./proportions.ts";

/** Entries of a schedule: 8 KiB of memory, and a part of a percent of exactness at worst among a few servers. */
const MOST_ENTRIES = 4096;

/** Turns that a choice takes before it walks on by itself. */
const MOST_TURNS = 8;

/**
 * Places in turn, each as often as its share says. All threads have the same schedule and take their turns from one counter, so
 * that together they keep to it as exactly as one alone would.
 */
export class Rotation {
  #schedule = new Uint16Array(0);
  readonly #turn: () => number;

  constructor(turn: () => number) {
    this.#turn = turn;
  }

  /** By places. Those without a share have no entry, so that what they would have got is spread over all the others. */
  update(shares: readonly number[]): void {
    this.#schedule = toSchedule(toProportions(shares, MOST_ENTRIES));
  }

  /** @returns the place, -1 when there is none */
  next(): number {
    const { length } = this.#schedule;
    return length === 0 ? -1 : this.#schedule[this.#turn() % length]!;
  }

  /**
   * Who isn't admitted uses up the turn: were the next one in the schedule taken instead, it would get the turns of both for as
   * long as that lasts.
   * @returns the place, -1 when none is admitted
   */
  nextOf(gate: Gate): number {
    const schedule = this.#schedule;
    const { length } = schedule;
    if (length === 0) return -1;
    let at = 0;
    for (let turns = 0; turns < MOST_TURNS && !gate.isSpent; turns++) {
      at = this.#turn() % length;
      const place = schedule[at]!;
      if (gate.admits(place)) return place;
    }
    for (let walked = 0; walked < length && !gate.isSpent; walked++) {
      at = at + 1 === length ? 0 : at + 1;
      const place = schedule[at]!;
      if (gate.admits(place)) return place;
    }
    return -1;
  }
}

/**
 * One whole round, spread smoothly: proportions 5, 1, 1 give a a b a c a a and not a a a a a b c. In every step each place gains
 * its proportion, the richest one is taken and pays the sum.
 */
function toSchedule(proportions: readonly number[]): Uint16Array<ArrayBuffer> {
  const gains = Int32Array.from(proportions);
  const credits = new Int32Array(gains.length);
  const total = gains.reduce((sum, gain) => sum + gain, 0);
  const schedule = new Uint16Array(total);
  for (let entry = 0; entry < total; entry++) {
    let richest = -1;
    let most = 0;
    for (let place = 0; place < gains.length; place++) {
      const credit = credits[place]! + gains[place]!;
      credits[place] = credit;
      if (credit > most) {
        most = credit;
        richest = place;
      }
    }
    credits[richest]! -= total;
    schedule[entry] = richest;
  }
  return schedule;
}
