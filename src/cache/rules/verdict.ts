import { checkNumbers } from "../../base/check-numbers.ts";
import { CacheDirectives, MOST_SECONDS } from "./directives.ts";
import type { ResponseFacts } from "./response-facts.ts";

/** What a program says of how a response is stored, whatever the response says itself. Times in seconds, what isn't named stays. */
export interface StoredAs {
  /** How long it is fresh. What forbids to store it or to serve it unasked (`no-store`, `private`, `no-cache`) holds nonetheless. */
  readonly lifetime?: number;
  /** How long after that it may be served while it is fetched anew, and when the server fails; `must-revalidate` forbids both. */
  readonly staleWhileRevalidate?: number;
  readonly staleIfError?: number;
  /** By which it can be purged, in place of those in `Cache-Tag` and `Surrogate-Key`. */
  readonly tags?: readonly string[];
}

/** @throws TypeError for what is no time, and for a tag that is empty or has a space or comma in it */
export function checkStoredAs({ lifetime, staleWhileRevalidate, staleIfError, tags }: StoredAs): void {
  checkNumbers({ lifetime, staleWhileRevalidate, staleIfError });
  if (tags !== undefined && !Array.isArray(tags)) throw new TypeError("tags are no list");
  for (const tag of tags ?? [])
    if (typeof tag !== "string" || !/^[\x21-\x2b\x2d-\x7e]+$/.test(tag))
      throw new TypeError(`${JSON.stringify(tag)} is no tag`);
}

/** What a response says, as a program would have it. */
export function factsBy({ lifetime, ...stale }: StoredAs, facts: ResponseFacts): ResponseFacts {
  const directives = Object.assign(new CacheDirectives(), facts.directives);
  const { staleWhileRevalidate = directives.staleWhileRevalidate, staleIfError = directives.staleIfError } =
    stale;
  directives.staleWhileRevalidate = toSeconds(staleWhileRevalidate);
  directives.staleIfError = toSeconds(staleIfError);
  if (lifetime === undefined) return { ...facts, directives };
  // The one that counts: `s-maxage` says besides that others may have it as well (RFC 9111 §3.5).
  if (directives.sharedMaxAge >= 0) directives.sharedMaxAge = toSeconds(lifetime);
  else directives.maxAge = toSeconds(lifetime);
  return { ...facts, directives };
}

function toSeconds(seconds: number): number {
  return Math.min(Math.floor(seconds), MOST_SECONDS);
}
