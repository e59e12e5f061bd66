import type { HttpHeaders } from "../../http/http-headers.ts";

/** Characters of all tags of a response together; those beyond are left out. */
const MOST_CHARACTERS = 16 * 1024;

const SEPARATORS = /[\s,]+/;

/**
 * The tags of a response, by which it can be purged: of `Cache-Tag`, separated by commas, and of `Surrogate-Key`, by
 * spaces; either is good in both. Case matters.
 * @returns each with a space before and behind it, " a b "; "" without any
 */
export function tagsOf(headers: HttpHeaders): string {
  const text = `${headers.get("cache-tag") ?? ""},${headers.get("surrogate-key") ?? ""}`;
  if (text === ",") return "";
  const tags = new Set(text.split(SEPARATORS));
  tags.delete("");
  return joinTags(tags);
}

/** The same of tags as a program names them. */
export function joinTags(tags: Iterable<string>): string {
  let joined = " ";
  for (const tag of tags) {
    if (joined.length + tag.length < MOST_CHARACTERS) joined += `${tag} `;
  }
  return joined === " " ? "" : joined;
}
