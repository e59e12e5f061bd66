import { type FieldName, toFieldName } from "../../http/field-names.ts";
import type { RequestHead } from "../../http/heads.ts";
import { peekField } from "../../http/peek-field.ts";
import { MetaFlag, type ResponseMeta } from "../meta.ts";
import { normalCodings } from "./accept-encoding.ts";

/**
 * What stands under the key of a URL whose responses vary: the names of the fields that they vary by, and an epoch. Each
 * response lies under a key of its own, made of the epoch and the values of those fields (`variantText`). A list with other
 * names gets another epoch, so that nothing is found by values of fields that are no longer asked.
 *
 *     https://example.com/ ─▶ vary list: accept-encoding, foo · epoch 7
 *     https://example.com/ ⏎ 7 ⏎ accept-encoding:gzip ⏎ foo:1 ─▶ a response
 *
 * @param names as `varyNames` gives them
 * @param epoch a random number of 32 bits
 */
export function varyList(
  names: readonly string[],
  epoch: number,
  key: string,
  generation: number,
  now: number,
): ResponseMeta {
  return {
    status: 0,
    flags: MetaFlag.VaryList,
    responseTime: now,
    bornAt: now,
    date: Number.NaN,
    lastModified: Number.NaN,
    lifetime: 0,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    bodyLength: 0,
    generation,
    epoch: epoch >>> 0,
    key,
    varyList: names.join(","),
    tags: "",
    fields: [],
  };
}

/**
 * The text of the key of the variant that answers a request.
 * @param primary the text of the URL's key
 * @param vary of the vary list: names joined by commas
 * @param epoch likewise
 * @param own by what it is told apart besides, where the list has `OWN_VARIANCE`; it stands at the end
 */
export function variantText(
  primary: string,
  vary: string,
  epoch: number,
  request: RequestHead,
  own: string | null = null,
): string {
  let text = `${primary}\n${epoch.toString(36)}`;
  for (let at = 0; at < vary.length; ) {
    const comma = vary.indexOf(",", at);
    const end = comma === -1 ? vary.length : comma;
    if (vary.charCodeAt(at) === COLON) return own === null ? text : `${text}\n${OWN_VARIANCE}${own}`;
    const name = toFieldName(at === 0 && comma === -1 ? vary : vary.slice(at, end));
    const value = peekField(request, name);
    // One that isn't there is another than one that is empty.
    text += value === null ? `\n${name.lowercase}` : `\n${name.lowercase}:${normalValue(name, value)}`;
    at = end + 1;
  }
  return text;
}

/** In a list of fields: what a program tells responses apart by. No field can have such a name, and it comes last. */
export const OWN_VARIANCE = ":own";
const COLON = 0x3a;

/**
 * A value in a form that all values have which mean the same (RFC 9111 §4.1): without needless white space; codings by what
 * they come to; languages in lower case, but in their order, for which some servers have a meaning.
 */
function normalValue({ lowercase }: FieldName, value: string): string {
  if (lowercase === "accept-encoding") return knownCodings(value);
  const plain = withoutListSpaces(value);
  return lowercase === "accept-language" ? plain.toLowerCase() : plain;
}

/** There are few browsers, and each sends the same list all day. */
const seenCodings = new Map<string, string>();
const MOST_SEEN = 256;
const LONGEST_SEEN = 256;

function knownCodings(value: string): string {
  // Nobody sends as much but to keep us busy. What is as long as that is no other value's normal form.
  if (value.length > LONGEST_SEEN) return value;
  let codings = seenCodings.get(value);
  if (codings !== undefined) return codings;
  codings = normalCodings(value);
  if (seenCodings.size >= MOST_SEEN) seenCodings.clear();
  seenCodings.set(value, codings);
  return codings;
}

/** Quotes keep their spaces: a value with quotes is left alone. By hand, for a pattern would look at a run of spaces from each of them. */
function withoutListSpaces(value: string): string {
  if (!value.includes(",") || value.includes('"')) return withoutSpaces(value, 0, value.length);
  let text = "";
  for (let at = 0; at <= value.length; ) {
    const comma = value.indexOf(",", at);
    const end = comma === -1 ? value.length : comma;
    const element = withoutSpaces(value, at, end);
    if (element !== "") text += text === "" ? element : `,${element}`;
    at = end + 1;
  }
  return text;
}

function withoutSpaces(value: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
