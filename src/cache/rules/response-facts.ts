import type { ResponseHead } from "../../http/heads.ts";
import { parseAge } from "./age.ts";
import { parseCacheControl } from "./cache-control.ts";
import { parseHttpDate } from "./dates.ts";
import type { CacheDirectives } from "./directives.ts";
import type { CachePolicy } from "./policy.ts";
import { parseTargeted } from "./targeted.ts";

/** What a response says that a cache goes by, read once. */
export interface ResponseFacts {
  readonly status: number;
  /** Of the targeted field that holds, or else of Cache-Control. */
  readonly directives: CacheDirectives;
  /** By a targeted field: Cache-Control and Expires say nothing then (RFC 9213 §2.2). */
  readonly isTargeted: boolean;
  /** As it came; null without one. */
  readonly expires: string | null;
  /** Milliseconds since 1970; NaN without one that can be read. */
  readonly date: number;
  readonly lastModified: number;
  /** Seconds, of the field Age; 0 without. */
  readonly age: number;
  /** As it came, several lines joined; null without. */
  readonly etag: string | null;
  readonly vary: string | null;
  /** Milliseconds since 1970: when the request was sent, and when this head came. */
  readonly requestTime: number;
  readonly responseTime: number;
}

/** Reads a response that came at `responseTime` to a request that was sent at `requestTime`. */
export function readResponse(
  response: ResponseHead,
  { targetedFields }: CachePolicy,
  requestTime: number,
  responseTime: number,
): ResponseFacts {
  const { headers } = response;
  const targeted = readTargeted(response, targetedFields);
  const age = headers.get("age");
  const date = headers.get("date");
  const lastModified = headers.get("last-modified");
  return {
    status: response.status,
    directives: targeted ?? parseCacheControl(headers.get("cache-control") ?? ""),
    isTargeted: targeted !== null,
    expires: headers.get("expires"),
    date: date === null ? Number.NaN : parseHttpDate(date, responseTime),
    lastModified: lastModified === null ? Number.NaN : parseHttpDate(lastModified, responseTime),
    age: age === null ? 0 : parseAge(age),
    etag: headers.get("etag"),
    vary: headers.get("vary"),
    requestTime,
    responseTime,
  };
}

function readTargeted({ headers }: ResponseHead, names: readonly string[]): CacheDirectives | null {
  for (const name of names) {
    const value = headers.get(name);
    const directives = value === null ? null : parseTargeted(value);
    if (directives !== null) return directives;
  }
  return null;
}
