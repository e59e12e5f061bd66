import { KeyLinks, KeyList } from "./key-list.ts";
import type { Policy } from "./policy.ts";

const Place = { None: 0, Recent: 1, Frequent: 2, RecentGhost: 3, FrequentGhost: 4 } as const;

/** N. Megiddo, D. Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003, figure 4. */
export class Arc implements Policy {
  readonly #size: number;
  readonly #places: Uint8Array;
  /** T1, T2, B1 and B2 of the paper, by `Place`. */
  readonly #lists: readonly KeyList[];
  /** How many keys should be among the recent ones. */
  #target = 0;

  constructor(size: number, keys: number) {
    this.#size = size;
    this.#places = new Uint8Array(keys);
    const links = new KeyLinks(keys);
    this.#lists = Array.from({ length: 5 }, () => new KeyList(links));
  }

  ask(key: number): boolean {
    const place = this.#places[key]!;
    if (place === Place.Recent || place === Place.Frequent) {
      this.#move(key, Place.Frequent);
      return true;
    }
    if (place === Place.None) this.#makeRoom();
    else this.#adapt(place);
    this.#move(key, place === Place.None ? Place.Recent : Place.Frequent);
    return false;
  }

  #length(place: number): number {
    return this.#lists[place]!.length;
  }

  #move(key: number, to: number): void {
    const from = this.#places[key]!;
    if (from !== Place.None) this.#lists[from]!.remove(key);
    this.#places[key] = to;
    if (to !== Place.None) this.#lists[to]!.add(key);
  }

  #adapt(ghost: number): void {
    const recent = this.#length(Place.RecentGhost);
    const frequent = this.#length(Place.FrequentGhost);
    if (ghost === Place.RecentGhost)
      this.#target = Math.min(this.#size, this.#target + Math.max(frequent / recent, 1));
    else this.#target = Math.max(0, this.#target - Math.max(recent / frequent, 1));
    this.#replace(ghost === Place.FrequentGhost);
  }

  #makeRoom(): void {
    const recent = this.#length(Place.Recent) + this.#length(Place.RecentGhost);
    const all = recent + this.#length(Place.Frequent) + this.#length(Place.FrequentGhost);
    if (recent === this.#size) {
      const isFull = this.#length(Place.Recent) === this.#size;
      this.#move(this.#lists[isFull ? Place.Recent : Place.RecentGhost]!.oldest, Place.None);
      if (!isFull) this.#replace(false);
    } else if (all >= this.#size) {
      if (all === 2 * this.#size) this.#move(this.#lists[Place.FrequentGhost]!.oldest, Place.None);
      this.#replace(false);
    }
  }

  #replace(isFrequentGhost: boolean): void {
    const recent = this.#length(Place.Recent);
    const isOver = recent > this.#target || (isFrequentGhost && recent === this.#target);
    if (recent > 0 && (isOver || this.#length(Place.Frequent) === 0))
      this.#move(this.#lists[Place.Recent]!.oldest, Place.RecentGhost);
    else this.#move(this.#lists[Place.Frequent]!.oldest, Place.FrequentGhost);
  }
}
