import type { RequestHead } from "../../http/heads.ts";
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
 */
export function variantText(primary: string, vary: string, epoch: number, request: RequestHead): string {
  let text = `${primary}\n${epoch.toString(36)}`;
  for (const name of vary.split(",")) {
    const value = request.headers.get(name);
    // One that isn't there is another than one that is empty.
    text += value === null ? `\n${name}` : `\n${name}:${normalValue(name, value)}`;
  }
  return text;
}

/**
 * A value in a form that all values have which mean the same (RFC 9111 §4.1): without needless white space; codings that
 * we know by what they come to; languages in lower case, but in their order, for which some servers have a meaning.
 */
function normalValue(name: string, value: string): string {
  if (name === "accept-encoding") return normalCodings(value);
  const plain = withoutListSpaces(value);
  return name === "accept-language" ? plain.toLowerCase() : plain;
}

const SPACED_COMMAS = /[ \t]*,[ \t,]*/g;

/** Quotes keep their spaces: a value with quotes is left alone. */
function withoutListSpaces(value: string): string {
  const trimmed = value.trim();
  return trimmed.includes(",") && !trimmed.includes('"') ? trimmed.replace(SPACED_COMMAS, ",") : trimmed;
}
