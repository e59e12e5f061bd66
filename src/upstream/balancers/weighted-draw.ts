import type { Random } from "../../base/random.ts";

/** Draws for a second place before any other one will do. */
const MOST_DRAWS = 4;

/**
 * Draws places by chance, each as often as its share says, in constant time: every column holds one share's worth, by up to two
 * places, the second one filling what the first leaves (the alias method, in M. D. Vose's form).
 *
 *     ┌───┬───┬───┬───┐
 *     │ b │   │ b │ b │   second
 *     │   │   ├───┤   │
 *     ├───┤ b │   ├───┤   level
 *     │ a │   │ c │ d │   first
 *     └───┴───┴───┴───┘
 */
export class WeightedDraw {
  /** The places that have a share. */
  #first = new Uint16Array(0);
  #second = new Uint16Array(0);
  #level = new Float64Array(0);
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  update(shares: readonly number[]): void {
    this.#first = Uint16Array.from([...shares.keys()].filter((place) => shares[place]! > 0));
    this.#second = this.#first.slice();
    const sum = shares.reduce((total, share) => total + share, 0);
    this.#level = Float64Array.from(this.#first, (place) => (shares[place]! * this.#first.length) / sum);
    this.#fillColumns();
  }

  get size(): number {
    return this.#first.length;
  }

  /** @returns a place; `size` must not be 0 */
  draw(): number {
    const drawn = this.#random.next() * this.#first.length;
    const column = Math.floor(drawn);
    return drawn - column < this.#level[column]! ? this.#first[column]! : this.#second[column]!;
  }

  /** A place that isn't `place`, unless there is no other. When nearly all shares are that one's, the others get equal chances. */
  drawOther(place: number): number {
    for (let draws = 0; draws < MOST_DRAWS; draws++) {
      const other = this.draw();
      if (other !== place) return other;
    }
    const last = this.#first.length - 1;
    const other = this.#first[Math.floor(this.#random.next() * last)]!;
    return other === place ? this.#first[last]! : other;
  }

  /** Columns with too little are filled up by those with too much, until none has. */
  #fillColumns(): void {
    const level = this.#level;
    const columns = [...level.keys()];
    const poor = columns.filter((column) => level[column]! < 1);
    const rich = columns.filter((column) => level[column]! >= 1);
    while (poor.length > 0 && rich.length > 0) {
      const taker = poor.pop()!;
      const giver = rich.at(-1)!;
      this.#second[taker] = this.#first[giver]!;
      level[giver]! -= 1 - level[taker]!;
      if (level[giver]! < 1) poor.push(rich.pop()!);
    }
    // What is left is full but for rounding.
    for (const column of poor) level[column] = 1;
  }
}
