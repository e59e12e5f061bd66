import { FieldId, fieldIdOf, HOP_BY_HOP } from "../http/field-names.ts";
import type { RequestHead } from "../http/heads.ts";
import type { RequestAdditions } from "../http/streams.ts";

/** What each field counts besides its name and value (RFC 9113 §6.5.2). */
const FIELD_OVERHEAD = 32;
/** The four pseudo-header fields of a request without their values, and the longest scheme and protocol. */
const PSEUDO_FIELDS: number =
  4 * FIELD_OVERHEAD + ":method:scheme:authority:path".length + "httpswebsocket".length;

/**
 * Whether a request's header list is larger than the server takes. It would be refused there, or cost the connection; as it is,
 * whoever asked gets an answer (RFC 9113 §10.5.1).
 * @param room bytes that the head takes at most when it is encoded: it is only looked at field by field when it could be too much
 */
export function isOverList(
  limit: number,
  room: number,
  head: RequestHead,
  additions: RequestAdditions,
): boolean {
  const { source, touchedHeaders } = head;
  const fields = source.table().count + (touchedHeaders?.added?.length ?? 0) + additions.lines.length / 4;
  return room + fields * FIELD_OVERHEAD + PSEUDO_FIELDS > limit && listSize(head, additions) > limit;
}

/** Bytes of a request's header list as it is sent, by the RFC's count. */
function listSize(head: RequestHead, { lines, dropped }: RequestAdditions): number {
  let size = PSEUDO_FIELDS + head.method.length + head.target.length;
  for (const [name, value] of head.headers) {
    const id = fieldIdOf(name.toLowerCase());
    if (id === FieldId.Host) size += value.length;
    else if (HOP_BY_HOP[id] === 0 && ((dropped >>> id) & 1) === 0) size += fieldSize(name, value);
  }
  for (const line of lines.split("\r\n")) if (line !== "") size += line.length - 2 + FIELD_OVERHEAD;
  return size;
}

function fieldSize(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD;
}
