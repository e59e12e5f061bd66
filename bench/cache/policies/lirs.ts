import { KeyLinks, KeyList } from "./key-list.ts";
import type { Policy } from "./policy.ts";

const State = { None: 0, Low: 1, High: 2, Ghost: 3 } as const;
const HIGH_SHARE = 0.01;

/** S. Jiang, X. Zhang, "LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy", SIGMETRICS 2002. */
export class Lirs implements Policy {
  readonly #states: Uint8Array;
  readonly #inStack: Uint8Array;
  readonly #stack: KeyList;
  /** Keys with a high distance between two uses that are in the cache. */
  readonly #queue: KeyList;
  /** Ghosts by age, so that they don't grow for ever. */
  readonly #ghosts: KeyList;
  readonly #lowSize: number;
  readonly #highSize: number;
  readonly #mostGhosts: number;
  #low = 0;

  constructor(size: number, keys: number) {
    this.#highSize = Math.max(1, Math.floor(size * HIGH_SHARE));
    this.#lowSize = size - this.#highSize;
    this.#mostGhosts = 2 * size;
    this.#states = new Uint8Array(keys);
    this.#inStack = new Uint8Array(keys);
    this.#stack = new KeyList(new KeyLinks(keys));
    const links = new KeyLinks(keys);
    this.#queue = new KeyList(links);
    this.#ghosts = new KeyList(links);
  }

  ask(key: number): boolean {
    const state = this.#states[key];
    if (state === State.Low) {
      this.#toTop(key);
      this.#prune();
      return true;
    }
    if (state === State.High) {
      this.#askHigh(key);
      return true;
    }
    this.#add(key);
    return false;
  }

  #toTop(key: number): void {
    if (this.#inStack[key] === 1) this.#stack.remove(key);
    this.#stack.add(key);
    this.#inStack[key] = 1;
  }

  #leaveStack(key: number): void {
    this.#stack.remove(key);
    this.#inStack[key] = 0;
  }

  #askHigh(key: number): void {
    const isLow = this.#inStack[key] === 1;
    this.#toTop(key);
    if (!isLow) {
      this.#queue.toNewest(key);
      return;
    }
    this.#queue.remove(key);
    this.#states[key] = State.Low;
    this.#low++;
    this.#demote();
  }

  #add(key: number): void {
    if (this.#states[key] === State.None && this.#low < this.#lowSize) {
      this.#states[key] = State.Low;
      this.#low++;
      this.#toTop(key);
      return;
    }
    if (this.#queue.length >= this.#highSize) this.#evict();
    const isGhost = this.#states[key] === State.Ghost;
    if (isGhost) this.#ghosts.remove(key);
    this.#toTop(key);
    this.#states[key] = isGhost ? State.Low : State.High;
    if (!isGhost) {
      this.#queue.add(key);
      return;
    }
    this.#low++;
    this.#demote();
  }

  #evict(): void {
    const key = this.#queue.takeOldest();
    if (this.#inStack[key] === 0) {
      this.#states[key] = State.None;
      return;
    }
    this.#states[key] = State.Ghost;
    this.#ghosts.add(key);
    if (this.#ghosts.length > this.#mostGhosts) this.#forget(this.#ghosts.oldest);
  }

  #forget(ghost: number): void {
    this.#ghosts.remove(ghost);
    this.#states[ghost] = State.None;
    this.#leaveStack(ghost);
  }

  #demote(): void {
    if (this.#low <= this.#lowSize) return;
    const key = this.#stack.oldest;
    this.#leaveStack(key);
    this.#states[key] = State.High;
    this.#low--;
    this.#queue.add(key);
    this.#prune();
  }

  #prune(): void {
    for (
      let key = this.#stack.oldest;
      key !== -1 && this.#states[key] !== State.Low;
      key = this.#stack.oldest
    ) {
      if (this.#states[key] === State.Ghost) this.#forget(key);
      else this.#leaveStack(key);
    }
  }
}
