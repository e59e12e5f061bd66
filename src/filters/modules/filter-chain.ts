import { isThenable, notPromised } from "../../base/errors.ts";
import type { MaybePromise } from "../../proxy/phases.ts";
import type { BodyFilters, ChunkFilter, Session } from "../../proxy/session.ts";
import type { FilterPhases } from "./filter-module.ts";
import { FilterSession } from "./filter-session.ts";
import type { OwnFilter } from "./own-filter.ts";
import { type Hook, type IsOver, PhaseHooks, toBodyFilter, toFilterError } from "./phase-hooks.ts";

type Phase = keyof FilterPhases;

const isFailed: IsOver = ({ error }) => error !== null;
const isAnswered: IsOver = ({ response }) => response !== null;
/** A phase before the response. */
export const isSettled: IsOver = ({ response, error }) => response !== null || error !== null;
const never: IsOver = () => false;

/** A phase in which filters are called one after the other by `PhaseHooks`. */
export type HookedPhase = Exclude<
  Phase,
  "newContext" | "requestBodyFilter" | "upstreamResponseBodyFilter" | "responseBodyFilter"
>;

/** When the filters that are still to come aren't asked any more. */
const ENDS: Readonly<Record<HookedPhase, IsOver>> = {
  earlyRequestFilter: isSettled,
  requestFilter: isSettled,
  proxyUpstreamFilter: isSettled,
  connectedToUpstream: isSettled,
  failToConnect: isFailed,
  cacheKey: isSettled,
  cacheHitFilter: isSettled,
  cacheMiss: isSettled,
  shouldServeStale: isFailed,
  upstreamRequestFilter: isSettled,
  upstreamResponseFilter: isFailed,
  upstreamResponseTrailerFilter: isFailed,
  responseCacheFilter: isFailed,
  cacheVaryFilter: isFailed,
  responseFilter: isFailed,
  responseTrailerFilter: isFailed,
  errorWhileProxy: isFailed,
  failToProxy: isAnswered,
  logging: never,
  requestSummary: never,
  suppressErrorLog: never,
};

export const HOOKED_PHASES: readonly HookedPhase[] = Object.keys(ENDS) as HookedPhase[];

/** Phases in which the filter next to the server comes first. */
const TOWARDS_CLIENT: ReadonlySet<Phase> = new Set<Phase>([
  "upstreamResponseFilter",
  "upstreamResponseBodyFilter",
  "upstreamResponseTrailerFilter",
  "responseCacheFilter",
  "responseFilter",
  "responseBodyFilter",
  "responseTrailerFilter",
  "failToProxy",
]);

/**
 * The filters that sessions go through, composed once: those of a listener, which are all that a session has before its route is
 * chosen, or these with the route's behind them.
 */
export class FilterChain {
  readonly filters: readonly OwnFilter[];
  /** What is called in each phase; null: nothing. */
  readonly hooks: Readonly<Record<HookedPhase, PhaseHooks | null>>;
  readonly requestBody: readonly ChunkFilter[];
  readonly responseBody: readonly ChunkFilter[];
  readonly upstreamResponseBody: readonly ChunkFilter[];
  readonly clientResponseBody: readonly ChunkFilter[];
  /** What the route's own do as soon as it is chosen; null: nothing. */
  readonly #early: PhaseHooks | null;
  readonly #place: string;

