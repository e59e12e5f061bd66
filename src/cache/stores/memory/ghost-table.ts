import { Header, type StoreMemory } from "./store-memory.ts";

const WAYS = 4;
const WAY_WORDS = 2;
/** Units of 64 bytes that count as one, so that the sum takes long to wrap. */
const COARSE = 4;

/**
 * Keys that went from the small queue without having been used, as long as less has followed them than fits into the whole
 * store. A key has four places by its hash, of which it takes the oldest; 30 bits of the hash tell it from others, so that now
 * and then a key is taken for one that was there.
 */
export class GhostTable {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #span: number;

  constructor(memory: StoreMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#mask = memory.ghosts / WAYS - 1;
    this.#span = (memory.pages * memory.pageUnits) / COARSE;
  }

  /** @param place any word of the key's hash  @param mark another one */
  add(place: number, mark: number, units: number): void {
    const words = this.#words;
    const now = (words[Header.Ghosted]! + Math.ceil(units / COARSE)) | 0;
    words[Header.Ghosted] = now;
    const set = this.#setOf(place);
    let oldest = set;
    for (let at = set; at < set + WAYS * WAY_WORDS; at += WAY_WORDS) {
      if (words[at] === 0) {
        oldest = at;
        break;
      }
      if (((now - words[at + 1]!) | 0) > ((now - words[oldest + 1]!) | 0)) oldest = at;
    }
    words[oldest] = mark | 1;
    words[oldest + 1] = now;
  }

  /** Whether it was there; it isn't any more. */
  take(place: number, mark: number): boolean {
    const words = this.#words;
    const set = this.#setOf(place);
    for (let at = set; at < set + WAYS * WAY_WORDS; at += WAY_WORDS) {
      if (words[at] !== (mark | 1)) continue;
      words[at] = 0;
      return ((words[Header.Ghosted]! - words[at + 1]!) | 0) <= this.#span;
    }
    return false;
  }

  #setOf(place: number): number {
    return this.#memory.at.ghosts + (place & this.#mask) * WAYS * WAY_WORDS;
  }
}
