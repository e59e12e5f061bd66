/**
 * How a process ends. `stop`: now. `drain`: what is under way may finish. `handover`: as well, but another process has
 * taken our place, so that there is nobody to be told and nothing to wait for first.
 */
export type HowToEnd = "stop" | "drain" | "handover";

/**
 * The end of the process, for whoever may want it: signals, an upgrade that went well. Whatever signal comes second says that
 * nobody wants to wait any longer.
 */
export class Ending {
  /** Kept as soon as an end is wanted. */
  readonly wanted: Promise<HowToEnd>;
  /** Kept when it is to be now, after all. */
  readonly hurried: Promise<void>;
  readonly #wanted = Promise.withResolvers<HowToEnd>();
  readonly #hurried = Promise.withResolvers<void>();
  #isWanted = false;

  constructor() {
    this.wanted = this.#wanted.promise;
    this.hurried = this.#hurried.promise;
  }

  want(how: HowToEnd): void {
    // A successor that was on its way when the end began is nobody's impatience.
    if (this.#isWanted && how !== "handover") this.#hurried.resolve();
    this.#isWanted = true;
    this.#wanted.resolve(how);
  }
}
