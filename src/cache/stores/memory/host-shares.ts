import { KeyedHash } from "../../../base/shared/keyed-hash.ts";
import { Header, type StoreMemory } from "./store-memory.ts";

const WAYS = 4;
/** A word that tells a host, and the units that it has; who has none may be forgotten. */
const SLOT_WORDS = 2;

/**
 * What of the memory belongs to which host, so that none pushes out others to have more than its share: a host that has that
 * much makes room by what is its own. As long as there is room for all it may have more, so a single host may have everything.
 *
 * A host is known by its slot, of which there is a fixed number, and its entries know that number; 0 is nobody's and counts
 * nothing. A host has four places by a hash with a secret; when all of them are others', it shares one. Under the lock.
 */
export class HostShares {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #mask: number;
  readonly #hash: KeyedHash;

  constructor({ words, at, hosts }: StoreMemory) {
    this.#words = words;
    this.#at = at.hosts;
    this.#mask = hosts / WAYS - 1;
    this.#hash = new KeyedHash(words[Header.Secret]!, words[Header.Secret + 1]!);
  }

  /** @param text of a key: of one that doesn't begin like a URL nobody knows the host */
  slotOf(text: string): number {
    if (this.#words[Header.HostUnits] === 0) return 0;
    const start = text.indexOf("://");
    const end = start === -1 ? -1 : text.indexOf("/", start + 3);
    return end === -1 ? 0 : this.#slotFor(text.slice(start + 3, end));
  }

  isOver(slot: number): boolean {
    return slot !== 0 && this.#words[this.#unitsAt(slot)]! >= this.#words[Header.HostUnits]!;
  }

  /** @param units less than 0 for what is given back */
  count(slot: number, units: number): void {
    if (slot !== 0) this.#words[this.#unitsAt(slot)]! += units;
  }

  clear(): void {
    const slots = (this.#mask + 1) * WAYS;
    for (let slot = 1; slot <= slots; slot++) this.#words[this.#unitsAt(slot)] = 0;
  }

  #slotFor(host: string): number {
    const words = this.#words;
    this.#hash.of(host);
    const { low, high } = this.#hash;
    const first = (high & this.#mask) * WAYS + 1;
    let free = 0;
    for (let slot = first; slot < first + WAYS; slot++) {
      const unitsAt = this.#unitsAt(slot);
      if (words[unitsAt] === 0) free ||= slot;
      else if (words[unitsAt - 1] === low) return slot;
    }
    if (free === 0) return first + (low & (WAYS - 1));
    words[this.#unitsAt(free) - 1] = low;
    return free;
  }

  #unitsAt(slot: number): number {
    return this.#at + slot * SLOT_WORDS - 1;
  }
}
