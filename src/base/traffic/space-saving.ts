/**
 * Which of the keys that come again and again came most often, with memory for a few of them: the algorithm "Space-Saving"
 * (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in data streams"). A key
 * that isn't known takes the slot of the one met least often and inherits its count:
 *
 *     a 90 · b 41 · c 7      d comes ──▶      a 90 · b 41 · d 8, of which at most 7 were others'
 *
 * So no count is too low, each says by how much it may be too high, and that is never more than all that came divided by the
 * slots: whoever came more often than that is in the list. Counts lie in a heap, the least on top.
 */
export class SpaceSaving {
  /** True when the slot that was entered last is the key's only now: what else is noted of it is another's. */
  isFresh = false;
  readonly slots: number;
  used = 0;
  /** By slot: how often it was met, and how much of that may be another's. */
  readonly #counts: Float64Array;
  readonly #errors: Float64Array;
  readonly #stride: number;
  /** By slot: the hash of its key, and who else has the same remainder. */
  readonly #highs: Int32Array;
  readonly #lows: Int32Array;
  readonly #next: Int32Array;
  /** By remainder: the first slot; -1 for none. */
  readonly #first: Int32Array;
  readonly #mask: number;
  /** Slots, the least count first, and where in it each slot is. */
  readonly #heap: Int32Array;
  readonly #places: Int32Array;

  /**
   * @param counts where counts stand: that of a slot at `slot * stride`
   * @param errors the same of how much they may be too high
   */
  constructor(slots: number, counts: Float64Array, errors: Float64Array, stride: number) {
    this.slots = slots;
    this.#counts = counts;
    this.#errors = errors;
    this.#stride = stride;
    this.#highs = new Int32Array(slots);
    this.#lows = new Int32Array(slots);
    this.#next = new Int32Array(slots);
    const remainders = 2 ** Math.ceil(Math.log2(slots * 2));
    this.#first = new Int32Array(remainders).fill(-1);
    this.#mask = remainders - 1;
    this.#heap = new Int32Array(slots);
    this.#places = new Int32Array(slots);
  }

  /** Counts a key, known by the 64 bits of its hash. @returns its slot */
  enter(low: number, high: number): number {
    const known = this.#find(low, high);
    this.isFresh = known === -1;
    if (known !== -1) {
      this.#counts[known * this.#stride]! += 1;
      this.#sink(this.#places[known]!, known);
      return known;
    }
    const slot = this.used < this.slots ? this.#take() : this.#seize();
    this.#lows[slot] = low;
    this.#highs[slot] = high;
    const remainder = low & this.#mask;
    this.#next[slot] = this.#first[remainder]!;
    this.#first[remainder] = slot;
    return slot;
  }

  #find(low: number, high: number): number {
    let slot = this.#first[low & this.#mask]!;
    while (slot !== -1 && (this.#lows[slot] !== low || this.#highs[slot] !== high)) slot = this.#next[slot]!;
    return slot;
  }

  /** A slot that was nobody's. */
  #take(): number {
    const slot = this.used++;
    this.#counts[slot * this.#stride] = 1;
    this.#errors[slot * this.#stride] = 0;
    this.#rise(slot, slot);
    return slot;
  }

  /** The slot of the key that was met least often. */
  #seize(): number {
    const slot = this.#heap[0]!;
    this.#unlink(slot);
    const at = slot * this.#stride;
    this.#errors[at] = this.#counts[at]!;
    this.#counts[at]! += 1;
    this.#sink(0, slot);
    return slot;
  }

  #unlink(slot: number): void {
    const remainder = this.#lows[slot]! & this.#mask;
    let other = this.#first[remainder]!;
    if (other === slot) {
      this.#first[remainder] = this.#next[slot]!;
      return;
    }
    while (this.#next[other] !== slot) other = this.#next[other]!;
    this.#next[other] = this.#next[slot]!;
  }

  #countOf(slot: number): number {
    return this.#counts[slot * this.#stride]!;
  }

  #put(place: number, slot: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #rise(from: number, slot: number): void {
    const count = this.#countOf(slot);
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above]!;
      if (this.#countOf(parent) <= count) break;
      this.#put(place, parent);
      place = above;
    }
    this.#put(place, slot);
  }

  #sink(from: number, slot: number): void {
    const { used } = this;
    const count = this.#countOf(slot);
    let place = from;
    for (let below = 2 * place + 1; below < used; below = 2 * place + 1) {
      if (below + 1 < used && this.#countOf(this.#heap[below + 1]!) < this.#countOf(this.#heap[below]!))
        below++;
      const child = this.#heap[below]!;
      if (this.#countOf(child) >= count) break;
      this.#put(place, child);
      place = below;
    }
    this.#put(place, slot);
  }
}
