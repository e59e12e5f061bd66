import { fieldIdOf, HOP_BY_HOP } from "../../http/field-names.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import type { FieldLine } from "../meta.ts";
import type { CacheDirectives } from "./directives.ts";
import { listsField, toFieldList } from "./field-list.ts";

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
  const named = toFieldList(headers.get("connection") ?? "") ?? "";
  const hidden = `${named}${directives.privateFields}${directives.noCacheFields}`;
  const fields: FieldLine[] = [];
  for (const line of headers) {
    const name = line[0].toLowerCase();
    if (HOP_BY_HOP[fieldIdOf(name)] === 1 || NOT_STORED.has(name)) continue;
    if (hidden === "" || !listsField(hidden, name)) fields.push(line);
  }
  return fields;
}
