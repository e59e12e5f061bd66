import { writeLatin1 } from "../../base/latin1.ts";
import { FieldId, HOP_BY_HOP, toFieldName } from "../../http/field-names.ts";
import {
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  indexOfField,
  NAME_END,
  NAME_START,
  VALUE_END,
  VALUE_START,
} from "../../http/field-table.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import { PSEUDO_NAMES, Pseudo } from "./field-kinds.ts";
import { FieldMemo } from "./field-memo.ts";
import { FieldWriter } from "./field-writer.ts";
import { type Memory, memoryOf, toMemory } from "./memory.ts";
import { STATIC_FIELDS } from "./static-table.ts";

const HOP_BY_HOP_BITS: number = HOP_BY_HOP.reduce(
  (bits, isHop, id) => (isHop === 1 ? bits | (1 << id) : bits),
  0,
);
const HOST_BIT: number = 1 << FieldId.Host;
const HOST = toFieldName("host");

/** Bytes that a field may take besides its name and value: its first octet, and two lengths. */
const FIELD_ROOM = 12;
/** Two changes of the table's size, all pseudo-header fields, and `FIELD_ROOM` for eight single fields. */
const BLOCK_ROOM = 192;
/** A line needs four bytes at least, so that the room of a field for each is no more than this for each byte. */
const LINES_FACTOR = 4;

const NAMES: readonly Memory[] = PSEUDO_NAMES.map(toMemory);

/** The values of pseudo-header fields that the static table has, with their indices. */
const COMMON: readonly ReadonlyMap<string, number>[] = NAMES.map(
  ({ bytes }) =>
    new Map(
      STATIC_FIELDS.flatMap(([other, value], index) =>
        other === bytes.toString() && value !== "" ? [[value, index] as const] : [],
      ),
    ),
);
const LONGEST_COMMON = 11;
const STATUS_INDEX: ReadonlyMap<number, number> = new Map(
  Array.from(COMMON[Pseudo.Status]!, ([status, index]) => [Number(status), index]),
);

const COLON = 0x3a;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * What a block of this table, overlay and lines takes at most. Add the lengths of pseudo-header fields' values, and of the names and
 * values of up to eight single fields.
 */
export function blockRoom(table: FieldTable, headers: HttpHeaders | null, lines: string): number {
  const { count } = table;
  const received = count === 0 ? 0 : table.fieldsEnd - table.offsets[NAME_START]! + count * FIELD_ROOM;
  const added = headers === null || headers.added === null ? 0 : headers.added.length;
  const own = headers === null ? 0 : headers.ownBytes + (added + count) * FIELD_ROOM;
  return BLOCK_ROOM + received + own + lines.length * LINES_FACTOR;
}

/**
 * Encodes the field blocks that one connection sends (RFC 7541). A block is what is called between `begin` and `end`, the
 * pseudo-header fields first; the buffer must have room for it (`blockRoom`):
 *
 *     encoder.begin(slab, at);
 *     encoder.pseudo(Pseudo.Method, "GET");            // … :scheme, :authority, :path
 *     encoder.fields(table, headers, dropped);         // received fields with their overlay
 *     encoder.lines("via: 1.1 sluice\r\n");            // fields of the proxy's own
 *     at = encoder.end();
 *
 * What was encoded must be sent, in this order: the other side's table depends on it.
 */
export class HeaderEncoder {
  readonly #writer: FieldWriter;
  readonly #memo: FieldMemo = new FieldMemo();
  #scratch: Memory = toMemory(Buffer.allocUnsafeSlow(256));

