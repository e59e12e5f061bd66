import { findParts, rangeIn } from "./parts.ts";
import type { Question, Reply } from "./question.ts";
import { bodyOf, endOf, etagOf, modifiedAt, mostAge } from "./resource.ts";

/**
 * What a proxy may be held to beyond what any can do: that it tells ages, obeys `Cache-Control` of requests, takes over the fields of a
 * 304, keeps what comes to somebody known from others, forgets what was changed by a POST, asks once for many, and knows several
 * ranges at once.
 */
export type Ability =
  | "age"
  | "requests"
  | "freshening"
  | "authorization"
  | "invalidation"
  | "collapsing"
  | "multipart";

export const abilities: readonly Ability[] = [
  ...(["age", "requests", "freshening", "authorization"] as const),
  ...(["invalidation", "collapsing", "multipart"] as const),
];

/** What else is known. */
export interface Rules {
  readonly abilities: ReadonlySet<Ability>;
  /** Milliseconds that it may be late: ages are whole seconds. */
  readonly slack: number;
  /** What was made before that may not be seen any more, milliseconds: it was purged, or changed. */
  readonly barrier: number;
}

/** What can be wrong with an answer. */
export type Flaw =
  | "status"
  | "identity"
  | "variant"
  | "bytes"
  | "cut"
  | "stuck"
  | "old"
  | "age"
  | "leak"
  | "condition"
  | "range";

export interface Complaint {
  readonly flaw: Flaw;
  readonly text: string;
}

/** Holds an answer against what the path says; empty: it is right. */
export function check(question: Question, reply: Reply, rules: Rules): readonly Complaint[] {
  const complaints: Complaint[] = [];
  const blame = (flaw: Flaw, text: string): void => void complaints.push({ flaw, text });
  const { status } = reply;
  const { fault } = question.resource;
  const mayFail = fault !== "none";
  // Also where the origin broke off: whoever waits has to hear of it.
  if (reply.isStuck) blame("stuck", "nothing came any more");
  if (status === 0 || status >= 500) {
    if (!mayFail) blame("status", `${status === 0 ? "no answer" : status} though nothing failed`);
    return complaints;
  }
  if (!reply.isWhole && question.leavesAfter === undefined && !mayFail) blame("cut", "broke off");
  if (status === 416) checkUnsatisfiable(question, blame);
  else if (status === 304) checkUnchanged(question, reply, rules, blame);
  else if (status === 200 || status === 206) {
    checkIdentity(question, reply, blame);
    if (rules.abilities.has("authorization")) checkOwner(question, reply, blame);
    checkTime(question, reply, rules, blame);
    if (status === 200) checkWhole(question, reply, blame);
    else checkParts(question, reply, blame);
  } else blame("status", `status ${status}`);
  return complaints;
}

type Blame = (flaw: Flaw, text: string) => void;

function field(reply: Reply, name: string): string | undefined {
  const value = reply.fields[name];
  return value === undefined ? undefined : String(value);
}

/** Whose it is, and what. */
function checkIdentity({ resource, kind }: Question, reply: Reply, blame: Blame): void {
  const version = Number(field(reply, "x-version"));
  const variant = field(reply, "x-variant") ?? "";
  if (field(reply, "x-id") !== String(resource.id)) blame("identity", `is of ${field(reply, "x-id")}`);
  if (resource.varies && variant !== kind) blame("variant", `is for ${variant}, asked for ${kind}`);
  const etag = field(reply, "etag");
  const hasTag = resource.validator === "etag" || resource.validator === "weak";
  if (hasTag && etag?.replace("W/", "") !== etagOf(resource, version, kind).replace("W/", "")) {
    blame("identity", `version ${version} with ETag ${etag}`);
  }
}

/** What came to somebody known is for nobody else (RFC 9111 §3.5). */
function checkOwner({ user }: Question, reply: Reply, blame: Blame): void {
  const owner = field(reply, "x-for") ?? "all";
  if (owner !== "all" && owner !== user)
    blame("leak", `made for ${owner}, given to ${user ?? "nobody known"}`);
}

/** Whether it may be so old. */
function checkTime(question: Question, reply: Reply, rules: Rules, blame: Blame): void {
  const { resource, noCache } = question;
  const made = Number(field(reply, "x-made"));
  const version = Number(field(reply, "x-version"));
  const { started } = reply;
  const known = rules.abilities;
  // Without its fields a 304 says only that the version is still the same.
  const newest = known.has("freshening") ? made : Math.max(made, Math.min(endOf(resource, version), started));
  const isOwn = resource.sharing === "nobody" || resource.sharing === "private";
  if (isOwn && made < started - 1) blame("old", `isn't to be kept, and made ${started - made} ms before`);
  const allowed = noCache && known.has("requests") ? 0 : mostAge(resource) * 1000;
  if (newest < started - allowed - rules.slack) {
    blame("old", `${started - newest} ms old, ${allowed} allowed`);
  }
  if (made < rules.barrier - 1)
    blame("old", `made ${rules.barrier - made} ms before it was purged or changed`);
  if (known.has("age")) checkAge(question, reply, made, rules.slack, blame);
}

