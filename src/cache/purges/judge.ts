import { MetaFlag } from "../meta.ts";
import { At } from "../meta-layout.ts";
import type { MetaView } from "../meta-view.ts";
import { PurgeVerdict } from "./purge.ts";
import type { PurgeList } from "./purge-list.ts";

/**
 * Judges a stored response by the purges since its server was asked, and notes in its meta what has become of it and by which
 * generation that is known, so that the next one to find it needn't ask. It is written where it stands: another thread sees it before or
 * after, and would write the same. A store that only lent a copy keeps what it has, and the response is judged again.
 * @returns false when it is as good as removed
 */
export function isStillThere(purges: PurgeList, entry: MetaView): boolean {
  // First: what is purged while this goes on is for the next one to see.
  const { generation } = purges;
  if (entry.generation === generation) return true;
  const verdict = purges.verdict(entry.generation, entry.key, entry.tags);
  if (verdict === PurgeVerdict.Gone) return false;
  const { bytes } = entry;
  // What has to be asked about is asked about in any case; what is stale may be served stale.
  if (verdict !== PurgeVerdict.Kept) {
    const flag = verdict === PurgeVerdict.Stale ? MetaFlag.Purged : MetaFlag.NoCache;
    bytes.writeUInt32LE(entry.flags | flag, At.Flags);
  }
  bytes.writeUInt32LE(generation, At.Generation);
  return true;
}
