import { KeyLinks, KeyList } from "./key-list.ts";
import type { Policy } from "./policy.ts";

const ROWS = 4;
const MOST = 15;
const MULTIPLIERS = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;

/** How often keys were asked for lately, about: a count-min sketch that halves all counts now and then. */
export class Sketch {
  readonly #counts: Uint8Array;
  readonly #shift: number;
  readonly #period: number;
  #noted = 0;

  constructor(size: number) {
    const bits = Math.max(4, Math.ceil(Math.log2(size * 4)));
    this.#shift = 32 - bits;
    this.#counts = new Uint8Array(ROWS * 2 ** bits);
    this.#period = 10 * size;
  }

  note(key: number): void {
    const least = this.of(key);
    if (least < MOST)
      for (let row = 0; row < ROWS; row++) {
        const at = this.#at(key, row);
        if (this.#counts[at] === least) this.#counts[at]!++;
      }
    if (++this.#noted < this.#period) return;
    this.#noted = this.#period >> 1;
    for (let at = 0; at < this.#counts.length; at++) this.#counts[at]! >>= 1;
  }

  of(key: number): number {
    let least = MOST;
    for (let row = 0; row < ROWS; row++) least = Math.min(least, this.#counts[this.#at(key, row)]!);
    return least;
  }

  #at(key: number, row: number): number {
    const mixed = Math.imul(key + 1, MULTIPLIERS[row]!);
    return (Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> this.#shift) * ROWS + row;
  }
}

const Place = { None: 0, Window: 1, Probation: 2, Protected: 3 } as const;
const WINDOW_SHARE = 0.01;
const PROTECTED_SHARE = 0.8;

/** G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017: W-TinyLFU, 1 % window. */
export class WTinyLfu implements Policy {
  readonly #places: Uint8Array;
  readonly #sketch: Sketch;
  readonly #window: KeyList;
  readonly #probation: KeyList;
  readonly #protected: KeyList;
  readonly #windowSize: number;
  readonly #mainSize: number;
  readonly #protectedSize: number;

  constructor(size: number, keys: number) {
    this.#windowSize = Math.max(1, Math.floor(size * WINDOW_SHARE));
    this.#mainSize = size - this.#windowSize;
    this.#protectedSize = Math.floor(this.#mainSize * PROTECTED_SHARE);
    this.#places = new Uint8Array(keys);
    this.#sketch = new Sketch(size);
    const links = new KeyLinks(keys);
    this.#window = new KeyList(links);
    this.#probation = new KeyList(links);
    this.#protected = new KeyList(links);
  }

  ask(key: number): boolean {
    this.#sketch.note(key);
    const place = this.#places[key]!;
    if (place === Place.None) {
      this.#add(key);
      return false;
    }
    if (place === Place.Window) this.#window.toNewest(key);
    else if (place === Place.Protected) this.#protected.toNewest(key);
    else this.#protect(key);
    return true;
  }

  #protect(key: number): void {
    this.#probation.remove(key);
    this.#protected.add(key);
    this.#places[key] = Place.Protected;
    if (this.#protected.length > this.#protectedSize) this.#probate(this.#protected.takeOldest());
  }

  #probate(key: number): void {
    this.#probation.add(key);
    this.#places[key] = Place.Probation;
  }

  #add(key: number): void {
    this.#window.add(key);
    this.#places[key] = Place.Window;
    if (this.#window.length <= this.#windowSize) return;
    const candidate = this.#window.takeOldest();
    if (this.#probation.length + this.#protected.length < this.#mainSize) this.#probate(candidate);
    else this.#compete(candidate);
  }

  #compete(candidate: number): void {
    const rival = this.#probation.length > 0 ? this.#probation : this.#protected;
    if (this.#sketch.of(candidate) <= this.#sketch.of(rival.oldest)) this.#places[candidate] = Place.None;
    else {
      this.#places[rival.takeOldest()] = Place.None;
      this.#probate(candidate);
    }
  }
}
