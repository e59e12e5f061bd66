import type { Random } from "../base/random.ts";

/** Tells a response, or what responses vary by, from what was there before. Never 0, which stands for none. */
export function randomEpoch(random: Random): number {
  return 1 + Math.floor(random.next() * (2 ** 32 - 1));
}
