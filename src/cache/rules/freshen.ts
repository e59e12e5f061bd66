import { ResponseHead } from "../../http/heads.ts";
import type { FieldLine, ResponseMeta } from "../meta.ts";
import type { MetaView } from "../meta-view.ts";
import { type CacheDirectives, Directive } from "./directives.ts";
import { isStrong, matchesWeakly } from "./entity-tags.ts";
import { lifetimeOf } from "./lifetime.ts";
import type { CachePolicy } from "./policy.ts";
import { type ResponseFacts, readResponse } from "./response-facts.ts";
import { type NotStored, whyForOne } from "./storability.ts";
import { storedFields } from "./stored-fields.ts";
import { toMeta } from "./to-meta.ts";
import { varyNames } from "./vary-names.ts";
import { factsBy, type StoredAs } from "./verdict.ts";

/**
 * What a 304 never changes (RFC 9111 §3.2): it describes the body that is stored, and servers that
 * code on the fly say something else of the body that they don't send.
 */
const NOT_UPDATED: ReadonlySet<string> = new Set(["content-encoding", "content-range", "content-length"]);

/**
 * Whether a 304 is about the response that was asked about (RFC 9111 §4.3.4). One with another tag or date isn't, nor is one
 * that varies by other fields: then all of it is to be asked for again. One that says nothing is: it answers our own question.
 */
export function isAbout(facts: ResponseFacts, entry: MetaView): boolean {
  const { etag, lastModified, vary } = facts;
  if (vary !== null && !variesAlike(vary, entry.vary ?? "")) return false;
  if (etag !== null) {
    const stored = entry.etag;
    return stored !== null && (isStrong(etag) ? etag === stored : matchesWeakly(etag, stored));
  }
  return (
    Number.isNaN(lastModified) || Number.isNaN(entry.lastModified) || lastModified === entry.lastModified
  );
}

function variesAlike(vary: string, stored: string): boolean {
  return varyNames(vary)?.join(",") === varyNames(stored)?.join(",");
}

/** Whose question it was that a 304 answers. */
export interface Asker {
  /** Of the request, as `requestFieldsOf` found them. */
  readonly fields: number;
  /** Of the request; null when it says nothing. */
  readonly asked: CacheDirectives | null;
  /** Of the purges, when it was asked. */
  readonly generation: number;
}

/** What a 304 has made of what is stored. */
export interface Freshened {
  readonly meta: ResponseMeta;
  /**
   * Why that is for nobody but who asked, and isn't stored; null: it is. A 304 has fields of its own, and what forbids to store a
   * response forbids to store these (RFC 9111 §3, §3.5).
   */
  readonly why: NotStored | null;
}

/**
 * What is stored, or at least sent, once a 304 has said that it holds: the fields of the 304 in place of those that it names,
 * and times and lifetime by what is there then.
 * @param update the 304
 * @param facts of the update
 * @param as what a program says of it; null: nothing
 * @returns null when it doesn't fit in a meta any more
 */
export function freshen(
  entry: MetaView,
  update: ResponseHead,
  facts: ResponseFacts,
  policy: CachePolicy,
  asker: Asker,
  as: StoredAs | null = null,
): Freshened | null {
  const merged = mergedHead(entry, update, facts, policy);
  const told = readResponse(merged, policy, facts.requestTime, facts.responseTime);
  const mergedFacts = as === null ? told : factsBy(as, told);
  const lifetime = lifetimeOf(mergedFacts, policy);
  const meta = toMeta(merged, mergedFacts, lifetime, policy, {
    key: entry.key,
    bodyLength: entry.bodyLength,
    epoch: entry.epoch,
    generation: asker.generation,
    ...(as?.tags === undefined ? {} : { tags: as.tags }),
  });
  return meta && { meta, why: whyNotUpdated(asker, mergedFacts.directives) };
}

function whyNotUpdated({ fields, asked }: Asker, directives: CacheDirectives): NotStored | null {
  if (asked?.has(Directive.NoStore) === true) return "request-no-store";
  return directives.has(Directive.NoStore) ? "no-store" : whyForOne(fields, directives);
}

/** What is stored, as a 304 has changed it. */
export function mergedHead(
  entry: MetaView,
  update: ResponseHead,
  facts: ResponseFacts,
  policy: CachePolicy,
): ResponseHead {
  const received = storedFields(update.headers, facts.directives);
  const headers = mergedFields(entry.lines(), policy.storesCookies ? received : withoutCookies(received));
  if (!update.headers.has("date")) {
    // It was made when it came (RFC 9110 §6.6.1); the date that is stored is another response's.
    setDate(headers, facts.responseTime);
  }
  const age = update.headers.get("age");
  if (age !== null) headers.push(["Age", age]);
  return ResponseHead.from({ status: entry.status, headers });
}

/** A cookie that comes with a 304 is for whom it is sent to. */
function withoutCookies(fields: readonly FieldLine[]): FieldLine[] {
  return fields.filter(([name]) => name.toLowerCase() !== "set-cookie");
}

function mergedFields(stored: readonly FieldLine[], received: readonly FieldLine[]): FieldLine[] {
  const updates = received.filter(([name]) => !NOT_UPDATED.has(name.toLowerCase()));
  const updated = new Set(updates.map(([name]) => name.toLowerCase()));
  return [...stored.filter(([name]) => !updated.has(name.toLowerCase())), ...updates];
}

function setDate(fields: FieldLine[], time: number): void {
  const date: FieldLine = ["Date", new Date(time).toUTCString()];
  const at = fields.findIndex(([name]) => name.toLowerCase() === "date");
  if (at === -1) fields.push(date);
  else fields[at] = date;
}
