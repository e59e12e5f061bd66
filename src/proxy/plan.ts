import { nearestWord } from "../base/nearest-word.ts";
import type { ProxyPhases } from "./phases.ts";

/** Phases as the engine runs them: bound once, null where absent. */
export type Plan<C> = {
  readonly [Phase in keyof ProxyPhases<C>]-?: NonNullable<ProxyPhases<C>[Phase]> | null;
} & {
  readonly upstreamPeer: ProxyPhases<C>["upstreamPeer"];
  /** True when a filter may change the body, hence its length, in that direction. */
  readonly filtersRequestBody: boolean;
  readonly filtersResponseBody: boolean;
  /** True when a phase hears of the response's body or trailers. */
  readonly looksAtResponseBody: boolean;
  /** True when a response goes to a cache by it, or comes from there. */
  readonly isBeforeCache: boolean;
  readonly isBehindCache: boolean;
  /** True when a phase may be called after the response's head was passed on. */
  readonly mayLookBackAtResponse: boolean;
};

/** The names of all phases. */
export const PHASES: ReadonlySet<keyof ProxyPhases> = new Set(
  Object.keys({
    newContext: 0,
    earlyRequestFilter: 0,
    requestFilter: 0,
    requestCacheFilter: 0,
    isPurge: 0,
    purgeResponseFilter: 0,
    cacheKey: 0,
    cacheHitFilter: 0,
    cacheMiss: 0,
    shouldServeStale: 0,
    proxyUpstreamFilter: 0,
    upstreamPeer: 0,
    connectedToUpstream: 0,
    failToConnect: 0,
    upstreamRequestFilter: 0,
    requestBodyFilter: 0,
    upstreamResponseFilter: 0,
    upstreamResponseBodyFilter: 0,
    upstreamResponseTrailerFilter: 0,
    responseCacheFilter: 0,
    cacheVaryFilter: 0,
    responseFilter: 0,
    responseBodyFilter: 0,
    responseTrailerFilter: 0,
    errorWhileProxy: 0,
    failToProxy: 0,
    logging: 0,
    requestSummary: 0,
    suppressErrorLog: 0,
  } satisfies Record<keyof ProxyPhases, 0>) as (keyof ProxyPhases)[],
);

/**
 * What a type checker would say of a program's phases: programs run without one. A filter that is never called because its
 * name is misspelt may be the one that turns people away.
 * @throws TypeError that names the phase
 */
export function checkPhases(phases: object): void {
  for (const [name, value] of Object.entries(phases)) {
    const isFunction = typeof value === "function";
    const isPhase = (PHASES as ReadonlySet<string>).has(name);
    if (isPhase && !isFunction && value !== undefined && value !== null)
      throw new TypeError(`The phase ${name} is no function`);
    const nearest = isFunction && !isPhase ? nearestWord(name, [...PHASES]) : undefined;
    if (nearest !== undefined) throw new TypeError(`There is no phase ${name}; did you mean ${nearest}?`);
  }
}

/** The same phases, to be called as functions of another object. */
export function bindPhases<C>(phases: ProxyPhases<C>): ProxyPhases<C> {
  const copy: Record<string, unknown> = {};
  for (const name of PHASES) if (phases[name] !== undefined) copy[name] = phases[name].bind(phases);
  return copy as unknown as ProxyPhases<C>;
}

