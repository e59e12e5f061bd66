import { SlotWord, WORD_STRIDE } from "./top-memory.ts";

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
  /** By slot: how often it was met, and behind that how much of it may be another's. */
  readonly #counts: Float64Array;
  readonly #stride: number;
  /** By slot: the hash of its key, who else has the same remainder, and its place in the heap. */
  readonly #words: Int32Array;
  /** By remainder: the first slot; -1 for none. */
  readonly #first: Int32Array;
  readonly #mask: number;
  /** Slots, the least count first. */
  readonly #heap: Int32Array;

  /**
   * @param counts where the two numbers of a slot begin at `slot * stride`
   * @param words where those of a slot begin at `slot * WORD_STRIDE`
   */
  constructor(slots: number, counts: Float64Array, stride: number, words: Int32Array) {
    this.slots = slots;
    this.#counts = counts;
    this.#stride = stride;
    this.#words = words;
    const remainders = 2 ** Math.ceil(Math.log2(slots * 2));
    this.#first = new Int32Array(remainders).fill(-1);
    this.#mask = remainders - 1;
    this.#heap = new Int32Array(slots);
  }

  /** Counts a key, known by the 64 bits of its hash. @returns its slot */
  enter(low: number, high: number): number {
    const known = this.#find(low, high);
    this.isFresh = known === -1;
    if (known !== -1) {
      this.again(known);
      return known;
    }
    const slot = this.used < this.slots ? this.#take() : this.#seize();
    const at = slot * WORD_STRIDE;
    const remainder = low & this.#mask;
    this.#words[at + SlotWord.low] = low;
    this.#words[at + SlotWord.high] = high;
    this.#words[at + SlotWord.next] = this.#first[remainder]!;
    this.#first[remainder] = slot;
    return slot;
  }

  /** Counts the key of a slot once more. */
  again(slot: number): void {
    this.#counts[slot * this.#stride]! += 1;
    this.#sink(this.#words[slot * WORD_STRIDE + SlotWord.place]!, slot);
  }

  #find(low: number, high: number): number {
    const words = this.#words;
    let slot = this.#first[low & this.#mask]!;
    while (slot !== -1) {
      const at = slot * WORD_STRIDE;
      if (words[at + SlotWord.low] === low && words[at + SlotWord.high] === high) return slot;
      slot = words[at + SlotWord.next]!;
    }
    return -1;
  }

  /** A slot that was nobody's. */
  #take(): number {
    const slot = this.used++;
    this.#counts[slot * this.#stride] = 1;
    this.#counts[slot * this.#stride + 1] = 0;
    this.#rise(slot, slot);
    return slot;
  }

  /** The slot of the key that was met least often. */
  #seize(): number {
    const slot = this.#heap[0]!;
    this.#unlink(slot);
    const at = slot * this.#stride;
    this.#counts[at + 1] = this.#counts[at]!;
    this.#counts[at]! += 1;
    this.#sink(0, slot);
    return slot;
  }

  #unlink(slot: number): void {
    const words = this.#words;
    const after = words[slot * WORD_STRIDE + SlotWord.next]!;
    const remainder = words[slot * WORD_STRIDE + SlotWord.low]! & this.#mask;
    let other = this.#first[remainder]!;
    if (other === slot) {
      this.#first[remainder] = after;
      return;
    }
    while (words[other * WORD_STRIDE + SlotWord.next] !== slot) {
      other = words[other * WORD_STRIDE + SlotWord.next]!;
    }
    words[other * WORD_STRIDE + SlotWord.next] = after;
  }

  #countOf(slot: number): number {
    return this.#counts[slot * this.#stride]!;
  }

  #put(place: number, slot: number): void {
    this.#heap[place] = slot;
    this.#words[slot * WORD_STRIDE + SlotWord.place] = place;
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
