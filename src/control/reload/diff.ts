import { isDeepStrictEqual } from "node:util";
import { isSecretTest, maskSecrets } from "../../config/mask-secrets.ts";
import type { RunSpec } from "../../worker/run-spec.ts";
import { toPlainSpec } from "./plain-spec.ts";

/** How something comes into effect. */
type Applied =
  /** In the threads that run, for what begins from then on. */
  | "in place"
  /** In threads that take the place of those that run. */
  | "new generation"
  /** Not before the process is started anew or upgraded. */
  | "restart";

/** One thing that differs between two configurations. Plain data, without secrets. */
export interface Change {
  /** As a person would write it: `listeners[web].routes[2].upstream`. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** In normal form; null where there was or is nothing. */
  readonly before: unknown;
  readonly after: unknown;
  readonly applied: Applied;
}

/** What differs between two things that are run, in the order of the configuration. */
export function diffSpecs(before: RunSpec, after: RunSpec): Change[] {
  const changes: Change[] = [];
  compare(toPlainSpec(before), toPlainSpec(after), "", (path, one, other) => {
    changes.push({ path, ...values(one, other, path), applied: appliedOf(path) });
  });
  return changes;
}

/** A change in one line: `listeners[web].routes[2].upstream: "one" → "two"`. */
export function describeChange({ path, kind, before, after }: Change): string {
  switch (kind) {
    case "added":
      return `+ ${path}: ${toText(after)}`;
    case "removed":
      return `- ${path}: ${toText(before)}`;
    case "changed":
      return `~ ${path}: ${toText(before)} → ${toText(after)}`;
  }
}

/** What concerns the process as a whole, and was settled when it began. */
const BY_RESTART = /^(?:daemon|working_directory|umask|user|group|fips|key_log|stats|upgrade_sock)\b/;
/** What threads are made of. */
const BY_GENERATION = /^(?:(?:program|toxics|binds|threads|seed)\b|filters\[[^\]]*\](?:\.module)?$)/;

function appliedOf(path: string): Applied {
  if (BY_RESTART.test(path)) return "restart";
  return BY_GENERATION.test(path) ? "new generation" : "in place";
}

const ABSENT: unique symbol = Symbol("absent");

type Value = unknown | typeof ABSENT;
type Tell = (path: string, before: Value, after: Value) => void;

function values(before: Value, after: Value, path: string): Pick<Change, "kind" | "before" | "after"> {
  const name = /(\w+)$/.exec(path)?.[1] ?? "";
  const kind = before === ABSENT ? "added" : after === ABSENT ? "removed" : "changed";
  const mask = (value: Value): unknown => (value === ABSENT ? null : maskSecrets(value, name));
  return { kind, before: mask(before), after: mask(after) };
}

function compare(before: Value, after: Value, path: string, tell: Tell): void {
  if (isDeepStrictEqual(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) compareLists(before, after, path, tell);
  else if (isPlain(before) && isPlain(after)) compareObjects(before, after, path, tell);
  else tell(path, before, after);
}

function compareObjects(before: Plain, after: Plain, path: string, tell: Tell): void {
  // What has become another kind of thing has nothing in common with what it was.
  if (before["kind"] !== after["kind"] || isSecretTest(before) || isSecretTest(after)) {
    tell(path, before, after);
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    compare(partOf(before, key), partOf(after, key), path === "" ? key : `${path}.${key}`, tell);
}

/** Things with names are told apart by those; others by where they stand. */
function compareLists(before: readonly unknown[], after: readonly unknown[], path: string, tell: Tell): void {
  const all = [...before, ...after];
  if (all.every((item) => nameOf(item) !== null)) compareNamed(before, after, path, tell);
  else if (all.every(isPlain)) comparePlaces(before, after, path, tell);
  else tell(path, before, after);
}

function compareNamed(before: readonly unknown[], after: readonly unknown[], path: string, tell: Tell): void {
  const [known, next] = [byName(before), byName(after)];
  for (const name of new Set([...known.keys(), ...next.keys()]))
    compare(known.get(name) ?? ABSENT, next.get(name) ?? ABSENT, `${path}[${name}]`, tell);
  const stay = (names: Iterable<string>, others: ReadonlyMap<string, unknown>): string[] =>
    [...names].filter((name) => others.has(name));
  const [order, wanted] = [stay(known.keys(), next), stay(next.keys(), known)];
  if (!isDeepStrictEqual(order, wanted)) tell(`${path} in this order`, order, wanted);
}

/** What is the same at the beginning and at the end is left out, so that what comes between moves nothing. */
function comparePlaces(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
  tell: Tell,
): void {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && isDeepStrictEqual(before[head], after[head])) head++;
  let tail = 0;
  while (tail < most - head && isDeepStrictEqual(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const [ends, wanted] = [before.length - tail, after.length - tail];
  for (let at = head; at < Math.max(ends, wanted); at++) {
    const [one, other] = [at < ends ? before[at] : ABSENT, at < wanted ? after[at] : ABSENT];
    const name = one === ABSENT ? nameOf(other) : nameOf(one);
    const isNamed = name !== null && (other === ABSENT || nameOf(other) === name);
    compare(one, other, `${path}[${isNamed ? name : at}]`, tell);
  }
}

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function partOf(object: Plain, key: string): Value {
  return Object.hasOwn(object, key) ? object[key] : ABSENT;
}

function byName(items: readonly unknown[]): Map<string, unknown> {
  return new Map(items.map((item) => [nameOf(item)!, item]));
}

function nameOf(item: unknown): string | null {
  if (!isPlain(item)) return null;
  const { name, address } = item;
  if (typeof name === "string") return name;
  return typeof address === "string" ? address : null;
}

/** Characters of a value in a line, beyond which nobody would read it. */
const LONGEST = 160;

function toText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
