import { isFieldValue } from "./characters.ts";
import { type FieldName, toFieldName } from "./field-names.ts";
import {
  EMPTY_SOURCE,
  type FieldTable,
  type HeadSource,
  indexOfField,
  nameAt,
  valueAt,
} from "./field-table.ts";

/** A field that was added or changed here. */
export interface OwnField {
  readonly key: FieldName;
  /** The name as it is to be written. */
  readonly name: string;
  readonly value: string;
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
  /** @internal bit `1 << FieldId` for every name that was set, added or deleted here. */
  touchedIds = 0;
  /** @internal no less than the bytes that the own fields take when written. */
  ownBytes = 0;

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
    copy.touchedIds = this.touchedIds;
    copy.ownBytes = this.ownBytes;
    return copy;
  }

  /** The value of `name`; several are joined with ", " (RFC 9110 §5.3). Null when absent. */
  get(name: string): string | null {
    const key = toFieldName(name);
    const table = this.source.table();
    let found: string | null = null;
    for (let i = indexOfField(table, key, 0); i !== -1; i = indexOfField(table, key, i + 1)) {
      found = joined(found, this.#receivedValue(table, i));
    }
    if (this.added === null) return found;
    for (const field of this.added) if (isNamed(field, key)) found = joined(found, field.value);
    return found;
  }

  /** Every value of `name` in order, one for each field line: the way to read `Set-Cookie`. */
  getAll(name: string): string[] {
    const key = toFieldName(name);
    const table = this.source.table();
    const values: string[] = [];
    for (let i = indexOfField(table, key, 0); i !== -1; i = indexOfField(table, key, i + 1)) {
      const value = this.#receivedValue(table, i);
      if (value !== null) values.push(value);
    }
    for (const field of this.added ?? []) if (isNamed(field, key)) values.push(field.value);
    return values;
  }

  has(name: string): boolean {
    const key = toFieldName(name);
    const table = this.source.table();
    for (let i = indexOfField(table, key, 0); i !== -1; i = indexOfField(table, key, i + 1)) {
      if (this.changes?.[i] !== null) return true;
    }
    return this.added?.some((field) => isNamed(field, key)) ?? false;
  }

  /**
   * Sets `name` to one value: the first field of that name keeps its place, others go, a new one is added at the end.
   * @throws TypeError when the name isn't a token or the value holds a control character.
   */
  set(name: string, value: string): void {
    const own = this.#toOwnField(name, value);
    let placed = this.#replaceReceived(own.key, own);
    if (this.added !== null) {
      this.added = this.added.flatMap((field) => {
        if (!isNamed(field, own.key)) return field;
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
    this.#add(this.#toOwnField(name, value));
  }

  /** Removes every field of that name; true when there was one. */
  delete(name: string): boolean {
    const key = toFieldName(name);
    let deleted = this.#replaceReceived(key, null);
    if (this.added !== null) {
      const left = this.added.filter((field) => !isNamed(field, key));
      deleted ||= left.length < this.added.length;
      this.added = left.length === 0 ? null : left;
    }
    if (deleted) this.touchedIds |= 1 << key.id;
    return deleted;
  }

  /** Names and values in order, as they were written. */
  *entries(): Generator<[name: string, value: string]> {
    const table = this.source.table();
    for (let i = 0; i < table.count; i++) {
      const change = this.changes?.[i];
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

  /** What became of received field `index`; null when it was deleted. */
  #receivedValue(table: FieldTable, index: number): string | null {
    const change = this.changes?.[index];
    if (change === undefined) return valueAt(table, index);
    return change === null ? null : change.value;
  }

  /** Puts `own` in the place of the first received field of that name and deletes the others. */
  #replaceReceived(key: FieldName, own: OwnField | null): boolean {
    const table = this.source.table();
    let found = false;
    for (let i = indexOfField(table, key, 0); i !== -1; i = indexOfField(table, key, i + 1)) {
      // One that was deleted before gives its place to nobody: the field comes back at the end.
      if (this.changes?.[i] === null) continue;
      this.changes ??= new Array(table.count);
      this.changes[i] = found ? null : own;
      found = true;
    }
    return found;
  }

  #toOwnField(name: string, value: string): OwnField {
    const key = toFieldName(name);
    if (!key.isToken) throw new TypeError(`Header name ${JSON.stringify(name)} is not a token`);
    if (!isFieldValue(value)) {
      throw new TypeError(
        `Header ${name} would hold a control or non-latin1 character: ${JSON.stringify(value)}`,
      );
    }
    this.touchedIds |= 1 << key.id;
    this.ownBytes += name.length + value.length + FIELD_PUNCTUATION;
    return { key, name, value };
  }

  #add(field: OwnField): void {
    if (this.added === null) this.added = [field];
    else this.added.push(field);
  }
}

/** Bytes of a field line besides name and value: `: ` and the line's end. */
const FIELD_PUNCTUATION = 4;

/** What headers can be made of. */
export type HeadersInit =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | readonly string[]>>;

function joined(before: string | null, value: string | null): string | null {
  if (before === null || value === null) return before ?? value;
  return `${before}, ${value}`;
}

function isNamed({ key }: OwnField, name: FieldName): boolean {
  return key === name || key.lowercase === name.lowercase;
}
