/** Policies of one queue, and S3-FIFO of three. */
import { KeyLinks, KeyList } from "./key-list.ts";
import type { Policy } from "./policy.ts";

export class Fifo implements Policy {
  protected readonly has: Uint8Array;
  protected readonly list: KeyList;
  readonly #size: number;

  constructor(size: number, keys: number) {
    this.#size = size;
    this.has = new Uint8Array(keys);
    this.list = new KeyList(new KeyLinks(keys));
  }

  ask(key: number): boolean {
    if (this.has[key] === 1) {
      this.onHit(key);
      return true;
    }
    if (this.list.length === this.#size) this.has[this.evict()] = 0;
    this.list.add(key);
    this.has[key] = 1;
    return false;
  }

  protected onHit(_key: number): void {}

  protected evict(): number {
    return this.list.takeOldest();
  }
}

export class Lru extends Fifo {
  protected override onHit(key: number): void {
    this.list.toNewest(key);
  }
}

/** Y. Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024. */
export class Sieve extends Fifo {
  readonly #visited: Uint8Array;
  #hand = -1;

  constructor(size: number, keys: number) {
    super(size, keys);
    this.#visited = new Uint8Array(keys);
  }

  protected override onHit(key: number): void {
    this.#visited[key] = 1;
  }

  protected override evict(): number {
    let key = this.#hand === -1 ? this.list.oldest : this.#hand;
    while (this.#visited[key] === 1) {
      this.#visited[key] = 0;
      const newer = this.list.newerThan(key);
      key = newer === -1 ? this.list.oldest : newer;
    }
    this.#hand = this.list.newerThan(key);
    this.list.remove(key);
    return key;
  }
}

const Place = { None: 0, Small: 1, Main: 2, Ghost: 3 } as const;
const MOST_USES = 3;
const SMALL_SHARE = 0.1;

/** J. Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023. */
export class S3Fifo implements Policy {
  readonly #places: Uint8Array;
  readonly #uses: Uint8Array;
  readonly #small: KeyList;
  readonly #main: KeyList;
  readonly #ghosts: KeyList;
  readonly #size: number;
  readonly #smallSize: number;

  constructor(size: number, keys: number) {
    this.#size = size;
    this.#smallSize = Math.max(1, Math.floor(size * SMALL_SHARE));
    this.#places = new Uint8Array(keys);
    this.#uses = new Uint8Array(keys);
    const links = new KeyLinks(keys);
    this.#small = new KeyList(links);
    this.#main = new KeyList(links);
    this.#ghosts = new KeyList(links);
  }

  ask(key: number): boolean {
    const place = this.#places[key]!;
    if (place === Place.Small || place === Place.Main) {
      this.#uses[key] = Math.min(MOST_USES, this.#uses[key]! + 1);
      return true;
    }
    while (this.#small.length + this.#main.length >= this.#size) this.#evict();
    const isGhost = this.#places[key] === Place.Ghost;
    if (isGhost) this.#ghosts.remove(key);
    this.#uses[key] = 0;
    if (isGhost) this.#toMain(key);
    else {
      this.#small.add(key);
      this.#places[key] = Place.Small;
    }
    return false;
  }

  #toMain(key: number): void {
    this.#main.add(key);
    this.#places[key] = Place.Main;
  }

  #evict(): void {
    if (this.#small.length >= this.#smallSize || this.#main.length === 0) this.#evictSmall();
    else this.#evictMain();
  }

  #evictSmall(): void {
    const key = this.#small.takeOldest();
    if (this.#uses[key]! > 1) {
      this.#uses[key] = 0;
      this.#toMain(key);
      return;
    }
    this.#ghosts.add(key);
    this.#places[key] = Place.Ghost;
    if (this.#ghosts.length > this.#size - this.#smallSize)
      this.#places[this.#ghosts.takeOldest()] = Place.None;
  }

  #evictMain(): void {
    for (;;) {
      const key = this.#main.takeOldest();
      if (this.#uses[key] === 0) {
        this.#places[key] = Place.None;
        return;
      }
      this.#uses[key]!--;
      this.#main.add(key);
    }
  }
}
