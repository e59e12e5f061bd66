import type { MaybePromise, ProxyPhases } from "../../proxy/phases.ts";

/**
 * The phases that a filter may have: those of a proxy but those that say where a request goes and which cache it uses, for that is the
 * route's; by `session.cache.disable()` a filter turns the cache off. `session.context` is what the filter's own `newContext` made, whatever other filters the session goes through.
 */
export type FilterPhases<C = undefined> = Omit<ProxyPhases<C>, RoutesPhase>;

/** The phases that no filter has. */
export type RoutesPhase = "upstreamPeer" | "requestCacheFilter" | "isPurge" | "purgeResponseFilter";

/**
 * Says whether a filter's `config` can be used: a function that returns what is to be used, or throws; or whatever speaks Standard
 * Schema (https://standardschema.dev), such as the schemas of Zod, Valibot and ArkType.
 */
export type FilterCheck<T> = ((config: unknown) => T) | StandardCheck<T>;

/** The part of Standard Schema that is used here. */
export interface StandardCheck<T> {
  readonly "~standard": {
    readonly validate: (
      value: unknown,
    ) => MaybePromise<{ readonly value: T; readonly issues?: undefined } | CheckFailure>;
  };
}

export interface CheckFailure {
  readonly issues: readonly CheckIssue[];
}

export interface CheckIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a filter is told beside its config. */
export interface FilterSite {
  /** What the configuration calls it. */
  readonly name: string;
  /** Aborted when no request goes through it any more: another one has taken its place, or the thread ends. */
  readonly signal: AbortSignal;
}

/**
 * Makes the phases of a filter. Called once in each thread for each filter of the configuration, and again when its settings have
 * changed.
 */
export type FilterMaker<T, C> = (config: T, site: FilterSite) => MaybePromise<FilterPhases<C>>;

/** A filter with a check of its config: what `defineFilter(check, create)` makes. */
export interface CheckedFilter<T = unknown, C = unknown> {
  readonly check: FilterCheck<T>;
  readonly create: FilterMaker<T, C>;
}

/**
 * Types what a module of a filter exports by default, for `filters:` of a configuration:
 *
 *     defineFilter({ requestFilter(session) { … } })               phases; a config is refused
 *     defineFilter((config) => ({ … }))                            phases by the config, whatever that is
 *     defineFilter(check, (config) => ({ … }))                     phases by a config that the check has let through
 */
export function defineFilter<C = undefined>(phases: FilterPhases<C>): FilterPhases<C>;
export function defineFilter<C = undefined>(create: FilterMaker<unknown, C>): FilterMaker<unknown, C>;
export function defineFilter<T, C = undefined>(
  check: FilterCheck<T>,
  create: FilterMaker<T, C>,
): CheckedFilter<T, C>;
export function defineFilter(first: unknown, create?: FilterMaker<unknown, unknown>): unknown {
  return create === undefined ? first : { check: first, create };
}
