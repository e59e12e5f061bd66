import * as z from "zod";
import type { SplitTarget } from "../../filters/settings.ts";
import { match } from "./match.ts";
import { upstreamKey, upstreamReference } from "./upstream-reference.ts";
import { list, oneOf, section } from "./values.ts";

const WEIGHT_EXPECTED = "a share like 5%, or a number of at least 0";
const MOST_WEIGHT = 1_000_000;

const weight: z.ZodType<number> = oneOf(WEIGHT_EXPECTED, [
  z
    .number({ error: WEIGHT_EXPECTED })
    .min(0, { error: WEIGHT_EXPECTED })
    .max(MOST_WEIGHT, { error: `at most ${MOST_WEIGHT}` }),
  z
    .string({ error: WEIGHT_EXPECTED })
    .regex(/^\d+(?:\.\d+)? ?%$/, { error: WEIGHT_EXPECTED })
    .transform((percents) => Number.parseFloat(percents)),
]);

const target = section("SplitTarget", "One of the upstreams that the requests of a route are spread over.", {
  upstream: upstreamReference.describe(
    "The name of an upstream, the address of a server, or a list of addresses.",
  ),
  weight: weight
    .optional()
    .describe(
      "Its share of the requests that no `match` took, beside the weights of the others. Default: 1, or 0 with `match`.",
    ),
  match: match.optional().describe("Requests that always go there; the first target that matches has them."),
}).transform(({ upstream, weight: part, match: matched = null }): SplitTarget => {
  return { upstream, weight: part ?? (matched === null ? 1 : 0), match: matched };
});

/** Requests that are spread over upstreams: a map of upstreams to weights is enough. */
export const split: z.ZodType<readonly SplitTarget[]> = oneOf(
  "a map of upstreams to weights, or a list of targets",
  [
    list(target, "a list of targets"),
    z
      .record(upstreamKey, weight, { error: "a map of upstreams to weights" })
      .refine((weights) => Object.keys(weights).length > 0, { error: "at least one upstream" })
      .transform((weights): SplitTarget[] =>
        Object.entries(weights).map(([upstream, part]) => ({ upstream, weight: part, match: null })),
      ),
  ],
);
