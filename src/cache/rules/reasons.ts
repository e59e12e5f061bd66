import type { NotStored } from "./storability.ts";

/** What a server does always, as far as one can tell; the rest may be otherwise next time. */
const LASTING: ReadonlySet<string> = new Set<NotStored>([
  "no-store",
  "private",
  "set-cookie",
  "vary",
  "not-reusable",
]);

/** What is about who asked, and not about what was asked for: whoever asks next may well get something to store. */
const OWN: ReadonlySet<string> = new Set<NotStored | "unwatched">([
  "request-no-store",
  "request-override",
  "authorization",
  "unwatched",
]);

/** Whether the next response won't be stored either. @param why a `NotStored`, or another word */
export function isLasting(why: string): boolean {
  return LASTING.has(why);
}

/** Whether it says nothing of what others get. */
export function isOwn(why: string): boolean {
  return OWN.has(why);
}
