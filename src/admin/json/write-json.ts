import type { AttributeValue } from "../../chaos/attributes.ts";

/** What a text is in JSON as Go writes it: safe to stand in a page, too. */
export function textJson(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** An object of members that are JSON already, in their order. */
export function objectJson(members: Iterable<readonly [key: string, json: string]>): string {
  return `{${Array.from(members, ([key, json]) => `${textJson(key)}:${json}`).join(",")}}`;
}

export function arrayJson(items: Iterable<string>): string {
  return `[${[...items].join(",")}]`;
}

export function valueJson(value: AttributeValue): string {
  return typeof value === "string" ? textJson(value) : Object.is(value, -0) ? "-0" : String(value);
}

/** Decimal places that tell any two numbers of 32 bits apart. */
const FLOAT32_DIGITS = 9;

/** The shortest number that is the same in 32 bits. */
export function float32Json(value: number): string {
  const wanted = Math.fround(value);
  if (wanted === 0) return valueJson(wanted);
  for (let digits = 1; digits < FLOAT32_DIGITS; digits++) {
    const short = Number(wanted.toPrecision(digits));
    if (Math.fround(short) === wanted) return valueJson(short);
  }
  return valueJson(Number(wanted.toPrecision(FLOAT32_DIGITS)));
}

/** Names in the order of their bytes, as Go sorts them. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
