import { dateLineFor } from "../http/date-line.ts";
import { declaresLength } from "../http/declared-length.ts";
import { fieldBit } from "../http/field-bits.ts";
import { FieldId } from "../http/field-names.ts";
import type { BodyLength, ResponseHead } from "../http/heads.ts";
import type { Malformation } from "../http/streams.ts";
import { Pseudo } from "./hpack/field-kinds.ts";
import { blockRoom, type HeaderEncoder } from "./hpack/header-encoder.ts";
import { guardedOf } from "./received-block.ts";

const CONTENT_LENGTH = fieldBit(FieldId.ContentLength);
/** For a length, a date and what a malformation adds. */
const OWN_ROOM = 128;

/** Bytes that the block of a response's head takes at most. */
export function responseRoom(head: ResponseHead): number {
  return blockRoom(head.source.table(), head.touchedHeaders, head.ownLines) + OWN_ROOM;
}

/** Encodes the head of a response, whose body is framed as `framing` says. */
export function encodeResponse(
  encoder: HeaderEncoder,
  head: ResponseHead,
  framing: BodyLength,
  malformation: Malformation | null,
): void {
  const { source, touchedHeaders: headers, status } = head;
  const keepsLength = framing === "none" ? mayDeclareAnything(status) : declaresLength(head, framing);
  const isBadLength = malformation === "length";
  if (malformation === "status-line") encoder.pseudo(Pseudo.Status, "2OO");
  else encoder.status(status === 101 ? 200 : status);
  encoder.fields(
    source.table(),
    headers,
    keepsLength && !isBadLength ? 0 : CONTENT_LENGTH,
    guardedOf(source),
  );
  if (isBadLength) encoder.field("content-length", "ten");
  // A head that ends its stream says by that how long the body is; and clients of gRPC take fields for their servers' words.
  else if (!keepsLength && typeof framing === "number" && framing > 0)
    encoder.field("content-length", String(framing));
  // Names with characters that they can't have are passed over by many; this one nobody may (RFC 9113 §8.3).
  if (malformation === "header") encoder.field(":none", "of the pseudo-header fields");
  if (head.ownLines !== "") encoder.lines(head.ownLines);
  if (status >= 200) encoder.lines(dateLineFor(head));
}

/**
 * A response to HEAD and a 304 declare the length of a body that isn't there; a 1xx and a 204 must not (RFC 9110 §8.6).
 */
function mayDeclareAnything(status: number): boolean {
  return status >= 200 && status !== 204;
}
