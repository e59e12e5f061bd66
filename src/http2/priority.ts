import { DictionaryReader, ItemKind } from "./dictionary-reader.ts";

/** A priority as one number: urgency 0 (first) to 7 in the lowest bits, then whether it is incremental (RFC 9218 §4). */
export type Priority = number;

const URGENCY = 7;
const INCREMENTAL = 8;
const DEFAULT_URGENCY = 3;

/** What the RFC takes for granted where a field says nothing else. */
export const DEFAULT_PRIORITY: Priority = DEFAULT_URGENCY;

/**
 * For streams whose client never spoke of priorities: one that doesn't know RFC 9218 doesn't know either that its streams would be
 * answered one after the other, and a stream without end (gRPC) would hold up all of its kind.
 */
export const UNSIGNALED_PRIORITY: Priority = DEFAULT_URGENCY | INCREMENTAL;

const LETTER_U = 0x75;
const LETTER_I = 0x69;

export function toPriority(urgency: number, isIncremental: boolean): Priority {
  return urgency | (isIncremental ? INCREMENTAL : 0);
}

export function urgencyOf(priority: Priority): number {
  return priority & URGENCY;
}

export function isIncremental(priority: Priority): boolean {
  return (priority & INCREMENTAL) !== 0;
}

/**
 * Reads a value of the field `priority`, a dictionary of structured fields (RFC 9218 §4, RFC 9651 §3.2). Members that are
 * unknown, of another type or out of range are passed over; what is no dictionary at all says nothing.
 */
export function parsePriority(bytes: Buffer, start: number, end: number): Priority {
  const reader = new DictionaryReader(bytes, start, end);
  let urgency = DEFAULT_URGENCY;
  let incremental = false;
  while (reader.next()) {
    if (reader.keyEnd - reader.keyStart !== 1) continue;
    const key = bytes[reader.keyStart];
    // The last one of a name counts, also when it is of no use.
    if (key === LETTER_U) {
      const isUrgency = reader.kind === ItemKind.Integer && reader.value >= 0 && reader.value <= URGENCY;
      urgency = isUrgency ? reader.value : DEFAULT_URGENCY;
    } else if (key === LETTER_I) {
      incremental = reader.kind === ItemKind.Boolean && reader.value === 1;
    }
  }
  return reader.failed ? DEFAULT_PRIORITY : toPriority(urgency, incremental);
}
