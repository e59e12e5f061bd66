import type { CacheKey } from "../store.ts";

/** Who fetches what somebody wants to have. */
export const FillState = {
  /** The owner, and nobody waits for it: there is no room to note that. What it gets may be stored. */
  Alone: 0,
  /** The owner, for all who want the same. It has to say how that ended: `found`, `unstorable` or `failed`. */
  Mine: 1,
  /** Another one. The owner is told of what comes of it. */
  Waiting: 2,
  /** Nobody any more: look for the entry, which may still be written. If it isn't there, `again`. */
  Found: 3,
  /** The owner for itself: responses under this key can't be stored, or couldn't be lately. */
  Unstorable: 4,
  /** Nobody: it was tried as often as it may be. */
  Failed: 5,
  /** The owner for itself: it has waited for as long as it should. */
  TimedOut: 6,
  /** Nobody for this one: it is over. */
  Over: 7,
  /** Nobody any more, for what came was the owner's alone; others are told `Found`. */
  Private: 8,
} as const;
export type FillStateCode = (typeof FillState)[keyof typeof FillState];

/** Who wants something. Must not throw. */
export interface FillOwner {
  /** `fill`, which was `Waiting`, has come to `Found`, `Unstorable`, `Failed` or `TimedOut`, or is `Mine` now. */
  onFill(fill: Fill): void;
}

/** @internal what a fill tells of its end */
export interface FillKeeper {
  end(fill: Fill, state: FillStateCode, isLasting: boolean): void;
  place(fill: Fill): void;
}

/** One request's part in fetching what is under a key. */
export class Fill {
  /** @internal changes are the table's */
  state: FillStateCode = FillState.Over;
  readonly hash: Int32Array;
  /** @internal null: doesn't want to wait */
  readonly owner: FillOwner | null;
  /** @internal when it has waited for long enough, on the table's clock */
  readonly until: number;
  /** @internal its claim, while it is `Mine`; its root also while it is `Waiting` */
  slot = -1;
  /** @internal */
  ticket = 0;
  /** @internal */
  root = 0;
  /** @internal with whom it waits */
  group: { remove(fill: Fill): void } | null = null;
  /** @internal how often it has begun again */
  rounds = 0;
  readonly #keeper: FillKeeper;

  /** @internal */
  constructor(keeper: FillKeeper, key: CacheKey, owner: FillOwner | null, until: number) {
    this.#keeper = keeper;
    this.hash = Int32Array.from(key.hash);
    this.owner = owner;
    this.until = until;
  }

  /**
   * The entry can be found: it is there, or being written. A fill that isn't `Mine` says by it that its response could be stored, so that
   * requests for this key wait for one another again.
   */
  found(): void {
    this.#keeper.end(this, FillState.Found, false);
  }

  /**
   * The response can't be stored: those who wait go to the server themselves.
   * @param isLasting whether the key is remembered for a while, so that nobody waits for its next response; not where it was the store that
   * had no room
   */
  unstorable(isLasting: boolean = true): void {
    this.#keeper.end(this, FillState.Unstorable, isLasting);
  }

  /** What came is its owner's alone, which says nothing of what others would get: one of them takes over, or all who must. */
  private(): void {
    this.#keeper.end(this, FillState.Private, false);
  }

  /** Nothing came of it: one of those who wait takes over. */
  failed(): void {
    this.#keeper.end(this, FillState.Failed, false);
  }

  /** The owner is gone. Of a fill that is `Mine` it is as `failed`; who waits is told nothing more. Any number of times. */
  leave(): void {
    this.#keeper.end(this, FillState.Over, false);
  }

  /** After `Found`, when there was no entry: it is settled anew who fetches, and the time that the owner has waited counts. */
  again(): void {
    this.#keeper.place(this);
  }
}
