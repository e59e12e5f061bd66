import { toFieldName } from "../../http/field-names.ts";
import type { RequestHead, ResponseHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import { peekField } from "../../http/peek-field.ts";

/*
 * What a head has to say, and may not say any more, of a body whose coding is changed on its way.
 */

const CACHE_CONTROL = toFieldName("cache-control");
const NO_TRANSFORM = /(?:^|[,\s])no-transform(?:$|[,\s;=])/i;

/** Whether it says that nobody may change its content on the way, or that of its response (RFC 9111 §5.2.1.6, §5.2.2.6). */
export function forbidsTransforms(head: RequestHead | ResponseHead): boolean {
  const value = peekField(head, CACHE_CONTROL);
  return value !== null && NO_TRANSFORM.test(value);
}

/** Caches are told that others may get it in another coding (RFC 9110 §12.5.5). */
export function addVary(headers: HttpHeaders): void {
  const vary = headers.get("vary");
  if (vary === null || vary === "") headers.set("Vary", "Accept-Encoding");
  else if (!/(?:^|[,\s])(?:\*|accept-encoding)(?:$|[,\s])/i.test(vary))
    headers.set("Vary", `${vary}, Accept-Encoding`);
}

/**
 * A 304 is for what the client has: if that has a weak tag, it was changed on its way, and is only known by that tag again
 * (RFC 9111 §4.3.4). Servers compare weakly (RFC 9110 §13.1.2) and answer with their own, strong one.
 */
export function restoreTag(request: RequestHead, headers: HttpHeaders): void {
  const tag = headers.get("etag");
  if (tag?.startsWith('"') !== true) return;
  const known = (request.headers.get("if-none-match") ?? "").split(",").map((one) => one.trim());
  if (known.includes(`W/${tag}`) && !known.includes(tag)) headers.set("ETag", `W/${tag}`);
}
