import { NUMBER_STRIDE, SlotWord, type TopMemory, WORD_STRIDE } from "./top-memory.ts";

/**
 * Which of the keys that come again and again came most often, with memory for a few of them: the algorithm "Space-Saving"
 * (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in data streams"). A key
 * that isn't known takes the slot of the one met least often and inherits its count:
 *
 *     a 90 · b 41 · c 7      d comes ──▶      a 90 · b 41 · d 8, of which at most 7 were others'
 *
 * So no count is too low, each says by how much it may be too high, and that is never more than all that came divided by the
 * slots: whoever came more often than that is in the list.
 *
 * Who has the least is found by a heap of what the counts were when it was last looked at: they only grow, so that the least of
 * these is the least of all unless it has grown since. Counting a key that is known moves nothing.
 */
export class SpaceSaving {
  /** True when the slot that was entered last is the key's only now: what else is noted of it is another's. */
  isFresh = false;
  readonly slots: number;
  used = 0;
  /** How often a slot's key was met stands at `numbersAt + slot * NUMBER_STRIDE`, and behind it how much may be another's. */
  readonly #numbers: Float64Array;
  readonly #numbersAt: number;
  /** By slot: the hash of its key, and who else has the same remainder. */
  readonly #words: Int32Array;
  readonly #wordsAt: number;
  /** By remainder: the first slot; -1 for none. */
  readonly #first: Int32Array;
  readonly #mask: number;
  /** Slots by what is known of their counts, the least first. */
  readonly #heap: Int32Array;
  /** By slot: its count as the heap knows it. */
  readonly #known: Float64Array;

  constructor({ slots, numbers, numbersAt, words, wordsAt }: TopMemory) {
    this.slots = slots;
    this.#numbers = numbers;
    this.#numbersAt = numbersAt;
    this.#words = words;
    this.#wordsAt = wordsAt;
    const remainders = 2 ** Math.ceil(Math.log2(slots * 2));
    this.#first = new Int32Array(remainders).fill(-1);
    this.#mask = remainders - 1;
    this.#heap = new Int32Array(slots);
    this.#known = new Float64Array(slots);
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
    const at = this.#wordsOf(slot);
    const remainder = low & this.#mask;
    this.#words[at + SlotWord.low] = low;
    this.#words[at + SlotWord.high] = high;
    this.#words[at + SlotWord.next] = this.#first[remainder]!;
    this.#first[remainder] = slot;
    return slot;
  }

  /** Counts the key of a slot once more. */
  again(slot: number): void {
    this.#numbers[this.#countOf(slot)]! += 1;
  }

  #find(low: number, high: number): number {
    const words = this.#words;
    let slot = this.#first[low & this.#mask]!;
    while (slot !== -1) {
      const at = this.#wordsOf(slot);
      if (words[at + SlotWord.low] === low && words[at + SlotWord.high] === high) return slot;
      slot = words[at + SlotWord.next]!;
    }
    return -1;
  }

  /** A slot that was nobody's. There is no heap to keep yet: until all are taken, nobody asks who has the least. */
  #take(): number {
    const slot = this.used++;
    const at = this.#countOf(slot);
    this.#numbers[at] = 1;
    this.#numbers[at + 1] = 0;
    this.#known[slot] = 1;
    this.#heap[slot] = slot;
    return slot;
  }

  /** The slot of the key that was met least often. */
  #seize(): number {
    const slot = this.#least();
    this.#unlink(slot);
    const at = this.#countOf(slot);
    this.#numbers[at + 1] = this.#numbers[at]!;
    this.#numbers[at]! += 1;
    this.#sink();
    return slot;
  }

  #least(): number {
    for (;;) {
      const slot = this.#heap[0]!;
      if (this.#numbers[this.#countOf(slot)] === this.#known[slot]) return slot;
      this.#sink();
    }
  }

  #unlink(slot: number): void {
    const words = this.#words;
    const nextOf = (other: number): number => this.#wordsOf(other) + SlotWord.next;
    const after = words[nextOf(slot)]!;
    const remainder = words[this.#wordsOf(slot) + SlotWord.low]! & this.#mask;
    let other = this.#first[remainder]!;
    if (other === slot) {
      this.#first[remainder] = after;
      return;
    }
    while (words[nextOf(other)] !== slot) other = words[nextOf(other)]!;
    words[nextOf(other)] = after;
  }

  /** Where a slot's count stands. */
  #countOf(slot: number): number {
    return this.#numbersAt + slot * NUMBER_STRIDE;
  }

  #wordsOf(slot: number): number {
    return this.#wordsAt + slot * WORD_STRIDE;
  }

  /** Takes the count of the slot on top as it is now, and puts it where it belongs. */
  #sink(): void {
    const { slots } = this;
    const heap = this.#heap;
    const known = this.#known;
    const slot = heap[0]!;
    const count = this.#numbers[this.#countOf(slot)]!;
    known[slot] = count;
    let place = 0;
    for (let below = 1; below < slots; below = 2 * place + 1) {
      if (below + 1 < slots && known[heap[below + 1]!]! < known[heap[below]!]!) below++;
      const child = heap[below]!;
      if (known[child]! >= count) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = slot;
  }
}
