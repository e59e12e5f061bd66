import { isFieldValue } from "./characters.ts";
import { equalsLowercaseText, FieldId, type FieldName, toFieldName } from "./field-names.ts";
import {
  EMPTY_SOURCE,
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  type HeadSource,
  NAME_END,
  NAME_START,
  nameAt,
  valueAt,
} from "./field-table.ts";

/** A field that was added or changed here. */
export interface OwnField {
  name: string;
  value: string;
  readonly id: number;
}

/**
 * The header fields of a message: ordered, in the case they were written in, duplicates kept.
 *
 * A received head stays bytes; changes are an overlay over them, so a filter that sets one field doesn't cost a rebuild
 * of the other twenty:
 *
 *     received:  [ host ] [ accept ] [ cookie ]          bytes in the slab
 *     changes:      -      OwnField     null             untouched | replaced | deleted
 *     added:     [ x-request-id ]                        after all others
 *
 * Names and values are checked when they are set (RFC 9110 §5.1, §5.5): a value can't smuggle a line break.
 */
export class HttpHeaders implements Iterable<[name: string, value: string]> {
  /** @internal for encoders */
  readonly source: HeadSource;
  /** @internal by index of the received field: its replacement, or null when deleted. */
  changes: (OwnField | null | undefined)[] | null = null;
  /** @internal */
  added: OwnField[] | null = null;

  constructor(source: HeadSource = EMPTY_SOURCE) {
    this.source = source;
  }

  /** Headers from pairs or an object, for a message made here. */
  static from(init: HeadersInit): HttpHeaders {
    const headers = new HttpHeaders();
    const entries = Symbol.iterator in init ? init : Object.entries(init);
    for (const [name, value] of entries) {
      if (typeof value === "string") headers.append(name, value);
      else for (const one of value) headers.append(name, one);
    }
    return headers;
  }

  /** Headers with copies of the fields in `table`, which may be borrowed. */
  static copyOf(table: FieldTable): HttpHeaders {
    const headers = new HttpHeaders();
    for (let i = 0; i < table.count; i++) headers.append(nameAt(table, i), valueAt(table, i));
    return headers;
  }

  /** A copy that shares the received bytes; changes to one don't show in the other. */
  fork(): HttpHeaders {
    const copy = new HttpHeaders(this.source);
    copy.changes = this.changes === null ? null : [...this.changes];
    copy.added = this.added === null ? null : [...this.added];
    return copy;
  }

  /** The value of `name`; several are joined with ", " (RFC 9110 §5.3). Null when absent. */
  get(name: string): string | null {
    let found: string | null = null;
    this.#visit(name, (value) => {
      found = found === null ? value : `${found}, ${value}`;
    });
    return found;
  }

  /** Every value of `name` in order, one for each field line: the way to read `Set-Cookie`. */
  getAll(name: string): string[] {
    const values: string[] = [];
    this.#visit(name, (value) => {
      values.push(value);
    });
    return values;
  }

  has(name: string): boolean {
    let found = false;
    this.#visit(name, () => {
      found = true;
    });
    return found;
  }

  /**
   * Sets `name` to one value: the first field of that name keeps its place, others go, a new one is added at the end.
   * @throws TypeError when the name isn't a token or the value holds a control character.
   */
  set(name: string, value: string): void {
    const own = toOwnField(name, value);
    const fieldName = toFieldName(name);
    let placed = this.#replaceReceived(fieldName, own);
    if (this.added !== null) {
      this.added = this.added.flatMap((field) => {
        if (!isNamed(field, fieldName)) return field;
        const keep = placed ? [] : own;
        placed = true;
        return keep;
      });
    }
    if (!placed) this.#add(own);
  }

  /**
   * Adds a field at the end, besides others of that name.
   * @throws TypeError when the name isn't a token or the value holds a control character.
   */
  append(name: string, value: string): void {
    this.#add(toOwnField(name, value));
  }

  /** Removes every field of that name; true when there was one. */
  delete(name: string): boolean {
    const fieldName = toFieldName(name);
    let deleted = this.#replaceReceived(fieldName, null);
    if (this.added !== null) {
      const left = this.added.filter((field) => !isNamed(field, fieldName));
      deleted ||= left.length < this.added.length;
      this.added = left.length === 0 ? null : left;
    }
    return deleted;
  }

  /** Names and values in order, as they were written. */
  *entries(): Generator<[name: string, value: string]> {
    const { changes } = this;
    const table = this.source.table();
    for (let i = 0; i < table.count; i++) {
      const change = changes?.[i];
      if (change === undefined) yield [nameAt(table, i), valueAt(table, i)];
      else if (change !== null) yield [change.name, change.value];
    }
    for (const field of this.added ?? []) yield [field.name, field.value];
  }

  [Symbol.iterator](): Generator<[name: string, value: string]> {
    return this.entries();
  }

  /** Lower-case names to values, several joined: for logs and tests. */
  toJSON(): Record<string, string> {
    const all = new Map<string, string>();
    for (const [written, value] of this.entries()) {
      const name = written.toLowerCase();
      const before = all.get(name);
      all.set(name, before === undefined ? value : `${before}, ${value}`);
    }
    // Not by assignment: `__proto__` is a field name too.
    return Object.fromEntries(all);
  }

  #visit(name: string, visit: (value: string) => void): void {
    const fieldName = toFieldName(name);
    const { changes } = this;
    const table = this.source.table();
    for (let i = 0; i < table.count; i++) {
      const change = changes === null ? undefined : changes[i];
      if (change === undefined) {
        if (isReceivedAs(table, i, fieldName)) visit(valueAt(table, i));
      } else if (change !== null && isNamed(change, fieldName)) visit(change.value);
    }
    if (this.added === null) return;
    for (const field of this.added) if (isNamed(field, fieldName)) visit(field.value);
  }

  /** Puts `own` in the place of the first received field of that name and deletes the others. */
  #replaceReceived(name: FieldName, own: OwnField | null): boolean {
    const table = this.source.table();
    let found = false;
    for (let i = 0; i < table.count; i++) {
      const change = this.changes?.[i];
      const matches =
        change === undefined ? isReceivedAs(table, i, name) : change !== null && isNamed(change, name);
      if (!matches) continue;
      this.changes ??= new Array(table.count);
      this.changes[i] = found ? null : own;
      found = true;
    }
    return found;
  }

  #add(field: OwnField): void {
    if (this.added === null) this.added = [field];
    else this.added.push(field);
  }
}

/** What headers can be made of. */
export type HeadersInit =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | readonly string[]>>;

function toOwnField(name: string, value: string): OwnField {
  const { id, isToken } = toFieldName(name);
  if (!isToken) throw new TypeError(`Header name ${JSON.stringify(name)} is not a token`);
  if (!isFieldValue(value)) {
    throw new TypeError(
      `Header ${name} would hold a control or non-latin1 character: ${JSON.stringify(value)}`,
    );
  }
  return { name, value, id };
}

function isNamed(field: OwnField, { lowercase }: FieldName): boolean {
  return field.name.length === lowercase.length && toFieldName(field.name).lowercase === lowercase;
}

function isReceivedAs(table: FieldTable, index: number, { id, lowercase }: FieldName): boolean {
  const at = index * FIELD_STRIDE;
  const { offsets } = table;
  if (offsets[at + FIELD_ID] !== id) return false;
  if (id !== FieldId.Other) return true;
  const start = offsets[at + NAME_START]!;
  if (offsets[at + NAME_END]! - start !== lowercase.length) return false;
  return equalsLowercaseText(table.bytes, start, lowercase);
}
