import { declaresLength } from "../http/declared-length.ts";
import { fieldBit } from "../http/field-bits.ts";
import { FieldId, toFieldName } from "../http/field-names.ts";
import { indexOfField, valueAt } from "../http/field-table.ts";
import type { BodyLength, RequestHead } from "../http/heads.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { Pseudo } from "./hpack/field-kinds.ts";
import { blockRoom, type HeaderEncoder } from "./hpack/header-encoder.ts";
import { guardedOf } from "./received-block.ts";
import { encodeTunnel, type TunnelKind } from "./tunnel-request.ts";

const CONTENT_LENGTH = fieldBit(FieldId.ContentLength);
const HOST = fieldBit(FieldId.Host);
const TE_BIT = fieldBit(FieldId.Te);
const TE = toFieldName("te");
/** `:scheme`, and fields of our own that a block may have besides: names and values. */
const OWN_FIELDS = 64;

/** Bytes that the block of this head takes at most. */
export function requestRoom(head: RequestHead, additions: RequestAdditions): number {
  const block = blockRoom(head.source.table(), head.touchedHeaders, additions.lines);
  return block + head.method.length + head.target.length + OWN_FIELDS;
}

/** Encodes a request head for a server (RFC 9113 §8.3.1). The `Host` becomes `:authority`; an upgrade isn't asked for. */
export function encodeRequest(
  encoder: HeaderEncoder,
  scheme: "http" | "https",
  head: RequestHead,
  body: BodyLength,
  additions: RequestAdditions,
  tunnel: TunnelKind | null = null,
): void {
  if (tunnel !== null) {
    encodeTunnel(encoder, scheme, head, tunnel, additions);
    return;
  }
  const { source, touchedHeaders } = head;
  const table = source.table();
  encoder.pseudo(Pseudo.Method, head.method);
  encoder.pseudo(Pseudo.Scheme, scheme);
  encoder.hostAsAuthority(table, touchedHeaders);
  encoder.pseudo(Pseudo.Path, head.target);
  const keepsLength = declaresLength(head, body);
  const dropped = HOST | additions.dropped | (keepsLength ? 0 : CONTENT_LENGTH);
  encoder.fields(table, touchedHeaders, dropped, guardedOf(source));
  if (!keepsLength && typeof body === "number") encoder.field("content-length", String(body));
  // gRPC servers insist on it; of what a client can take, trailers are all that HTTP/2 knows (RFC 9113 §8.2.2).
  if (takesTrailers(head)) encoder.field("te", "trailers");
  encoder.lines(additions.lines);
}

function takesTrailers({ present, source, touchedHeaders }: RequestHead): boolean {
  const isTouched = touchedHeaders !== null && (touchedHeaders.touchedIds & TE_BIT) !== 0;
  if (!isTouched && (present & TE_BIT) === 0) return false;
  const table = source.table();
  const index = isTouched ? -1 : indexOfField(table, TE, 0);
  const value = index === -1 ? (touchedHeaders?.get("te") ?? "") : valueAt(table, index);
  return /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value);
}
