/** A source of random numbers that can be another one in tests, and the same one again with the same seed. */
export interface Random {
  /** From 0 up to but not including 1. */
  next(): number;
}

/**
 * A generator from a text: the same text gives the same numbers. Parts that must not disturb each other (connections,
 * directions, faults) take one each, seeded by the run's seed and their own name: then it doesn't matter in which order
 * they come to draw.
 */
export function seededRandom(seed: string): Random {
  return new SmallFastCounter(seed);
}

/** A seed for a run that wasn't given one. */
export function freshSeed(): string {
  return Math.floor(Math.random() * 2 ** 48).toString(36);
}

/** Rounds that mix the seed in before the first number is taken. */
const WARM_UP = 12;

/** Chris Doty-Humphrey's sfc32: 128 bits of state, passes PractRand, a few nanoseconds a number. */
class SmallFastCounter implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#a = hash(seed, 0x9e3779b9);
    this.#b = hash(seed, 0x243f6a88);
    this.#c = hash(seed, 0xb7e15162);
    for (let i = 0; i < WARM_UP; i++) this.next();
  }

  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }
}

/** FNV-1a over the characters, from a basis of its own. */
function hash(text: string, basis: number): number {
  let value = basis;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}