/** Binds the phases, so that a session asks one field for each and calls nothing for those that are absent. */
export function toPlan<C>(phases: ProxyPhases<C>): Plan<C> {
  if (typeof phases.upstreamPeer !== "function") throw new TypeError("A proxy needs the phase upstreamPeer");
  const filtersResponseBody =
    phases.upstreamResponseBodyFilter !== undefined || phases.responseBodyFilter !== undefined;
  const filtersTrailers =
    phases.upstreamResponseTrailerFilter !== undefined || phases.responseTrailerFilter !== undefined;
  const looksAtResponseBody = filtersResponseBody || filtersTrailers;
  return {
    newContext: phases.newContext?.bind(phases) ?? null,
    earlyRequestFilter: phases.earlyRequestFilter?.bind(phases) ?? null,
    requestFilter: phases.requestFilter?.bind(phases) ?? null,
    requestCacheFilter: phases.requestCacheFilter?.bind(phases) ?? null,
    isPurge: phases.isPurge?.bind(phases) ?? null,
    purgeResponseFilter: phases.purgeResponseFilter?.bind(phases) ?? null,
    cacheKey: phases.cacheKey?.bind(phases) ?? null,
    cacheHitFilter: phases.cacheHitFilter?.bind(phases) ?? null,
    cacheMiss: phases.cacheMiss?.bind(phases) ?? null,
    shouldServeStale: phases.shouldServeStale?.bind(phases) ?? null,
    proxyUpstreamFilter: phases.proxyUpstreamFilter?.bind(phases) ?? null,
    upstreamPeer: phases.upstreamPeer.bind(phases),
    connectedToUpstream: phases.connectedToUpstream?.bind(phases) ?? null,
    failToConnect: phases.failToConnect?.bind(phases) ?? null,
    upstreamRequestFilter: phases.upstreamRequestFilter?.bind(phases) ?? null,
    requestBodyFilter: phases.requestBodyFilter?.bind(phases) ?? null,
    upstreamResponseFilter: phases.upstreamResponseFilter?.bind(phases) ?? null,
    upstreamResponseBodyFilter: phases.upstreamResponseBodyFilter?.bind(phases) ?? null,
    upstreamResponseTrailerFilter: phases.upstreamResponseTrailerFilter?.bind(phases) ?? null,
    responseCacheFilter: phases.responseCacheFilter?.bind(phases) ?? null,
    cacheVaryFilter: phases.cacheVaryFilter?.bind(phases) ?? null,
    responseFilter: phases.responseFilter?.bind(phases) ?? null,
    responseBodyFilter: phases.responseBodyFilter?.bind(phases) ?? null,
    responseTrailerFilter: phases.responseTrailerFilter?.bind(phases) ?? null,
    errorWhileProxy: phases.errorWhileProxy?.bind(phases) ?? null,
    failToProxy: phases.failToProxy?.bind(phases) ?? null,
    logging: phases.logging?.bind(phases) ?? null,
    requestSummary: phases.requestSummary?.bind(phases) ?? null,
    suppressErrorLog: phases.suppressErrorLog?.bind(phases) ?? null,
    filtersRequestBody: phases.requestBodyFilter !== undefined,
    filtersResponseBody,
    looksAtResponseBody,
    isBeforeCache: false,
    isBehindCache: false,
    mayLookBackAtResponse:
      looksAtResponseBody ||
      // A server may answer before it has the whole request.
      phases.requestBodyFilter !== undefined ||
      phases.logging !== undefined ||
      phases.requestSummary !== undefined ||
      phases.suppressErrorLog !== undefined,
  };
}

/** A plan in two, for responses that pass a cache on their way. */
export interface CachePlans<C> {
  /** What a response goes through before a cache has seen it. */
  readonly beforeCache: Plan<C>;
  /** What it goes through on its way from there to a client. */
  readonly behindCache: Plan<C>;
}

export function splitAtCache<C>(plan: Plan<C>): CachePlans<C> {
  return {
    beforeCache: looking({
      ...plan,
      isBeforeCache: true,
      responseFilter: null,
      responseBodyFilter: null,
      responseTrailerFilter: null,
    }),
    behindCache: looking({
      ...plan,
      isBehindCache: true,
      upstreamResponseFilter: null,
      upstreamResponseBodyFilter: null,
      upstreamResponseTrailerFilter: null,
    }),
  };
}

function looking<C>(plan: Plan<C>): Plan<C> {
  const filtersResponseBody = plan.upstreamResponseBodyFilter !== null || plan.responseBodyFilter !== null;
  const filtersTrailers = plan.upstreamResponseTrailerFilter !== null || plan.responseTrailerFilter !== null;
  return { ...plan, filtersResponseBody, looksAtResponseBody: filtersResponseBody || filtersTrailers };
}

/** Whether sessions may have to do with a cache, for all that the phases tell. */
export function usesCaches<C>({ requestCacheFilter, isPurge }: Plan<C>): boolean {
  return requestCacheFilter !== null || isPurge !== null;
}
