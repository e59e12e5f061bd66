import type { JsonValue } from "./json-value.ts";

/** Where a value stands, as Go's type errors tell it: `Go struct field Proxy.name`. */
interface Place {
  /** The innermost struct; "" for one without a name. */
  readonly struct: string;
  /** Names of fields from the outermost struct on, with dots. */
  readonly path: string;
}

/** Hears every value that doesn't fit, in Go's words. */
type Report = (problem: string) => void;

/**
 * What is expected of a JSON value. Go leaves a field as it was when it is null or doesn't fit, and reads on: so
 * `undefined` is left as it is.
 */
export interface Shape<T> {
  read(value: JsonValue, place: Place | null, report: Report): T | undefined;
}

export type Fields<T> = { readonly [Name in keyof T]: Shape<T[Name]> };

/** What doesn't fit a shape, in the words that Go's `encoding/json` has for the first thing it finds. */
export class JsonTypeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JsonTypeError";
  }
}

/**
 * Reads all of a value.
 * @returns undefined for null
 * @throws JsonTypeError
 */
export function readAs<T>(shape: Shape<T>, value: JsonValue): T | undefined {
  let first: string | null = null;
  const read = shape.read(value, null, (problem) => {
    first ??= problem;
  });
  if (first !== null) throw new JsonTypeError(first);
  return read;
}

function mismatch(kind: string, type: string, place: Place | null): string {
  const where = place === null ? "value" : `struct field ${place.struct}.${place.path}`;
  return `json: cannot unmarshal ${kind} into Go ${where} of type ${type}`;
}

type Convert<T> = (value: JsonValue) => T | undefined;

/** @param convert yields undefined for what isn't of the type */
function scalar<T>(type: string, convert: Convert<T>): Shape<T> {
  return {
    read(value, place, report) {
      if (value.kind === "null") return undefined;
      const converted = convert(value);
      if (converted === undefined) report(mismatch(value.kind, type, place));
      return converted;
    },
  };
}

/** As `scalar`, with the digits in the error when it is a number that doesn't fit. */
function numeric(type: string, convert: (digits: string) => number | undefined): Shape<number> {
  return {
    read(value, place, report) {
      if (value.kind === "null") return undefined;
      if (value.kind !== "number") {
        report(mismatch(value.kind, type, place));
        return undefined;
      }
      const converted = convert(value.digits);
      if (converted === undefined) report(mismatch(`number ${value.digits}`, type, place));
      return converted;
    },
  };
}

const INT64_BITS = 64;

/** The digits alone decide: to Go 5.0 is no whole number. */
function toInt64(digits: string): number | undefined {
  if (!/^-?\d+$/.test(digits)) return undefined;
  const value = BigInt(digits);
  return BigInt.asIntN(INT64_BITS, value) === value ? Number(value) : undefined;
}

function toFloat(digits: string, round: (value: number) => number): number | undefined {
  const value = Number(digits);
  return Number.isFinite(round(value)) ? value : undefined;
}

export const text: Shape<string> = scalar("string", (value) =>
  value.kind === "string" ? value.value : undefined,
);

export const bool: Shape<boolean> = scalar("bool", (value) =>
  value.kind === "bool" ? value.value : undefined,
);

/** Beyond 2 ** 53 the nearest number there is. */
export const int64: Shape<number> = numeric("int64", toInt64);

/** What Go calls an `int`, which has 64 bits too. */
export const int: Shape<number> = numeric("int", toInt64);

export const float64: Shape<number> = numeric("float64", (digits) => toFloat(digits, Number));

/** With all digits that were written: only its range is that of 32 bits. */
export const float32: Shape<number> = numeric("float32", (digits) => toFloat(digits, Math.fround));

/** Any value, for who looks at it later. */
export const raw: Shape<JsonValue> = { read: (value) => (value.kind === "null" ? undefined : value) };

export function list<T>(type: string, item: Shape<T>): Shape<(T | undefined)[]> {
  return {
    read(value, place, report) {
      if (value.kind === "null") return undefined;
      if (value.kind === "array") return value.items.map((each) => item.read(each, place, report));
      report(mismatch(value.kind, type, place));
      return undefined;
    },
  };
}

export interface StructNames {
  /** The type in full: `toxiproxy.Proxy`. */
  readonly type: string;
  /** Its name alone, "" when it has none. */
  readonly name: string;
  /** A struct that all fields but the named ones come from, as errors name it. */
  readonly embedded?: { readonly name: string; readonly except: readonly string[] };
}

/** An object with these fields. Others are left out, and the names may be written in any case. */
export function struct<T>(names: StructNames, fields: Fields<T>): Shape<Partial<T>> {
  const { type, name, embedded } = names;
  const byFoldedName = new Map(
    Object.keys(fields).map((field) => [fold(field), field as Extract<keyof T, string>]),
  );
  const labelOf = (field: string): string =>
    embedded === undefined || embedded.except.includes(field) ? field : `${embedded.name}.${field}`;
  return {
    read(value, place, report) {
      if (value.kind === "null") return undefined;
      if (value.kind !== "object") {
        report(mismatch(value.kind, type, place));
        return undefined;
      }
      const all: Partial<T> = {};
      for (const [key, member] of value.members) {
        const field = byFoldedName.get(fold(key));
        if (field === undefined) continue;
        const path = place === null ? labelOf(field) : `${place.path}.${labelOf(field)}`;
        const read = fields[field].read(member, { struct: name, path }, report);
        if (read !== undefined) all[field] = read;
      }
      return all;
    },
  };
}

/** ASCII in upper case, with the two other characters that Unicode folds into it: the long s and the Kelvin sign. */
function fold(key: string): string {
  return key.replace(/[a-z\u017f\u212a]/g, (c) => (c === "\u212a" ? "K" : c.toUpperCase()));
}
