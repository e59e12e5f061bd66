import type * as z from "zod";
import { nearestWord } from "../base/nearest-word.ts";
import { ConfigError } from "./config-error.ts";
import { isSecretPart, maskSecrets } from "./mask-secrets.ts";
import type { IssueParams } from "./schema/values.ts";
import type { Finding, ProblemLocator } from "./source-document.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** What the schema has against a value, as findings: what was found, what was expected, what was probably meant. */
export function toFindings(issues: readonly Issue[], value: unknown): Finding[] {
  return issues.flatMap((issue) => fromIssue(issue, value, []));
}

/** Findings as an error, each once and with its place, in the order of the file. */
export function toConfigError(findings: readonly Finding[], source: ProblemLocator): ConfigError {
  const problems = withoutRepetition(findings).map((finding) => source.locate(finding));
  return new ConfigError(problems.sort((a, b) => a.line - b.line || a.column - b.column));
}

/** Leaves out what is said twice, and what only follows from a misspelt key. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  const explained = new Set(findings.flatMap(whatFollowsFrom));
  const news = findings.filter(({ path, atKey }) => atKey === true || !explained.has(keyOf(path)));
  return [...new Map(news.map((finding) => [JSON.stringify(finding), finding])).values()];
}

/** Where a key is misspelt, its map lacks something, and the key that was meant is missing: no news. */
function whatFollowsFrom({ path, atKey, suggestion }: Finding): string[] {
  if (atKey !== true) return [];
  const map = path.slice(0, -1);
  return [keyOf(map), ...(suggestion === undefined ? [] : [keyOf([...map, suggestion])])];
}

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

function fromIssue(issue: Issue, root: unknown, base: Path): Finding[] {
  const path = [...base, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(key, issue.message.split(", "), path));
    case "invalid_union":
      return fromUnion(issue, root, path);
    case "invalid_key":
      return [wrongKey(issue, path)];
    case "invalid_value":
      return [fromChoice(issue, root, path)];
    default:
      return [mismatch(issue, root, path)];
  }
}

function unknownKey(key: string, known: readonly string[], path: Path): Finding {
  const suggestion = nearestWord(key, known);
  const finding = { path: [...path, key], message: `unknown key ${show(key)}`, atKey: true };
  if (suggestion !== undefined) return { ...finding, suggestion };
  return { ...finding, expected: `one of ${known.join(", ")}` };
}

function wrongKey({ issues: [inner] }: z.core.$ZodIssueInvalidKey, path: Path): Finding {
  const reason = inner === undefined ? undefined : paramsOf(inner).reason;
  const message = reason ?? `${show(path.at(-1))} can't be a name here`;
  return { path, message, expected: inner?.message ?? "another name", atKey: true };
}

function fromChoice(issue: z.core.$ZodIssueInvalidValue, root: unknown, path: Path): Finding {
  const found = valueAt(root, path);
  const suggestion = typeof found === "string" ? nearestWord(found, issue.values.map(String)) : undefined;
  const finding = mismatch(issue, root, path);
  return suggestion === undefined ? finding : { ...finding, suggestion };
}

function mismatch(issue: Issue, root: unknown, path: Path): Finding {
  const found = valueAt(root, path);
  const { reason, ...hints } = paramsOf(issue);
  const name = path.at(-1);
  if (found === undefined && typeof name === "string") {
    return { path, message: `${name} is missing`, expected: issue.message };
  }
  return { path, message: reason ?? `found ${describe(found, path)}`, expected: issue.message, ...hints };
}

function paramsOf(issue: Issue): IssueParams {
  return issue.code === "custom" ? (issue.params ?? {}) : {};
}

/**
 * The forms of a union differ in type, so the form that was meant is the one whose type fits: its issues are the answer. If
 * none fits, or several do, or it is a word that wasn't guessed, the answer is what all forms together expect.
 */
function fromUnion(issue: z.core.$ZodIssueInvalidUnion, root: unknown, path: Path): Finding[] {
  const found = valueAt(root, path);
  const meant = issue.errors.filter((branch) => !branch.some((one) => isOfOtherType(one, found)));
  const [form] = meant;
  if (meant.length === 1 && !form!.every(isWrongWord))
    return form!.flatMap((one) => fromIssue(one, root, path));
  const words = issue.errors.length === 0 ? wordsIn(issue.message) : issue.errors.flat().flatMap(wordsOf);
  const suggestion = typeof found === "string" ? nearestWord(found, words) : undefined;
  const finding = mismatch(issue, root, path);
  return [suggestion === undefined ? finding : { ...finding, suggestion }];
}

function isOfOtherType(issue: Issue, found: unknown): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === "invalid_type") return true;
  if (issue.code === "invalid_value") return !issue.values.some((value) => typeof value === typeof found);
  return (
    issue.code === "invalid_union" &&
    issue.errors.every((branch) => branch.some((one) => isOfOtherType(one, found)))
  );
}

/** Of a union that tells its forms apart by a word, where none has that word, the message alone is left. */
function wordsIn(message: string): string[] {
  return message.replace(/^one of /, "").split(", ");
}

function isWrongWord(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === "invalid_value") return true;
  return issue.code === "invalid_union" && issue.errors.every((branch) => branch.every(isWrongWord));
}

/** The words that a form offers. */
function wordsOf(issue: Issue): string[] {
  if (issue.path.length > 0) return [];
  if (issue.code === "invalid_value") return issue.values.filter((value) => typeof value === "string");
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(wordsOf) : [];
}

/** What stands at a path; undefined when nothing does. */
function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

const SHOWN_LENGTH = 60;

function describe(value: unknown, path: Path): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  if (path.some(isSecretPart)) return typeof value === "string" ? "a text" : `a ${typeof value}`;
  return show(maskSecrets(value));
}

export function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > SHOWN_LENGTH ? `${shown.slice(0, SHOWN_LENGTH)}…` : shown;
}