/** What it took the origin to answer may count too (RFC 9111 §4.2.3). */
function checkAge({ resource }: Question, reply: Reply, made: number, slack: number, blame: Blame): void {
  const text = field(reply, "age");
  const least = reply.started - made - slack;
  const most = reply.ended - Math.min(made, reply.started) + resource.delay + slack;
  if (text === undefined) {
    if (least > 0) blame("age", `no Age at ${reply.started - made} ms`);
  } else if (Number(text) * 1000 < least || Number(text) * 1000 > most) {
    blame("age", `Age: ${text} at ${reply.started - made} ms`);
  }
}

function expectedBody({ resource, kind }: Question, reply: Reply): Buffer {
  return bodyOf(resource, Number(field(reply, "x-version")), kind);
}

function checkWhole(question: Question, reply: Reply, blame: Blame): void {
  const expected = expectedBody(question, reply);
  const length = field(reply, "content-length");
  if (length !== undefined && Number(length) !== expected.length) {
    blame("bytes", `Content-Length: ${length} of ${expected.length}`);
  }
  if (question.method === "HEAD") return;
  const { body, isWhole } = reply;
  if (!body.equals(expected.subarray(0, body.length))) blame("bytes", `other bytes of ${body.length}`);
  if (isWhole && body.length !== expected.length) {
    blame("cut", `${body.length} of ${expected.length} bytes as if they were all`);
  }
}

function checkParts(question: Question, reply: Reply, blame: Blame): void {
  const { resource, kind, parts, ifRange } = question;
  const version = Number(field(reply, "x-version"));
  if (parts.length === 0) {
    blame("range", "a part that wasn't asked for");
    return;
  }
  if (ifRange !== undefined && !matchesRangeCondition(ifRange)) {
    blame("range", `a part, though ${ifRange} is another version than ${version}`);
  }
  const expected = expectedBody(question, reply);
  const found = findParts(field(reply, "content-type") ?? "", field(reply, "content-range"), reply.body);
  for (const { first, last, size, bytes } of found) {
    if (size !== expected.length) blame("range", `of ${size} bytes, which are ${expected.length}`);
    const isAsked = parts.some((part) => first >= part[0] && last <= part[1]) || parts.length > 1;
    if (!isAsked) blame("range", `${first}-${last} wasn't asked for`);
    if (question.method === "HEAD") continue;
    if (!bytes.equals(expected.subarray(first, first + bytes.length))) blame("bytes", `in ${first}-${last}`);
    if (reply.isWhole && bytes.length !== last - first + 1)
      blame("cut", `${bytes.length} of ${first}-${last}`);
  }
  checkExtent(question, reply, found, expected.length, blame);

  function matchesRangeCondition(condition: string): boolean {
    if (!condition.includes('"')) return Date.parse(condition) === modifiedAt(resource, version);
    // A weak one never matches.
    return resource.validator === "etag" && condition === etagOf(resource, version, kind);
  }
}

/** All that was asked for, and was there, has to be in it. */
function checkExtent(
  { parts, method }: Question,
  { isWhole }: Reply,
  found: readonly { readonly first: number; readonly last: number }[],
  size: number,
  blame: Blame,
): void {
  if (!isWhole || method === "HEAD") return;
  for (const part of parts) {
    const wanted = rangeIn(part, size);
    if (wanted === null) continue;
    if (!found.some(({ first, last }) => first <= wanted[0] && last >= wanted[1])) {
      blame("range", `without ${wanted.join("-")}`);
    }
  }
}

function checkUnsatisfiable({ resource, parts }: Question, blame: Blame): void {
  if (parts.length === 0) blame("range", "416 to no range");
  else if (parts.some((part) => rangeIn(part, resource.size) !== null))
    blame("range", "416 to a range that is there");
}

function checkUnchanged(question: Question, reply: Reply, rules: Rules, blame: Blame): void {
  const { resource, kind, ifNoneMatch, ifModifiedSince } = question;
  if (ifNoneMatch === undefined && ifModifiedSince === undefined) {
    blame("condition", "304 to no condition");
    return;
  }
  if (reply.body.length > 0) blame("bytes", "304 with a body");
  const version = knownVersion(question);
  if (version === null) {
    blame("condition", `304 to ${ifNoneMatch ?? ifModifiedSince}, which never was`);
    return;
  }
  if (resource.varies && ifNoneMatch !== undefined && !ifNoneMatch.endsWith(`-${kind}"`)) {
    blame("variant", `304 to ${ifNoneMatch}, asked for ${kind}`);
  }
  const oldest = reply.started - mostAge(resource) * 1000 - rules.slack;
  if (endOf(resource, version) < oldest) {
    blame(
      "condition",
      `304 to version ${version}, which ended ${reply.started - endOf(resource, version)} ms before`,
    );
  }
  if (endOf(resource, version) < rules.barrier) blame("old", "304 to what was purged or changed");
}

/** The version that a condition names; null when it is none. */
function knownVersion({ resource, ifNoneMatch, ifModifiedSince }: Question): number | null {
  if (ifNoneMatch !== undefined) {
    const named = /^(?:W\/)?"(\d+)-(\d+)-/.exec(ifNoneMatch);
    return named !== null && Number(named[1]) === resource.id ? Number(named[2]) : null;
  }
  return Math.floor(Date.parse(ifModifiedSince ?? "") / (resource.period * 1000));
}
