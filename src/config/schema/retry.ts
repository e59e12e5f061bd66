import type * as z from "zod";
import { GrpcStatus } from "../../http/grpc/grpc-status.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "../../proxy/retries.ts";
import type { RetryBudget, StatusRange } from "../../upstream/group-settings.ts";
import { parseStatuses } from "./statuses.ts";
import { duration, share } from "./units.ts";
import { choice, flag, integer, off, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

const MOST_ATTEMPTS = 1_000;
const BUDGET_LEAST = 3;

/** When requests to an upstream are repeated. What is null is as the whole document says. */
export interface RetryDraft {
  readonly policy: Omit<RetryPolicy, "maxTries" | "nonIdempotent"> & {
    readonly maxTries: number | null;
    readonly nonIdempotent: boolean | null;
  };
  readonly budget: RetryBudget | null;
}

/** Ends of gRPC calls after which it makes sense to ask again. */
const GRPC_CONDITIONS: Readonly<Record<string, GrpcStatus>> = {
  cancelled: GrpcStatus.Cancelled,
  deadline_exceeded: GrpcStatus.DeadlineExceeded,
  resource_exhausted: GrpcStatus.ResourceExhausted,
  aborted: GrpcStatus.Aborted,
  internal: GrpcStatus.Internal,
  unavailable: GrpcStatus.Unavailable,
};
const CONDITIONS = ["connect_failure", "reset", "timeout", ...Object.keys(GRPC_CONDITIONS)];
const CONDITION_EXPECTED =
  "connect_failure, reset, timeout, statuses like 503, 502-504 or 5xx, or one of gRPC like unavailable";

type Condition = string | StatusRange;

const word = choice(CONDITIONS);

const condition: z.ZodType<Condition> = oneOf(CONDITION_EXPECTED, [
  word,
  parsedBy(
    oneOf(CONDITION_EXPECTED, [integer(100, 599), text(CONDITION_EXPECTED)]),
    CONDITION_EXPECTED,
    (value): Condition | undefined => parseStatuses(value),
  ),
]);

const budget: z.ZodType<RetryBudget> = oneOf("a share like 20%, or a map with share and minimum", [
  share.transform((part): RetryBudget => ({ share: part, least: BUDGET_LEAST })),
  section("RetryBudget", "How many repeated attempts there may be beside the requests that are under way.", {
    share: share.describe("Repeated attempts, as a share of the requests under way."),
    minimum: integer(0, MOST_ATTEMPTS).default(BUDGET_LEAST).describe("Those that are allowed in any case."),
  }).transform(({ share: part, minimum: least }): RetryBudget => ({ share: part, least })),
]);

const settings = section(
  "Retry",
  "When a request is sent once more, to another server where there is one. Nothing is repeated once the client got a byte of a response.",
  {
    attempts: integer(1, MOST_ATTEMPTS)
      .optional()
      .describe("Attempts in all, the first one included. Default: `max_retries` of the document."),
    on: oneOrMore(condition, CONDITION_EXPECTED)
      .prefault(["connect_failure", "reset"])
      .describe(
        "When: a connection can't be made (`connect_failure`), dies before the response or brings something that is none (`reset`), takes too long (`timeout`), or the response has one of these statuses. `unavailable`, `resource_exhausted`, `aborted`, `cancelled`, `deadline_exceeded` and `internal` are those of gRPC calls that end before any answer; with one of them calls are also repeated if a server may have acted on them.",
      ),
    non_idempotent: flag()
      .optional()
      .describe(
        "Repeats POST and the like too, even if a server may have acted on them. Those of whose body nothing was sent yet are repeated in any case. Default: `retry_non_idempotent` of the document.",
      ),
    try_timeout: duration
      .prefault(0)
      .describe("How long an attempt may take until its response begins. 0: no limit of its own."),
    backoff: duration
      .prefault(0)
      .describe(
        "The wait before the first repeated attempt, doubled for each that follows, with a random part. 0: at once.",
      ),
    max_backoff: duration
      .prefault(`${DEFAULT_RETRY_POLICY.longestBackoff / 1000}s`)
      .describe("The longest wait between two attempts."),
    budget: budget
      .optional()
      .describe(
        "The most repeated attempts under way: a share of the requests under way. Default: no limit.",
      ),
    hedge_after: duration
      .prefault(0)
      .describe(
        "Without a response for so long, a second server gets the request too, and the first answer counts. 0: never.",
      ),
  },
).transform((document): RetryDraft => {
  const { attempts = null, on, non_idempotent = null } = document;
  return {
    policy: {
      maxTries: attempts,
      nonIdempotent: non_idempotent,
      onConnectFailure: on.includes("connect_failure"),
      onReset: on.includes("reset"),
      onTimeout: on.includes("timeout"),
      onStatus: on.filter((one) => typeof one === "object"),
      onGrpcStatus: on.flatMap((one) => (typeof one === "string" ? (GRPC_CONDITIONS[one] ?? []) : [])),
      tryTimeout: document.try_timeout,
      backoff: document.backoff,
      longestBackoff: Math.max(document.max_backoff, document.backoff),
      hedgeAfter: document.hedge_after,
    },
    budget: document.budget ?? null,
  };
});

const NO_RETRIES: RetryDraft = { policy: { ...DEFAULT_RETRY_POLICY, maxTries: 1 }, budget: null };

/** When requests are repeated; a number is the attempts in all. */
export const retry: z.ZodType<RetryDraft> = oneOf("off, a number of attempts, or a map", [
  off().transform(() => NO_RETRIES),
  integer(1, MOST_ATTEMPTS).transform((attempts) => settings.parse({ attempts })),
  settings,
]);
