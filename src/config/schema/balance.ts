import type * as z from "zod";
import type { KeyPart } from "../../filters/settings.ts";
import { BALANCING_POLICIES, type BalancingPolicyName } from "../../upstream/group-settings.ts";
import { CLIENT_KEY, keyParts } from "./key.ts";
import { choice, oneOf, section } from "./values.ts";

/** Policies by which requests of the same key go to the same server. */
export const HASHING_POLICIES: readonly BalancingPolicyName[] = ["ketama", "maglev"];

export interface BalanceDraft {
  readonly policy: BalancingPolicyName;
  readonly hashBy: readonly KeyPart[];
}

function toBalance(policy: BalancingPolicyName, by: readonly KeyPart[] = [CLIENT_KEY]): BalanceDraft {
  return { policy, hashBy: HASHING_POLICIES.includes(policy) ? by : [] };
}

const policy = choice(BALANCING_POLICIES);

/** How requests are spread; a word is the policy. */
export const balance: z.ZodType<BalanceDraft> = oneOf(
  `one of ${BALANCING_POLICIES.join(", ")}, or a map with policy and by`,
  [
    policy.transform((name) => toBalance(name)),
    section("Balance", "How requests are spread over the servers.", {
      policy: policy
        .default("round_robin")
        .describe(
          "`round_robin` (smooth, by weight), `random`, `least_connections`, `peak_ewma` (the faster of two at random), `ketama` or `maglev` (by a key).",
        ),
      by: keyParts
        .optional()
        .describe(
          "The key of `ketama` and `maglev`: what requests have in common that go to the same server. Default: `client`.",
        ),
    }).transform(({ policy: name, by }) => toBalance(name, by)),
  ],
);
