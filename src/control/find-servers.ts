import type { Logger } from "pino";
import { within } from "../base/within.ts";

/** Milliseconds that servers are looked for before it goes on without. */
const LONGEST_SEARCH = 3_000;

/**
 * Waits until servers are looked for once: without any, the first requests would be refused. Whoever can't be asked in time is
 * asked later; what is known is used until then.
 * @param search kept when all have been asked
 */
export async function findServers(search: Promise<void>, log: Logger): Promise<void> {
  let isFound = false;
  const found = search.then(() => {
    isFound = true;
  });
  await within(LONGEST_SEARCH, found);
  if (!isFound) log.warn("Not all servers could be looked for yet: what is known is used");
}
