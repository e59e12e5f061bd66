import * as z from "zod";
import type { KeyPart, LimitSettings, RedisSettings } from "../../filters/settings.ts";
import { LIMIT_ALGORITHMS } from "../../limits/limiter-settings.ts";
import { parseDuration } from "../quantities.ts";
import { refuse } from "../scenario-toxic.ts";
import { ipRange } from "./addresses.ts";
import { CLIENT_KEY, keyParts } from "./key.ts";
import { match } from "./match.ts";
import { REDIS_EXPECTED, redis } from "./redis.ts";
import { durationFrom } from "./units.ts";
import {
  choice,
  entryName,
  flag,
  integer,
  off,
  oneOf,
  oneOrMore,
  parsedBy,
  section,
  text,
} from "./values.ts";

const MOST = 2 ** 31 - 1;
const MOST_KEYS = 65_536;
const LEAST_WINDOW = 10;

/** A limit without its name. Of Redis undefined: as the whole document says. */
export interface LimitDraft extends Omit<LimitSettings, "name" | "redis"> {
  readonly redis: RedisSettings | null | undefined;
}

const everyone = choice(["all"]).transform((): readonly KeyPart[] => []);

const keys = {
  limit: integer(1, MOST).describe("Requests within `per`, or at once with `concurrency`."),
  per: durationFrom(LEAST_WINDOW).optional().describe("The time that `limit` is for. Default: `1s`."),
  by: oneOf("all, client, path, host, method, or a map with header, cookie, query or client", [
    everyone,
    keyParts,
  ])
    .optional()
    .describe(
      "What is limited apart: each client, each value of a header, …; `all`: all requests together. Default: `client`.",
    ),
  algorithm: choice(LIMIT_ALGORITHMS)
    .optional()
    .describe(
      "`sliding_window` and `fixed_window` count requests, `token_bucket` lets `burst` requests through at once, `concurrency` limits those that are under way. Default: `sliding_window`, or `token_bucket` where there is a `burst`.",
    ),
  burst: integer(1, MOST)
    .optional()
    .describe("Requests that a token bucket lets through at once. Default: `limit`."),
  match: match.optional().describe("Which requests are counted. Default: all."),
  allow: oneOrMore(ipRange, "an address or a CIDR range")
    .optional()
    .describe("Clients that are let in uncounted."),
  shadow: flag().default(false).describe("Nobody is refused; what would have been refused is only counted."),
  status: integer(400, 599).default(429).describe("The status of refusals."),
  headers: flag()
    .default(true)
    .describe(
      "Whether responses tell by `RateLimit` fields how much is left. Refusals have `Retry-After` in any case.",
    ),
  max_keys: integer(1, 2 ** 24)
    .default(MOST_KEYS)
    .describe(
      "Keys that are told apart at once: the one not seen for longest makes room for another. Memory is taken at the start.",
    ),
  redis: oneOf(`off, ${REDIS_EXPECTED}, or a map with url`, [off(), redis])
    .optional()
    .describe(
      "Where several machines share the count; `off`: in this process. Default: `redis` of the document.",
    ),
};

type LimitDocument = z.output<z.ZodObject<typeof keys>>;
type Algorithm = LimitSettings["algorithm"];

const settings = section("Limit", "How many requests are let in. Others get 429.", keys).transform(
  (document, context): LimitDraft => {
    const { limit, algorithm = document.burst === undefined ? "sliding_window" : "token_bucket" } = document;
    checkAlgorithm(document, algorithm, context);
    const { by: key = [CLIENT_KEY], match: matched = null, allow = [], shadow, status, headers } = document;
    return {
      ...{ algorithm, limit, key, match: matched, allow, shadow, status, headers },
      window: algorithm === "concurrency" ? 0 : (document.per ?? 1_000),
      burst: algorithm === "token_bucket" ? (document.burst ?? limit) : 0,
      mostKeys: document.max_keys,
      redis: algorithm === "concurrency" ? null : document.redis,
    };
  },
);

function checkAlgorithm(
  document: LimitDocument,
  algorithm: Algorithm,
  context: z.core.$RefinementCtx<unknown>,
): void {
  if (document.burst !== undefined && algorithm !== "token_bucket")
    refuse(context, ["burst"], "algorithm: token_bucket", {
      reason: `burst is nothing to ${algorithm}`,
      atKey: true,
    });
  if (algorithm !== "concurrency") return;
  const why = {
    per: "requests under way are counted, not those of a time",
    redis: "requests under way are counted in this process",
  };
  for (const [key, reason] of Object.entries(why)) {
    if (document[key as keyof typeof why] == null) continue;
    refuse(context, [key], "another algorithm", { reason, atKey: true });
  }
}

const RATE = /^(\d+)(?: ?r)? ?\/ ?(\d+(?:\.\d+)?)?(ms|s|m|h)$/;
const SHORT_EXPECTED = "a rate like 5/m, 100/s or 10/30s";

/** `5/m`: five a minute for each client. */
const shortLimit: z.ZodType<LimitDraft> = parsedBy(text(SHORT_EXPECTED), SHORT_EXPECTED, (rate) => {
  const [, limit, amount = "1", unit] = RATE.exec(rate) ?? [];
  if (limit === undefined) return undefined;
  if (Number(limit) === 0 || Number(limit) > MOST) throw new RangeError(`a limit goes from 1 to ${MOST}`);
  if (parseDuration(`${amount}${unit}`) < LEAST_WINDOW) throw new RangeError(`at least ${LEAST_WINDOW}ms`);
  return settings.parse({ limit: Number(limit), per: `${amount}${unit}` });
});

/** True for what is meant as a rate and not as the name of a limit. */
export function looksLikeRate(word: string): boolean {
  return /^\d/.test(word);
}

/** A limit by the name that the document gives it. */
export type LimitReference = LimitDraft | string;

const REFERENCE_EXPECTED = "the name of a limit, a rate like 5/m, or a map with limit and per";

const reference: z.ZodType<LimitReference> = oneOf(REFERENCE_EXPECTED, [
  text(REFERENCE_EXPECTED).transform((word, context): LimitReference => {
    if (!looksLikeRate(word)) return word;
    const parsed = shortLimit.safeParse(word);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: word } as never);
    return z.NEVER;
  }),
  settings,
]);

/** The limits of a route. */
export const limitReferences: z.ZodType<readonly LimitReference[]> = oneOrMore(reference, REFERENCE_EXPECTED);

/** The limits of a document by their names. */
export const namedLimits: z.ZodType<Readonly<Record<string, LimitDraft>>> = z.record(
  entryName,
  oneOf(`${SHORT_EXPECTED}, or a map with limit and per`, [shortLimit, settings]),
  { error: "a map of names to limits" },
);
