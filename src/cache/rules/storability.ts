import { type FieldName, toFieldName } from "../../http/field-names.ts";
import { FIELD_STRIDE, NAME_START, VALUE_END } from "../../http/field-table.ts";
import type { RequestHead, ResponseHead } from "../../http/heads.ts";
import { ABSENT, type CacheDirectives, Directive } from "./directives.ts";
import { listsField } from "./field-list.ts";
import { mayBeKept } from "./lifetime.ts";
import { lookalikesOf } from "./lookalikes.ts";
import type { CachePolicy } from "./policy.ts";
import { OVERRIDES, RequestField } from "./request-fields.ts";
import type { ResponseFacts } from "./response-facts.ts";
import { varyNames } from "./vary-names.ts";

/** Why a response isn't stored: stable words, for logs and the `detail` of Cache-Status. */
export type NotStored =
  | "method"
  | "request-body"
  | "request-override"
  | "request-no-store"
  | "status"
  | "partial"
  | "no-store"
  | "private"
  | "authorization"
  | "set-cookie"
  | "vary"
  | "not-reusable";

/** A request and what was fetched for it, but for the response's body. */
export interface Fetched {
  /** As the client made it. For a HEAD the server was asked for all of it (`askForAll`), or its response is none to store. */
  readonly request: RequestHead;
  /** Of the request, as `requestFieldsOf` found them. */
  readonly fields: number;
  /** Of the request; null when it says nothing. */
  readonly asked: CacheDirectives | null;
  readonly response: ResponseHead;
  readonly facts: ResponseFacts;
  /** As `lifetimeOf` found it. */
  readonly lifetime: number;
}

/**
 * Whether, and if not, why a response isn't stored (RFC 9111 §3); null when it is. Whoever serves it must look at the
 * lifetime too: one that is to be revalidated each time is stored as well.
 */
export function whyNotStored(fetched: Fetched, policy: CachePolicy): NotStored | null {
  return byRequest(fetched) ?? byStatus(fetched) ?? byResponse(fetched, policy);
}

function byRequest({ request, fields, asked }: Fetched): NotStored | null {
  const { method, body } = request;
  if (method !== "GET" && method !== "HEAD") return "method";
  // A server may answer to the body of a GET, which no key holds.
  if (body !== "none" && body !== 0) return "request-body";
  if ((fields & RequestField.Override) !== 0 || imitates(request, IMITATED)) return "request-override";
  return asked?.has(Directive.NoStore) === true ? "request-no-store" : null;
}

/** What servers may be told by names that only look like these: they are no override, or not ours, to us alone. */
const IMITATED: readonly FieldName[] = [
  ...OVERRIDES,
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
].map(toFieldName);

function imitates(request: RequestHead, names: readonly FieldName[]): boolean {
  return names.some((name) => lookalikesOf(request, name) !== "");
}

/** What depends on fields of the request that aren't in the key, or isn't the end of it. */
const NEVER_STORED: ReadonlySet<number> = new Set([304, 412, 416]);

/** Final statuses whose meaning RFC 9110 §15 and its extensions give: those that `must-understand` lets store. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409,
  410, 411, 413, 414, 415, 417, 421, 422, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 511,
]);

/** What a server may say of fields of the request that are longer than it likes: others sent none of these. */
const PROVOKED: ReadonlySet<number> = new Set([400, 413, 431]);
/** Servers take as much at the least, Apache twice that of each field. */
const MOST_FIELD_BYTES = 4096;

function byStatus({ request, facts: { status, directives } }: Fetched): NotStored | null {
  if (status < 200 || NEVER_STORED.has(status)) return "status";
  if (PROVOKED.has(status) && fieldBytesOf(request) > MOST_FIELD_BYTES) return "status";
  if (status === 206) return "partial";
  return directives.has(Directive.MustUnderstand) && !UNDERSTOOD.has(status) ? "status" : null;
}

function fieldBytesOf({ source }: RequestHead): number {
  const { offsets, count } = source.table();
  return count === 0 ? 0 : offsets[(count - 1) * FIELD_STRIDE + VALUE_END]! - offsets[NAME_START]!;
}

function byResponse(fetched: Fetched, policy: CachePolicy): NotStored | null {
  const { fields, response, facts } = fetched;
  const { directives, vary } = facts;
  // Whoever understands the status may store in spite of it (RFC 9111 §5.2.2.3).
  if (directives.has(Directive.NoStore) && !directives.has(Directive.MustUnderstand)) return "no-store";
  const isOnes = whyForOne(fields, directives);
  if (isOnes !== null) return isOnes;
  if (!policy.storesCookies && setsCookie(response, directives)) return "set-cookie";
  const forbidden = vary === null ? null : byVary(varyNames(vary), fetched);
  if (forbidden !== null) return forbidden;
  return isReusable(fetched) ? null : "not-reusable";
}

/** Why a response is for nobody but whom it was made for. @param fields of the request, as `requestFieldsOf` found them */
export function whyForOne(fields: number, directives: CacheDirectives): "private" | "authorization" | null {
  if (directives.has(Directive.Private)) return "private";
  return (fields & RequestField.Authorization) !== 0 && !isForAll(directives) ? "authorization" : null;
}

/**
 * What we write ourselves of each client: two that send the same get other responses by it. (`X-Forwarded-Proto` and `-Host` say
 * what is in the key.)
 */
const OF_CLIENT: ReadonlySet<string> = new Set([
  "x-forwarded-for",
  "forwarded",
  "x-forwarded-client-cert",
  "client-cert",
  "client-cert-chain",
]);

/** @param names null for a Vary that no other request can be answered by */
function byVary(names: readonly string[] | null, { request }: Fetched): NotStored | null {
  if (names === null || names.some((name) => OF_CLIENT.has(name))) return "vary";
  return imitates(request, names.map(toFieldName)) ? "request-override" : null;
}

/** Whether it is for others too than whom it was for (RFC 9111 §3.5). */
function isForAll(directives: CacheDirectives): boolean {
  return directives.has(Directive.Public | Directive.MustRevalidate) || directives.sharedMaxAge !== ABSENT;
}

/** Whether there is a cookie that would be stored with it: one that is listed as private wouldn't. */
function setsCookie({ headers }: ResponseHead, { privateFields, noCacheFields }: CacheDirectives): boolean {
  return (
    headers.has("set-cookie") &&
    !listsField(privateFields, "set-cookie") &&
    !listsField(noCacheFields, "set-cookie")
  );
}

/** Something must come of it: it is fresh for a while, or there is a validator to ask by. */
function isReusable({ facts, lifetime }: Fetched): boolean {
  const { directives, etag, lastModified } = facts;
  const hasValidator = etag !== null || !Number.isNaN(lastModified);
  if (lifetime > 0 && !directives.has(Directive.NoCache)) return true;
  const servesStale = directives.staleWhileRevalidate > 0 || directives.staleIfError > 0;
  return (hasValidator || servesStale) && mayBeKept(facts);
}
