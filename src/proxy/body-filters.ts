import type { BodyFilter } from "./phases.ts";
import type { Plan } from "./plan.ts";
import type { BodyFilters, Session } from "./session.ts";

/*
 * The filters of bodies: those of the proxy, and those that a session brings by its route. A session that brings none costs one comparison.
 */

const NONE: readonly never[] = [];

/** What a request's body goes through, the first next to the client. */
export function requestBodyFilters<C>(
  { bodyFilters }: Session<C>,
  own: BodyFilter<C> | null,
): readonly BodyFilter<C>[] {
  if (bodyFilters === null) return own === null ? NONE : [own];
  const others = bodyFilters.requestBody as readonly BodyFilter<C>[];
  return own === null ? others : [...others, own];
}

/** What a response's body goes through, the last next to the client. */
export function responseBodyFilters<C>({ bodyFilters }: Session<C>, plan: Plan<C>): readonly BodyFilter<C>[] {
  const own = [plan.upstreamResponseBodyFilter, plan.responseBodyFilter];
  const present = own.filter((filter) => filter !== null);
  return bodyFilters === null ? present : [...present, ...othersOf(bodyFilters, plan)];
}

/** Whether a filter may change the request's body, hence its length. */
export function filtersRequestBody<C>({ bodyFilters }: Session<C>, plan: Plan<C>): boolean {
  return plan.filtersRequestBody || (bodyFilters !== null && bodyFilters.requestBody.length > 0);
}

/** Whether a filter may change the response's body, hence its length. */
export function filtersResponseBody<C>({ bodyFilters }: Session<C>, plan: Plan<C>): boolean {
  return plan.filtersResponseBody || (bodyFilters !== null && othersOf(bodyFilters, plan).length > 0);
}

/** Where a cache stands in between, some for what it gets, and the others for what comes of that. */
function othersOf<C>(filters: BodyFilters, plan: Plan<C>): readonly BodyFilter<C>[] {
  const behind = plan.isBehindCache ? filters.clientResponseBody : filters.responseBody;
  return (plan.isBeforeCache ? filters.upstreamResponseBody : behind) as readonly BodyFilter<C>[];
}
