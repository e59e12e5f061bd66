/** What stands in a table: its number doesn't change while it does. */
interface Numbered {
  readonly id: number;
}

/** Slots of a table in which hardly anything stands. */
const FEWEST_SLOTS = 16;

/**
 * The open streams of a connection by their number: slots that are looked through from where the number points to, the
 * first that is empty ends the search (linear probing).
 *
 *     id 5 ─▶ slot 2: [ · · 5 37 · 11 · · ]       37 points to slot 2 too
 *
 * Not a Map: with streams that come and go it makes itself a new store again and again, and each that it leaves behind
 * points to its successor and still holds the streams it had. Once the garbage collector takes one of them for old, it
 * keeps all that follow, until it looks through the old ones too: that made a request up to twice as dear.
 */
export class StreamTable<S extends Numbered> {
  #slots: (S | null)[] = emptySlots(FEWEST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (id >>> 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = slots[slot]!;
      if (stream === null) return undefined;
      if (stream.id === id) return stream;
    }
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** @param stream one whose number isn't in the table yet */
  add(stream: S): void {
    // Half of it is empty, so that searches are short and end.
    if (++this.#size * 2 > this.#slots.length) this.#resize(this.#slots.length * 2);
    this.#place(stream);
  }

  delete(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = (id >>> 1) & mask;
    while (slots[gap] !== null && slots[gap]!.id !== id) gap = (gap + 1) & mask;
    if (slots[gap] === null) return;
    // Whoever was put behind it for want of room has to be found without it.
    for (let slot = (gap + 1) & mask; slots[slot] !== null; slot = (slot + 1) & mask) {
      const home = (slots[slot]!.id >>> 1) & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap] = slots[slot]!;
      gap = slot;
    }
    slots[gap] = null;
    if (--this.#size === 0 && slots.length > FEWEST_SLOTS) this.#slots = emptySlots(FEWEST_SLOTS);
  }

  /** All there are at the moment, by their numbers. */
  all(): S[] {
    return this.#slots.filter((stream) => stream !== null).sort((a, b) => a.id - b.id);
  }

  #place(stream: S): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (stream.id >>> 1) & mask;
    while (slots[slot] !== null) slot = (slot + 1) & mask;
    slots[slot] = stream;
  }

  #resize(count: number): void {
    const before = this.#slots;
    this.#slots = emptySlots(count);
    for (const stream of before) if (stream !== null) this.#place(stream);
  }
}

function emptySlots<S>(count: number): (S | null)[] {
  return new Array<S | null>(count).fill(null);
}