  /**
   * @param tableSize bytes of dynamic table that are used at most, if the peer allows as much
   * @param isShared whether the fields of many clients go this way: what one could guess of another isn't remembered
   */
  constructor(tableSize?: number, isShared?: boolean) {
    this.#writer = new FieldWriter(tableSize, isShared);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, when it is received. */
  limitTable(size: number): void {
    this.#writer.limitTable(size);
  }

  begin(out: Buffer, at: number): void {
    this.#writer.begin(out, at);
  }

  /** Returns where the block ends. */
  end(): number {
    return this.#writer.end();
  }

  status(status: number): void {
    const index = STATUS_INDEX.get(status);
    if (index !== undefined) this.#writer.writeIndex(index);
    else this.pseudo(Pseudo.Status, String(status));
  }

  /** A pseudo-header field; its value must be as it is to be. */
  pseudo(pseudo: Pseudo, value: string): void {
    const index = value.length > LONGEST_COMMON ? undefined : COMMON[pseudo]!.get(value);
    if (index !== undefined) {
      this.#writer.writeIndex(index);
      return;
    }
    const scratch = this.#scratchFor(value.length);
    const end = writeLatin1(scratch.bytes, 0, value);
    const name = NAMES[pseudo]!;
    this.#writer.take(name, 0, name.bytes.length, scratch, 0, end);
    this.#writer.write();
  }

  /** Sends the `Host` as `:authority`; false when there is none, or an empty one (RFC 9113 §8.3.1). */
  hostAsAuthority(table: FieldTable, headers: HttpHeaders | null): boolean {
    if (headers !== null && (headers.touchedIds & HOST_BIT) !== 0) {
      const host = headers.get("host") ?? "";
      if (host !== "") this.pseudo(Pseudo.Authority, host);
      return host !== "";
    }
    const index = indexOfField(table, HOST, 0);
    if (index === -1) return false;
    const { bytes, offsets } = table;
    const at = index * FIELD_STRIDE;
    const start = offsets[at + VALUE_START]!;
    const end = offsets[at + VALUE_END]!;
    if (start === end) return false;
    const name = NAMES[Pseudo.Authority]!;
    this.#writer.take(name, 0, name.bytes.length, memoryOf(bytes), start, end);
    this.#writer.write();
    return true;
  }

  /**
   * The received fields as the overlay has changed them, and what it added. Hop-by-hop fields are left out; those that
   * a `Connection` field named must have been deleted.
   * @param dropped bit `1 << FieldId` for whatever else is left out: `Host` in requests
   * @param guarded 1 for each received field that must never be indexed; `FieldBlock.guarded` where it `hasGuarded`
   */
  fields(
    table: FieldTable,
    headers: HttpHeaders | null,
    dropped: number,
    guarded: Uint8Array | null = null,
  ): void {
    if (headers === null && guarded === null && table.count > 0) this.#untouched(table, dropped);
    else this.#each(table, headers, dropped, guarded);
  }

  /** Fields as they came, which may be those that came last. */
  #untouched(table: FieldTable, dropped: number): void {
    const memory = memoryOf(table.bytes);
    const start = table.offsets[NAME_START]!;
    const { fieldsEnd: end } = table;
    const { tableVersion: version, out, at } = this.#writer;
    const known = this.#memo.recall(memory, start, end, dropped, version, out, at);
    if (known >= 0) {
      this.#writer.skipTo(known);
      return;
    }
    this.#each(table, null, dropped, null);
    if (this.#writer.tableVersion === version)
      this.#memo.keep(memory, start, end, dropped, version, out, at, this.#writer.at);
  }

  #each(table: FieldTable, headers: HttpHeaders | null, dropped: number, guarded: Uint8Array | null): void {
    const omitted = HOP_BY_HOP_BITS | dropped;
    const { offsets, count } = table;
    const memory = memoryOf(table.bytes);
    const changes = headers === null ? null : headers.changes;
    for (let i = 0, at = 0; i < count; i++, at += FIELD_STRIDE) {
      const change = changes === null ? undefined : changes[i];
      if (change !== undefined) {
        if (change !== null && !isOmitted(omitted, change.key.id))
          this.field(change.key.lowercase, change.value);
        continue;
      }
      if (isOmitted(omitted, offsets[at + FIELD_ID]!)) continue;
      const nameStart = offsets[at + NAME_START]!;
      const nameEnd = offsets[at + NAME_END]!;
      const valueStart = offsets[at + VALUE_START]!;
      const valueEnd = offsets[at + VALUE_END]!;
      this.#writer.take(memory, nameStart, nameEnd, memory, valueStart, valueEnd);
      if (guarded !== null && guarded[i] === 1) this.#writer.writeGuarded();
      else this.#writer.write();
    }
    if (headers === null || headers.added === null) return;
    for (const { key, value } of headers.added) {
      if (!isOmitted(omitted, key.id)) this.field(key.lowercase, value);
    }
  }

  /** One field; white space around its value is left out. */
  field(name: string, value: string): void {
    const scratch = this.#scratchFor(name.length + value.length + 2);
    const { bytes } = scratch;
    const nameEnd = writeLatin1(bytes, 0, name);
    bytes[nameEnd] = COLON;
    bytes[nameEnd + 1] = SPACE;
    const end = writeLatin1(bytes, nameEnd + 2, value);
    this.#trimmed(scratch, 0, nameEnd, nameEnd + 2, end);
  }

  /** Whole field lines as HTTP/1 has them, each ended by CRLF. */
  lines(lines: string): void {
    if (lines === "") return;
    const scratch = this.#scratchFor(lines.length);
    const { bytes } = scratch;
    const end = writeLatin1(bytes, 0, lines);
    for (let at = 0; at < end; ) {
      const start = at;
      while (at < end && bytes[at] !== COLON) at++;
      const nameEnd = at;
      while (at < end && bytes[at] !== LF) at++;
      if (nameEnd < end) this.#trimmed(scratch, start, nameEnd, nameEnd + 1, at - 1);
      at++;
    }
  }

  #trimmed(memory: Memory, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const { bytes } = memory;
    let start = valueStart;
    let end = valueEnd;
    while (start < end && isBlank(bytes[start]!)) start++;
    while (end > start && isBlank(bytes[end - 1]!)) end--;
    this.#writer.take(memory, nameStart, nameEnd, memory, start, end);
    this.#writer.write();
  }

  #scratchFor(length: number): Memory {
    if (length > this.#scratch.bytes.length) this.#scratch = toMemory(Buffer.allocUnsafeSlow(length * 2));
    return this.#scratch;
  }
}

function isOmitted(omitted: number, id: number): boolean {
  return ((omitted >>> id) & 1) !== 0;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}
