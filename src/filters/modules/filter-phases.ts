import { isThenable } from "../../base/errors.ts";
import type { MaybePromise, ProxyPhases } from "../../proxy/phases.ts";
import { bindPhases } from "../../proxy/plan.ts";
import type { Session } from "../../proxy/session.ts";
import { GATHERINGS } from "./cache-gatherings.ts";
import {
  type FilterChain,
  followedBy,
  HOOKED_PHASES,
  type HookedPhase,
  isSettled,
  type SessionFilters,
} from "./filter-chain.ts";
import type { Gathering, PhaseHooks } from "./phase-hooks.ts";

type Phases = ProxyPhases<unknown>;

/**
 * The phases of a proxy with those of the filters that its sessions may go through: only such as there are. What the proxy itself does
 * comes first in each but those that decide whether a request goes on.
 *
 * @param listener what all sessions go through from their beginning; null: nothing
 * @param routes what some go through from when their route is chosen. They have `requestFilter` call their filters.
 */
export function withFilters<C>(
  phases: ProxyPhases<C>,
  listener: FilterChain | null,
  routes: readonly FilterChain[],
): ProxyPhases<C> {
  const chains = listener === null ? routes : [listener, ...routes];
  if (chains.length === 0) return phases;
  const filtered = bindPhases(phases as Phases);
  for (const phase of HOOKED_PHASES) {
    if (phase === "earlyRequestFilter" || phase === "requestFilter") continue;
    if (chains.some(({ hooks }) => hooks[phase] !== null)) TO_FILTERED[phase](filtered);
  }
  if (listener !== null) enterAtOnce(filtered, listener);
  return filtered as ProxyPhases<C>;
}

/** The phases of a program behind the filters of its listener. */
export function behindFilters<C>(phases: ProxyPhases<C>, listener: FilterChain): ProxyPhases<C> {
  const { hooks } = listener;
  const filtered = withFilters(phases, listener, []) as Phases;
  if (hooks.requestFilter === null) return filtered as ProxyPhases<C>;
  const { requestFilter: own = null } = filtered;
  filtered.requestFilter = (session) => followedBy(hooks.requestFilter, session, own);
  return filtered as ProxyPhases<C>;
}

function enterAtOnce(phases: Phases, listener: FilterChain): void {
  const { newContext, earlyRequestFilter: own = null } = phases;
  const { earlyRequestFilter: hooks } = listener.hooks;
  phases.newContext = (session) => {
    listener.enter(session);
    return newContext?.(session);
  };
  if (hooks !== null)
    phases.earlyRequestFilter = (session) => followedBy(hooks, session, own) as MaybePromise<void>;
}

/** What the filters of a session do in a phase; null: nothing. */
function hooksOf({ bodyFilters }: Session<unknown>, phase: HookedPhase): PhaseHooks | null {
  return bodyFilters === null ? null : (bodyFilters as SessionFilters).chain.hooks[phase];
}

/** How a phase becomes one with filters. */
const TO_FILTERED: Readonly<
  Record<Exclude<HookedPhase, "earlyRequestFilter" | "requestFilter">, (phases: Phases) => void>
> = {
  cacheKey: gatheringIn("cacheKey"),
  cacheHitFilter: gatheringIn("cacheHitFilter"),
  cacheMiss: gatheringIn("cacheMiss"),
  responseCacheFilter: gatheringIn("responseCacheFilter"),
  cacheVaryFilter: gatheringIn("cacheVaryFilter"),
  shouldServeStale(phases) {
    const { shouldServeStale: own } = phases;
    phases.shouldServeStale = (session, problem) => {
      const said: unknown = own?.(session, problem);
      // Whoever asked says what is wrong with that.
      if (said === false || isThenable(said)) return said as boolean;
      return hooksOf(session, "shouldServeStale")?.refuses(session, problem) !== true;
    };
  },
  proxyUpstreamFilter,
  connectedToUpstream: waitingIn("connectedToUpstream"),
  upstreamRequestFilter: waitingIn("upstreamRequestFilter"),
  upstreamResponseFilter: waitingIn("upstreamResponseFilter"),
  responseFilter: waitingIn("responseFilter"),
  failToProxy: waitingIn("failToProxy"),
  failToConnect: tellingIn("failToConnect"),
  errorWhileProxy: tellingIn("errorWhileProxy"),
  upstreamResponseTrailerFilter: tellingIn("upstreamResponseTrailerFilter"),
  responseTrailerFilter: tellingIn("responseTrailerFilter"),
  logging,
  requestSummary(phases) {
    const { requestSummary: own } = phases;
    phases.requestSummary = (session) =>
      (hooksOf(session, "requestSummary")?.ask(session) ?? own?.(session)) as string;
  },
  suppressErrorLog(phases) {
    const { suppressErrorLog: own } = phases;
    phases.suppressErrorLog = (session, error) =>
      hooksOf(session, "suppressErrorLog")?.ask(session, error) === true || own?.(session, error) === true;
  },
};

