import { ProxyError } from "../base/errors.ts";
import type { Session } from "../proxy/session.ts";
import { ClientAddresses } from "./client-addresses.ts";
import { compileMatch, looksAtPath } from "./matchers/combine.ts";
import { isWildcard } from "./matchers/host.ts";
import { type Predicate, Subject } from "./matchers/subject.ts";
import { plainPathLength, readingsOf } from "./request-path.ts";
import type { Match } from "./settings.ts";

/** What a table needs to know of a route. */
export interface TableEntry {
  readonly match: Match | null;
  /** True when the path decides what becomes of the request, not only where it goes. */
  readonly readsPath: boolean;
}

interface Candidate<R> {
  readonly route: R;
  /** Null: takes every request that gets here. */
  readonly matches: Predicate | null;
}

/** Below that many routes with hosts, asking each is as fast as looking them up. */
const HOSTS_WORTH_A_MAP = 4;

/**
 * Routes in order; the first that matches takes the request. Where many routes name their hosts, those that can't match
 * are never asked:
 *
 *     a.com ──▶ [ route 1 · route 4 ]        each list in the order of the file,
 *     b.com ──▶ [ route 2 · route 4 ]        with the routes for any host in every one
 *     else  ──▶ [ route 3 · route 4 ]        route 3: *.c.com
 */
export class RouteTable<R extends TableEntry> {
  readonly #others: readonly Candidate<R>[];
  readonly #byHost: ReadonlyMap<string, readonly Candidate<R>[]> | null;
  readonly #readsPaths: boolean;
  readonly #subject: Subject;

  constructor(routes: readonly R[], trustedProxies: readonly string[] = []) {
    this.#subject = new Subject(new ClientAddresses(trustedProxies));
    this.#readsPaths = routes.some(
      ({ match, readsPath }) => readsPath || (match !== null && looksAtPath(match)),
    );
    const hosts = new Set(routes.flatMap((route) => exactHostsOf(route) ?? []));
    const isIndexed = hosts.size >= HOSTS_WORTH_A_MAP;
    this.#others = toCandidates(routes, isIndexed ? null : undefined);
    this.#byHost = isIndexed ? new Map([...hosts].map((host) => [host, toCandidates(routes, host)])) : null;
  }

  /**
   * The route for a request, null when there is none for some reading of its path.
   * @throws ProxyError `DOWNSTREAM_BAD_REQUEST` when servers could read the path differently and it matters
   */
  find(session: Session<unknown>): R | null {
    const subject = this.#subject;
    subject.begin(session);
    const candidates =
      this.#byHost === null ? this.#others : (this.#byHost.get(subject.host) ?? this.#others);
    if (!this.#readsPaths) return first(candidates, subject);
    const { target } = session.request;
    const length = plainPathLength(target);
    if (length === -1) return findUnambiguous(candidates, subject);
    subject.path = length === target.length ? target : target.slice(0, length);
    return first(candidates, subject);
  }
}

function first<R>(candidates: readonly Candidate<R>[], subject: Subject): R | null {
  for (const { route, matches } of candidates) if (matches === null || matches(subject)) return route;
  return null;
}

function findUnambiguous<R>(candidates: readonly Candidate<R>[], subject: Subject): R | null {
  const { path } = subject.request;
  const readings = readingsOf(path);
  if (readings === null) throw refusal("is not allowed", path);
  const routes = new Set<R | null>();
  for (const reading of readings) {
    subject.path = reading;
    routes.add(first(candidates, subject));
  }
  if (routes.has(null)) return null;
  const [route = null] = routes;
  if (routes.size === 1) return route;
  throw refusal("can be read in several ways, which lead to different routes", path);
}

function refusal(problem: string, path: string): ProxyError {
  return new ProxyError("DOWNSTREAM_BAD_REQUEST", `the path ${JSON.stringify(path)} ${problem}`);
}

/** @param host only routes that may match it; null: those that name no exact host; undefined: all */
function toCandidates<R extends TableEntry>(
  routes: readonly R[],
  host: string | null | undefined,
): Candidate<R>[] {
  return routes.filter((route) => isPossible(route, host)).map((route) => toCandidate(route));
}

function isPossible(route: TableEntry, host: string | null | undefined): boolean {
  if (host === undefined) return true;
  const hosts = exactHostsOf(route);
  return hosts === null || (host !== null && hosts.includes(host));
}

function toCandidate<R extends TableEntry>(route: R): Candidate<R> {
  return { route, matches: route.match === null ? null : compileMatch(route.match) };
}

/** The hosts without which a route can't match, null when it doesn't say or has wildcards. */
function exactHostsOf({ match }: TableEntry): readonly string[] | null {
  const parts = match?.kind === "all" ? match.of : [match];
  for (const part of parts) {
    if (part?.kind === "host" && !part.hosts.some(isWildcard)) return part.hosts;
  }
  return null;
}
