import type { RequestHead } from "../../http/heads.ts";
import { MetaFlag } from "../meta.ts";
import type { MetaView } from "../meta-view.ts";

/** What a client asks of what it has, or of a part: it is answered from what the cache gets, which is the whole. */
const OF_THE_CLIENT = ["if-none-match", "if-modified-since", "if-range", "range"] as const;

/**
 * Makes a request one for all of the response, whatever its client wanted: so it can be stored, and serve others too. The
 * client's conditions and ranges are looked at when it is answered.
 * @param head a copy that is to be sent (`RequestHead.fork`)
 */
export function askForAll(head: RequestHead): void {
  for (const name of OF_THE_CLIENT) head.headers.delete(name);
  if (head.method === "HEAD") head.method = "GET";
}

/**
 * Besides that, asks whether the stored response still holds (RFC 9111 §4.3.1): by its tag, and by its date for servers that
 * don't know tags.
 * @returns false when it has neither: then all of it is asked for
 */
export function askWhetherItHolds(head: RequestHead, entry: MetaView): boolean {
  askForAll(head);
  const { flags } = entry;
  const { headers } = head;
  const etag = (flags & MetaFlag.HasEtag) === 0 ? null : entry.etag;
  const modified = (flags & MetaFlag.HasLastModified) === 0 ? null : entry.lastModifiedText;
  if (etag !== null) headers.set("If-None-Match", etag);
  if (modified !== null) headers.set("If-Modified-Since", modified);
  return etag !== null || modified !== null;
}
