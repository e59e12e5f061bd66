import { constants } from "node:fs";
import { type CacheEntry, EntryState } from "../../store.ts";
import type { DiskWriter } from "./disk-writer.ts";
import type { FileCalls } from "./file-calls.ts";
import { encodeMetaPlace, type FileHead, metaPlaceOf, newestMeta } from "./file-format.ts";

/** Writes other meta into a file, where the older one of two stands: it must fit there. */
export async function rewriteMeta(
  calls: FileCalls,
  path: string,
  head: FileHead,
  meta: Buffer,
): Promise<void> {
  const descriptor = await calls.open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const places = Buffer.allocUnsafe(head.bodyAt - head.metaAt);
    await calls.readAt(descriptor, places, 0, places.length, head.metaAt);
    const number = newestMeta(places, head.metaCapacity).metaNumber + 1;
    await calls.writeAt(descriptor, [encodeMetaPlace(meta, number)], metaPlaceOf(head, number));
  } finally {
    await calls.close(descriptor);
  }
}

/** Gives a writer the body of an entry that is complete. @param drained resolves when the writer takes more */
export async function copyBody(
  from: CacheEntry,
  to: DiskWriter,
  drained: () => Promise<void>,
): Promise<void> {
  for (let at = 0; at < from.length; ) {
    const piece = await from.read(at, from.length);
    if (piece === null || to.file.state === EntryState.Failed) return to.abort();
    at += piece.end - piece.start;
    if (!to.write(piece.bytes, piece.start, piece.end)) await drained();
  }
  to.finish();
}
