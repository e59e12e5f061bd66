import { MetaView } from "../../cache/meta-view.ts";
import { type CacheEntry, EntryState } from "../../cache/store.ts";

const view = new MetaView();

/**
 * Whether an entry that is found can be read to its end, for all that is known by now. What is being written and nobody knows the length of may turn out too
 * large for the store, which would cut off who reads it: it is waited for.
 */
export function isWhole({ state, meta }: Pick<CacheEntry, "state" | "meta">): boolean {
  if (state === EntryState.Failed) return false;
  return state === EntryState.Complete || view.of(meta).bodyLength >= 0;
}

/** Whether nothing has come yet of a body that is there to come. */
export function hasOnlyBegun(entry: CacheEntry): boolean {
  return entry.state === EntryState.Writing && entry.length === 0 && view.of(entry.meta).bodyLength > 0;
}