/** Who isn't among the filters: the proxy itself. */
const OWN = -1;

type Gathered = (session: Session<unknown>, argument: unknown) => MaybePromise<unknown>;

/** Phases in which each has its say. */
function gatheringIn(phase: keyof typeof GATHERINGS): (phases: Phases) => void {
  return (phases) => {
    const own = phases[phase] as Gathered | undefined;
    const gathering = GATHERINGS[phase] as Gathering<unknown>;
    const filtered: Gathered = (session, argument) => {
      const hooks = hooksOf(session, phase);
      const start = gathering.passesOn ? argument : undefined;
      const said = own?.(session, argument);
      if (hooks === null) return said;
      const gather = (value: unknown): MaybePromise<unknown> =>
        hooks.gather(session, argument, gathering, gathering.join(start, value, OWN));
      return isThenable(said) ? said.then(gather) : gather(said);
    };
    Object.assign(phases, { [phase]: filtered });
  };
}

type Waiting = (session: Session<unknown>, argument: unknown) => MaybePromise<void>;

/** Phases that may take their time. */
function waitingIn(
  phase:
    | "connectedToUpstream"
    | "upstreamRequestFilter"
    | "upstreamResponseFilter"
    | "responseFilter"
    | "failToProxy",
): (phases: Phases) => void {
  return (phases) => {
    const own = phases[phase] as Waiting | undefined;
    const run = (session: Session<unknown>, argument: unknown): MaybePromise<unknown> =>
      hooksOf(session, phase)?.run(session, argument);
    const filtered: Waiting = (session, argument) => {
      const done = own?.(session, argument);
      if (isThenable(done)) return done.then(() => run(session, argument)) as PromiseLike<void>;
      return run(session, argument) as MaybePromise<void>;
    };
    Object.assign(phases, { [phase]: filtered });
  };
}

type Telling = (session: Session<unknown>, first: unknown, second: unknown) => void;

/** Phases that nobody could wait for. */
function tellingIn(
  phase: "failToConnect" | "errorWhileProxy" | "upstreamResponseTrailerFilter" | "responseTrailerFilter",
): (phases: Phases) => void {
  return (phases) => {
    const own = phases[phase] as Telling | undefined;
    const filtered: Telling = (session, first, second) => {
      const done: unknown = own?.(session, first, second);
      hooksOf(session, phase)?.tell(session, first, second);
      return done as undefined;
    };
    Object.assign(phases, { [phase]: filtered });
  };
}

/** Before the proxy's own, which may copy the request or open something for it. */
function proxyUpstreamFilter(phases: Phases): void {
  const { proxyUpstreamFilter: own } = phases;
  phases.proxyUpstreamFilter = (session) => {
    const goesOn = hooksOf(session, "proxyUpstreamFilter")?.run(session);
    if (isThenable(goesOn)) return goesOn.then((later) => (isEnd(later, session) ? later : own?.(session)));
    return isEnd(goesOn, session) ? goesOn : own?.(session);
  };
}

function isEnd(goesOn: boolean | undefined, session: Session<unknown>): boolean {
  return goesOn === false || isSettled(session);
}

function logging(phases: Phases): void {
  const { logging: own } = phases;
  phases.logging = (session, error) => {
    const hooks = hooksOf(session, "logging");
    return hooks === null ? own?.(session, error) : hooks.runAll(session, error, own);
  };
}
