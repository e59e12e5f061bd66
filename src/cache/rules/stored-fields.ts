import { fieldIdOf, HOP_BY_HOP } from "../../http/field-names.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import type { FieldLine } from "../meta.ts";
import type { CacheDirectives } from "./directives.ts";
import { listsField, toFieldList } from "./field-list.ts";
import type { CachePolicy } from "./policy.ts";

/**
 * Besides hop-by-hop fields, what isn't stored: an age is found out anew, a length is that of the body and another one for
 * each range, trailers aren't kept, and the rest speaks to the nearest proxy (RFC 9111 §3.1).
 */
const NOT_STORED: ReadonlySet<string> = new Set([
  "age",
  "content-length",
  "trailer",
  "proxy-authentication-info",
]);

/**
 * The fields of a response that are stored, as they were written: all but those that belong to its connection, and those
 * that `private="…"` and `no-cache="…"` name, for nobody else may see them (RFC 9111 §5.2.2.4, §5.2.2.7).
 */
export function storedFields(headers: HttpHeaders, directives: CacheDirectives): FieldLine[] {
  const listed = listedFields(directives);
  return endToEndFields(headers).filter(([name]) => listed === "" || !listsField(listed, name.toLowerCase()));
}

/**
 * Those that aren't, but are for the client that the response was fetched for: what the response lists so, and cookies where
 * none are stored, as they come with a 304.
 */
export function fieldsForClient(
  headers: HttpHeaders,
  directives: CacheDirectives,
  { storesCookies }: CachePolicy,
): readonly FieldLine[] {
  const cookies = storesCookies ? "" : "set-cookie,";
  const listed = `${cookies}${listedFields(directives)}`;
  const isPlain = listed === "" || (listed === cookies && !headers.has("set-cookie"));
  return isPlain
    ? NO_FIELDS
    : endToEndFields(headers).filter(([name]) => listsField(listed, name.toLowerCase()));
}

const NO_FIELDS: readonly FieldLine[] = [];

function listedFields({ privateFields, noCacheFields }: CacheDirectives): string {
  return privateFields + noCacheFields;
}

function endToEndFields(headers: HttpHeaders): FieldLine[] {
  const named = toFieldList(headers.get("connection") ?? "") ?? "";
  const fields: FieldLine[] = [];
  for (const line of headers) {
    const name = line[0].toLowerCase();
    if (HOP_BY_HOP[fieldIdOf(name)] === 1 || NOT_STORED.has(name)) continue;
    if (named === "" || !listsField(named, name)) fields.push(line);
  }
  return fields;
}
