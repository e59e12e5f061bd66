import type { Random } from "../../base/random.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { currentAge, wholeSeconds } from "../../cache/rules/age.ts";
import { type CacheStatus, formatCacheStatus } from "../../cache/rules/cache-status.ts";
import { MultipartRanges } from "../../cache/rules/multipart-ranges.ts";
import { isNotModified } from "../../cache/rules/preconditions.ts";
import { type ByteRange, contentRange, rangesFor, unsatisfiedRange } from "../../cache/rules/ranges.ts";
import { RequestField } from "../../cache/rules/request-fields.ts";
import { type RequestHead, ResponseHead } from "../../http/heads.ts";
import { storedHead } from "./stored-source.ts";
import { type BodyPart, NOTHING, WHOLE } from "./stored-stream.ts";

/** A request that is answered from an entry. */
export interface AskedFor {
  readonly request: RequestHead;
  /** As `requestFieldsOf` found them. */
  readonly fields: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: Random;
}

/** What a client gets of an entry. */
export interface StoredAnswer {
  readonly head: ResponseHead;
  readonly parts: readonly BodyPart[];
}

const CONDITIONAL = RequestField.IfNoneMatch | RequestField.IfModifiedSince | RequestField.Range;
/**
 * The fields of a 304 that is made of a stored response (RFC 9110 §15.4.5): those by which the client finds and freshens what
 * it has. The rest it has.
 */
const IN_NOT_MODIFIED: ReadonlySet<string> = new Set([
  "cache-control",
  "content-location",
  "date",
  "etag",
  "expires",
  "last-modified",
  "vary",
]);
const view = new MetaView();

/**
 * What a request gets of a stored response: 304, parts of it, its head, or all of it.
 * @param meta of the entry
 * @param length of its body; -1 while nobody knows
 */
export function toAnswer(meta: Buffer, length: number, asked: AskedFor): StoredAnswer {
  const isHead = asked.request.method === "HEAD";
  if ((asked.fields & CONDITIONAL) !== 0) {
    const answer = answerCondition(view.of(meta), meta, length, asked);
    if (answer !== null) return answer;
  }
  if (!isHead) return { head: storedHead(meta, length < 0 ? "unknown" : length), parts: WHOLE };
  const head = storedHead(meta, "none");
  if (length >= 0) head.headers.set("Content-Length", String(length));
  return { head, parts: NOTHING };
}

function answerCondition(
  entry: MetaView,
  meta: Buffer,
  length: number,
  asked: AskedFor,
): StoredAnswer | null {
  const { request, fields, now } = asked;
  const { status, etag, lastModified, date, responseTime } = entry;
  const validators = { status, etag, lastModified, date, responseTime };
  if (isNotModified(request, fields, validators, now)) return { head: notModified(entry), parts: NOTHING };
  const ranges = length < 0 ? null : rangesFor(request, fields, validators, length, now);
  if (ranges === null) return null;
  if (ranges.length === 0) return { head: unsatisfied(length), parts: NOTHING };
  return ranges.length === 1
    ? onePart(meta, ranges[0]!, length)
    : manyParts(entry, meta, ranges, length, asked.random);
}

function notModified(entry: MetaView): ResponseHead {
  const headers = entry.lines().filter(([name]) => IN_NOT_MODIFIED.has(name.toLowerCase()));
  return ResponseHead.from({
    status: 304,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  });
}

function unsatisfied(length: number): ResponseHead {
  return ResponseHead.from({
    status: 416,
    headers: { "Content-Range": unsatisfiedRange(length) },
    body: 0,
  });
}

function onePart(meta: Buffer, range: ByteRange, length: number): StoredAnswer {
  const head = storedHead(meta, range.end - range.start);
  head.status = 206;
  head.headers.set("Content-Range", contentRange(range, length));
  return { head, parts: [range] };
}

function manyParts(
  entry: MetaView,
  meta: Buffer,
  ranges: readonly ByteRange[],
  length: number,
  random: Random,
): StoredAnswer {
  const type = entry.lines().find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? null;
  const multipart = new MultipartRanges(ranges, length, type, random);
  const head = storedHead(meta, multipart.length);
  head.status = 206;
  head.headers.set("Content-Type", multipart.contentType);
  const parts: BodyPart[] = multipart.parts.flatMap(({ head: before, start, end }) => [
    Buffer.from(before, "latin1"),
    { start, end },
  ]);
  parts.push(Buffer.from(multipart.end, "latin1"));
  return { head, parts };
}

/** What became of a request that is answered from the cache with what was there. */
export const HIT: CacheStatus = { forward: null };

/** What hits are told. All that are of one age and stay fresh for as long are told the same. */
interface HitLines {
  readonly cache: string;
  readonly age: number;
  readonly ttl: number;
  readonly lines: string;
  readonly bytes: Buffer;
}

/** Places for them, by their ages; a power of two. */
const KEPT = 256;
const kept: HitLines[] = new Array<HitLines>(KEPT).fill({
  ...{ cache: "", age: -1, ttl: 0, lines: "" },
  bytes: Buffer.alloc(0),
});

/** The same as `tellOfCache` says of a `HIT`, which costs ten times as much to put together. @param born as the meta has it */
export function tellOfHit(head: ResponseHead, born: number, ttl: number, now: number, cache: string): void {
  const age = wholeSeconds(currentAge(born, now));
  const place = age & (KEPT - 1);
  let told = kept[place]!;
  if (told.age !== age || told.ttl !== ttl || told.cache !== cache) {
    const status = formatCacheStatus(cache, { ...HIT, ttl });
    const bytes = Buffer.from(`Age: ${age}\r\nCache-Status: ${status}\r\n`, "latin1");
    told = { cache, age, ttl, lines: bytes.toString("latin1"), bytes };
    kept[place] = told;
  }
  head.ownLines = told.lines;
  head.ownBytes = told.bytes;
}

/** How old the response is, and what the cache did for it. */
export function tellOfCache(
  head: ResponseHead,
  meta: Buffer | null,
  now: number,
  cache: string,
  status: CacheStatus,
): void {
  let lines = `Cache-Status: ${formatCacheStatus(cache, status)}\r\n`;
  if (meta !== null) {
    const age = wholeSeconds(currentAge(view.of(meta).bornAt, now));
    // Of what has just come the client needn't be told that it is new.
    if (status.forward === null || age > 0) lines = `Age: ${age}\r\n${lines}`;
  }
  head.ownLines = lines;
}