  /**
   * @param place for errors: `the route pages of the listener web`
   * @param before those of its listener, which come first
   */
  constructor(own: readonly OwnFilter[], place: string, before: readonly OwnFilter[] = []) {
    this.filters = [...before, ...own];
    this.#place = place;
    const hooks = HOOKED_PHASES.map((phase) => [phase, this.#hooksOf(phase, 0)] as const);
    this.hooks = Object.fromEntries(hooks) as Record<HookedPhase, PhaseHooks | null>;
    this.#early = this.#hooksOf("earlyRequestFilter", before.length);
    this.requestBody = this.#find("requestBodyFilter").map(toBodyFilter);
    this.upstreamResponseBody = this.#find("upstreamResponseBodyFilter").map(toBodyFilter);
    this.clientResponseBody = this.#find("responseBodyFilter").map(toBodyFilter);
    this.responseBody = [...this.upstreamResponseBody, ...this.clientResponseBody];
  }

  #hooksOf(phase: HookedPhase, from: number): PhaseHooks | null {
    const hooks = this.#find(phase).filter(({ at }) => at >= from);
    return hooks.length === 0 ? null : new PhaseHooks(hooks, ENDS[phase], phase === "proxyUpstreamFilter");
  }

  /** What the filters do in a phase, in the order in which they are called. */
  #find(phase: Phase): Hook[] {
    const hooks = this.filters.flatMap((filter, at): Hook[] => {
      const call = filter.phases[phase] as Hook["call"] | undefined;
      if (typeof call !== "function") return [];
      return [{ at, call: call.bind(filter.phases), place: this.#placeOf(filter, phase) }];
    });
    return TOWARDS_CLIENT.has(phase) ? hooks.reverse() : hooks;
  }

  #placeOf({ name, module }: OwnFilter, phase: Phase): string {
    return `${phase} of the filter ${name} (${module}) on ${this.#place}`;
  }

  /** Has a session go through these filters from here on; those that it went through already are among them. */
  enter(session: Session<unknown>): void {
    const filters = (session.bodyFilters as SessionFilters | null) ?? new SessionFilters(this);
    session.bodyFilters = filters;
    filters.goOnBy(session, this);
  }

  /** As soon as a route is chosen. @param proceed what the route does behind its filters' first phase */
  begin(
    session: Session<unknown>,
    proceed: ((session: Session<unknown>) => MaybePromise<unknown>) | null,
  ): MaybePromise<unknown> {
    this.enter(session);
    return followedBy(this.#early, session, proceed);
  }

  /** What a filter keeps with a session. @throws ProxyError that says whose error it is */
  open(at: number, session: Session<unknown>): FilterSession {
    const filter = this.filters[at]!;
    const view = new FilterSession(session);
    try {
      const newContext = filter.phases.newContext as ((session: FilterSession) => unknown) | undefined;
      view.context = notPromised(newContext?.call(filter.phases, view), "it");
    } catch (thrown) {
      throw toFilterError(thrown, this.#placeOf(filter, "newContext"));
    }
    return view;
  }
}

/** Null where there are no filters. */
export function toChain(
  own: readonly OwnFilter[],
  place: string,
  before: readonly OwnFilter[] = [],
): FilterChain | null {
  return own.length + before.length === 0 ? null : new FilterChain(own, place, before);
}

/** What filters do in one phase, and then something else, unless the session is answered by them or over. */
export function followedBy(
  hooks: PhaseHooks | null,
  session: Session<unknown>,
  proceed: ((session: Session<unknown>) => MaybePromise<unknown>) | null,
): MaybePromise<unknown> {
  const done = hooks?.run(session);
  if (isThenable(done)) return done.then(() => (isSettled(session) ? true : proceed?.(session)));
  return isSettled(session) ? true : proceed?.(session);
}

/** The filters that one session goes through, each with its view of it. */
export class SessionFilters implements BodyFilters {
  chain: FilterChain;
  readonly views: FilterSession[];

  constructor(chain: FilterChain, views: FilterSession[] = []) {
    this.chain = chain;
    this.views = views;
  }

  /** @throws ProxyError when one of them fails; those before it are told how the session ends */
  goOnBy(session: Session<unknown>, chain: FilterChain): void {
    this.chain = chain;
    for (let at = this.views.length; at < chain.filters.length; at++)
      this.views.push(chain.open(at, session));
  }

  get requestBody(): readonly ChunkFilter[] {
    return this.chain.requestBody;
  }

  get responseBody(): readonly ChunkFilter[] {
    return this.chain.responseBody;
  }

  get upstreamResponseBody(): readonly ChunkFilter[] {
    return this.chain.upstreamResponseBody;
  }

  get clientResponseBody(): readonly ChunkFilter[] {
    return this.chain.clientResponseBody;
  }

  forFetch(session: Session<unknown>): SessionFilters {
    const views = this.views.map(({ context }) => new FilterSession(session, context));
    return new SessionFilters(this.chain, views);
  }
}
