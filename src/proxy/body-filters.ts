import type { BodyFilter } from "./phases.ts";
import type { Plan } from "./plan.ts";
import type { Session } from "./session.ts";

/** @internal what the bodies of a session go through beside the filters of its proxy: it depends on the route. */
export interface BodyFilters {
  /** In the order in which the bytes meet them: before those of the proxy. */
  readonly requestBody: readonly BodyFilter<never>[];
  /** Behind those of the proxy. */
  readonly responseBody: readonly BodyFilter<never>[];
}

/** What a request's body goes through, the first next to the client. */
export function requestBodyFilters<C>(
  { bodyFilters }: Session<C>,
  own: BodyFilter<C> | null,
): readonly BodyFilter<C>[] {
  const others = (bodyFilters?.requestBody ?? []) as readonly BodyFilter<C>[];
  return own === null ? others : [...others, own];
}

/** What a response's body goes through, the last next to the client. */
export function responseBodyFilters<C>({ bodyFilters }: Session<C>, plan: Plan<C>): readonly BodyFilter<C>[] {
  const own = [plan.upstreamResponseBodyFilter, plan.responseBodyFilter];
  const present = own.filter((filter) => filter !== null);
  return bodyFilters === null ? present : [...present, ...(bodyFilters.responseBody as BodyFilter<C>[])];
}

/** Whether a filter may change the request's body, hence its length. */
export function filtersRequestBody<C>({ bodyFilters }: Session<C>, plan: Plan<C>): boolean {
  return plan.filtersRequestBody || (bodyFilters !== null && bodyFilters.requestBody.length > 0);
}

/** Whether a filter may change the response's body, hence its length. */
export function filtersResponseBody<C>({ bodyFilters }: Session<C>, plan: Plan<C>): boolean {
  return plan.filtersResponseBody || (bodyFilters !== null && bodyFilters.responseBody.length > 0);
}
