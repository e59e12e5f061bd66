import { FieldId, HOP_BY_HOP } from "./field-names.ts";

/** A field id as one bit of a set of them. */
export function fieldBit(id: FieldId): number {
  return 1 << id;
}

/** Never sent on: they belong to the connection that the head came on. */
export const HOP_BY_HOP_BITS: number = HOP_BY_HOP.reduce(
  (bits, isHop, id) => (isHop === 1 ? bits | (1 << id) : bits),
  0,
);

/** Besides hop-by-hop fields, what a trailer section must not hold: it would change framing or routing (RFC 9110 §6.5.1). */
export const NOT_IN_TRAILERS: number =
  HOP_BY_HOP_BITS |
  fieldBit(FieldId.ContentLength) |
  fieldBit(FieldId.Host) |
  fieldBit(FieldId.Trailer) |
  fieldBit(FieldId.Expect) |
  fieldBit(FieldId.Via) |
  fieldBit(FieldId.Forwarded) |
  fieldBit(FieldId.XForwardedFor) |
  fieldBit(FieldId.XForwardedProto) |
  fieldBit(FieldId.XForwardedHost) |
  fieldBit(FieldId.XForwardedClientCert) |
  fieldBit(FieldId.ClientCert) |
  fieldBit(FieldId.ClientCertChain) |
  fieldBit(FieldId.ClientCertLookalike);
