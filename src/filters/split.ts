import type { Random } from "../base/random.ts";
import type { Session } from "../proxy/session.ts";
import type { SplitTarget } from "./settings.ts";

interface Target<T> {
  readonly value: T;
  /** Null: takes requests by its share only. */
  readonly matches: ((session: Session<unknown>) => boolean) | null;
  /** The sum of the shares up to and including this one, 0 to 1. */
  readonly upTo: number;
}

/** Spreads the requests of a route over several targets: those that match always, all others by their weights. */
export class Split<T> {
  readonly #targets: readonly Target<T>[];
  readonly #matching: readonly Target<T>[];
  readonly #random: Random;

  /**
   * @param toValue what a target stands for
   * @param compile makes a predicate of a match
   */
  constructor(
    targets: readonly SplitTarget[],
    toValue: (target: SplitTarget) => T,
    compile: (match: SplitTarget["match"]) => Target<T>["matches"],
    random: Random,
  ) {
    const total = targets.reduce((sum, { weight }) => sum + weight, 0);
    let sum = 0;
    this.#targets = targets.map((target) => {
      sum += target.weight;
      return { value: toValue(target), matches: compile(target.match), upTo: total === 0 ? 1 : sum / total };
    });
    this.#matching = this.#targets.filter(({ matches }) => matches !== null);
    this.#random = random;
  }

  get values(): readonly T[] {
    return this.#targets.map(({ value }) => value);
  }

  choose(session: Session<unknown>): T {
    for (const { matches, value } of this.#matching) if (matches!(session)) return value;
    const lot = this.#random.next();
    for (const { upTo, value } of this.#targets) if (lot < upTo) return value;
    return this.#targets.at(-1)!.value;
  }
}
