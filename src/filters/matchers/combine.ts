import type { Match } from "../settings.ts";
import { matchClient } from "./client.ts";
import { matchClientCertificate } from "./client-certificate.ts";
import { matchHeader } from "./header.ts";
import { matchHost } from "./host.ts";
import { matchMethod } from "./method.ts";
import { matchPath } from "./path.ts";
import { matchQuery } from "./query.ts";
import type { Predicate } from "./subject.ts";
import { matchWebSocket } from "./websocket.ts";

/** One predicate for a whole match. */
export function compileMatch(match: Match): Predicate {
  switch (match.kind) {
    case "all":
      return all(cheapestFirst(match.of).map(compileMatch));
    case "any":
      return any(cheapestFirst(match.of).map(compileMatch));
    case "not": {
      const inner = compileMatch(match.of);
      return (subject) => !inner(subject);
    }
    case "method":
      return matchMethod(match.methods);
    case "host":
      return matchHost(match.hosts);
    case "path":
      return matchPath(match.paths);
    case "header":
      return matchHeader(match.name, match.test);
    case "query":
      return matchQuery(match.name, match.test);
    case "client":
      return matchClient(match.ranges);
    case "clientCertificate":
      return matchClientCertificate(match.test);
    case "websocket":
      return matchWebSocket(match.wanted);
  }
}

function all(predicates: readonly Predicate[]): Predicate {
  const [first, second] = predicates;
  if (predicates.length === 1) return first!;
  if (predicates.length === 2) return (subject) => first!(subject) && second!(subject);
  return (subject) => {
    for (const matches of predicates) if (!matches(subject)) return false;
    return true;
  };
}

function any(predicates: readonly Predicate[]): Predicate {
  const [first, second] = predicates;
  if (predicates.length === 1) return first!;
  if (predicates.length === 2) return (subject) => first!(subject) || second!(subject);
  return (subject) => {
    for (const matches of predicates) if (matches(subject)) return true;
    return false;
  };
}

/** What a question costs, about in the order of comparing two strings. */
const COST = {
  websocket: 1,
  method: 1,
  host: 2,
  path: 2,
  client: 4,
  header: 6,
  query: 10,
  clientCertificate: 20,
} as const;
const REGEX_COST = 10;

function cheapestFirst(matches: readonly Match[]): Match[] {
  return matches.toSorted((a, b) => costOf(a) - costOf(b));
}

function costOf(match: Match): number {
  switch (match.kind) {
    case "all":
    case "any":
      return match.of.reduce((sum, one) => sum + costOf(one), 0);
    case "not":
      return costOf(match.of);
    case "path":
      return match.paths.some(({ kind }) => kind === "regex") ? REGEX_COST : COST.path;
    default:
      return COST[match.kind];
  }
}

/** True when a match depends on the path, which then has to be read with care. */
export function looksAtPath(match: Match): boolean {
  switch (match.kind) {
    case "all":
    case "any":
      return match.of.some(looksAtPath);
    case "not":
      return looksAtPath(match.of);
    default:
      return match.kind === "path";
  }
}
