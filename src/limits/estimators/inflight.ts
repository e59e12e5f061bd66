import { Estimator, type EstimatorOptions } from "./estimator.ts";

/** Something that is under way. Ends with its scope where it is declared by `using`. */
export class InflightGuard implements Disposable {
  /** What of the key is under way, this included; or a few more. */
  readonly count: number;
  readonly #estimator: Estimator;
  readonly #key: string;
  #events: number;

  /** @internal */
  constructor(estimator: Estimator, key: string, events: number) {
    this.#estimator = estimator;
    this.#key = key;
    this.#events = events;
    this.count = estimator.add(key, events);
  }

  /** It is over. Again: nothing happens. */
  release(): void {
    if (this.#events !== 0) this.#estimator.add(this.#key, -this.#events);
    this.#events = 0;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Estimates how much is under way, for any number of keys in a table of fixed size. It may take a key for a busier one, never for
 * a less busy one.
 */
export class Inflight {
  readonly #estimator: Estimator;

  /** @throws RangeError as `Estimator` does */
  constructor(options: EstimatorOptions = {}) {
    this.#estimator = new Estimator(options);
  }

  /** Something begins; the guard is to be released when it ends. */
  begin(key: string, events: number = 1): InflightGuard {
    return new InflightGuard(this.#estimator, key, events);
  }

  /** What of a key is under way, or a few more. */
  get(key: string): number {
    return this.#estimator.get(key);
  }
}
