import type { RequestHead } from "../../http/heads.ts";
import { parseCacheControl } from "./cache-control.ts";
import { CacheDirectives, Directive } from "./directives.ts";
import type { CachePolicy } from "./policy.ts";
import { RequestField } from "./request-fields.ts";

const EITHER = RequestField.CacheControl | RequestField.Pragma;

/** Of a `Pragma: no-cache`. Shared: nobody changes it. */
const NO_CACHE = new CacheDirectives();
NO_CACHE.flags = Directive.NoCache;

/**
 * What a request says about what it may be answered with.
 * @param fields as `requestFieldsOf` found them
 * @returns null when it says nothing, or isn't heard
 */
export function requestDirectives(
  request: RequestHead,
  fields: number,
  { heedsRequests }: CachePolicy,
): CacheDirectives | null {
  if ((fields & EITHER) === 0 || !heedsRequests) return null;
  const { headers } = request;
  // Pragma is for those that know no Cache-Control (RFC 9111 §5.4).
  if ((fields & RequestField.CacheControl) !== 0)
    return parseCacheControl(headers.get("cache-control") ?? "");
  return parseCacheControl(headers.get("pragma") ?? "").has(Directive.NoCache) ? NO_CACHE : null;
}
