import type { CacheKey } from "./store.ts";

/** A key that is good for longer than the call that it is given to. */
export function keptKey({ text, hash }: CacheKey): CacheKey {
  return { text, hash: hash.slice() };
}
