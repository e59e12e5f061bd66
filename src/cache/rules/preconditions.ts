import { type FieldName, toFieldName } from "../../http/field-names.ts";
import type { RequestHead } from "../../http/heads.ts";
import { peekField } from "../../http/peek-field.ts";
import { parseHttpDate } from "./dates.ts";
import { listMatches } from "./entity-tags.ts";
import { RequestField } from "./request-fields.ts";

/** What a response has to be compared with; times in milliseconds since 1970, NaN where there is none. */
export interface Validators {
  readonly status: number;
  readonly etag: string | null;
  readonly lastModified: number;
  readonly date: number;
  readonly responseTime: number;
}

const EITHER = RequestField.IfNoneMatch | RequestField.IfModifiedSince;

/**
 * Whether a GET or HEAD is answered by 304 since its client has what there is (RFC 9110 §13.2.2, RFC 9111 §4.3.2). A date is
 * looked at only without tags. If-Match and If-Unmodified-Since are the server's business: such a request isn't answered from
 * a cache at all (`RequestField.ForServer`).
 * @param fields of the request, as `requestFieldsOf` found them: mostly there is nothing to do
 */
export function isNotModified(
  request: RequestHead,
  fields: number,
  stored: Validators,
  now: number,
): boolean {
  if ((fields & EITHER) === 0 || stored.status < 200 || stored.status >= 300) return false;
  if ((fields & RequestField.IfNoneMatch) !== 0) {
    const list = peekField(request, IF_NONE_MATCH);
    return list !== null && matchesTag(list, stored);
  }
  const since = peekField(request, IF_MODIFIED_SINCE);
  return since !== null && isUnmodifiedSince(parseHttpDate(since, now), stored);
}

const IF_NONE_MATCH: FieldName = toFieldName("if-none-match");
const IF_MODIFIED_SINCE: FieldName = toFieldName("if-modified-since");

/** `*` means whatever there is, and there is something. */
function matchesTag(list: string, { etag }: Validators): boolean {
  return list.trim() === "*" || (etag !== null && listMatches(list, etag));
}

/** What doesn't say when it was modified, was so when it was made, for all that one knows. */
function isUnmodifiedSince(since: number, { lastModified, date, responseTime }: Validators): boolean {
  const made = Number.isNaN(date) ? responseTime : date;
  // Never true of NaN: a date that can't be read is ignored
  return (Number.isNaN(lastModified) ? made : lastModified) <= since;
}
