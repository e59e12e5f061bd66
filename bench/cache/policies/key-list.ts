const NOWHERE = -2;
const END = -1;

/** The `prev` and `next` of all lists of a policy: a key is in one of them at most. */
export class KeyLinks {
  readonly prev: Int32Array;
  readonly next: Int32Array;

  constructor(keys: number) {
    this.prev = new Int32Array(keys).fill(NOWHERE);
    this.next = new Int32Array(keys).fill(NOWHERE);
  }
}

/** Keys in an order, newest first. */
export class KeyList {
  length = 0;
  newest: number = END;
  oldest: number = END;
  readonly #links: KeyLinks;

  constructor(links: KeyLinks) {
    this.#links = links;
  }

  add(key: number): void {
    const { prev, next } = this.#links;
    prev[key] = END;
    next[key] = this.newest;
    if (this.newest === END) this.oldest = key;
    else prev[this.newest] = key;
    this.newest = key;
    this.length++;
  }

  remove(key: number): void {
    const { prev, next } = this.#links;
    const before = prev[key]!;
    const after = next[key]!;
    if (before === END) this.newest = after;
    else next[before] = after;
    if (after === END) this.oldest = before;
    else prev[after] = before;
    prev[key] = NOWHERE;
    this.length--;
  }

  /** @returns -1 when there is none */
  takeOldest(): number {
    const key = this.oldest;
    if (key !== END) this.remove(key);
    return key;
  }

  toNewest(key: number): void {
    this.remove(key);
    this.add(key);
  }

  newerThan(key: number): number {
    return this.#links.prev[key]!;
  }
}
