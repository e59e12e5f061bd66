import { fieldBit } from "./field-bits.ts";
import { FieldId } from "./field-names.ts";
import type { BodyLength, RequestHead, ResponseHead } from "./heads.ts";

const CONTENT_LENGTH = fieldBit(FieldId.ContentLength);

/**
 * Whether the received length field says what is sent: then it may stay where it is, for it was checked when it came in. A
 * head made here has none, whatever its body is, nor has one that came with the end of its HTTP/2 stream.
 */
export function declaresLength(head: RequestHead | ResponseHead, sent: BodyLength | "until-close"): boolean {
  const { body, touchedHeaders } = head;
  if (body !== sent || body === "unknown" || (head.present & CONTENT_LENGTH) === 0) return false;
  return touchedHeaders === null || (touchedHeaders.touchedIds & CONTENT_LENGTH) === 0;
}
