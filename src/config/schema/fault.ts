import * as z from "zod";
import type { FixedResponse, HttpFaultSettings } from "../../filters/settings.ts";
import { refuse } from "../scenario-toxic.ts";
import { headerFields, headerName } from "./fields.ts";
import { match } from "./match.ts";
import { duration, rate, size } from "./units.ts";
import { choice, flag, integer, oneOf, section, text } from "./values.ts";

/** The status of a final response. */
export const finalStatus: z.ZodNumber = integer(200, 599);

const MOST = 2 ** 31 - 1;

/** What is done to a request, of which there must be one at least. */
const ACTIONS = ["delay", "abort", "reset", "malformed", "truncate", "throttle"] as const;

const abort: z.ZodType<FixedResponse> = oneOf("a status, or a map with status, headers and body", [
  finalStatus.transform((status): FixedResponse => ({ status, headers: [], body: null })),
  section("Abort", "An answer in place of the route's own.", {
    status: finalStatus.default(503).describe("The status."),
    headers: headerFields
      .optional()
      .describe("Header fields. Without a `Content-Type` the body is plain text."),
    body: z.string({ error: "a text" }).optional().describe("The body."),
  }).transform(({ status, headers = [], body = null }): FixedResponse => ({ status, headers, body })),
]);

const PERCENTAGE_EXPECTED = "a percentage from 0 to 100";

/** A share from 0 to 1. */
const percentage: z.ZodType<number> = oneOf(PERCENTAGE_EXPECTED, [
  z.number({ error: PERCENTAGE_EXPECTED }),
  z
    .string({ error: PERCENTAGE_EXPECTED })
    .regex(/^\d+(?:\.\d+)? ?%$/, { error: PERCENTAGE_EXPECTED })
    .transform((percents) => Number.parseFloat(percents)),
])
  .transform((percents) => percents / 100)
  .refine((share) => share >= 0 && share <= 1, { error: PERCENTAGE_EXPECTED });

const keys = {
  name: text("a name")
    .optional()
    .describe("What it is called, to switch it on and off. Default: its place, as `routes[0].faults[0]`."),
  enabled: flag().default(true).describe("Whether it is on from the start."),
  match: match.optional().describe("Which of the route's requests it is for. Default: every one."),
  first: integer(1, MOST).optional().describe("Of those, it strikes the first so many."),
  every: integer(1, MOST).optional().describe("Of those, it strikes every so many-th."),
  key: headerName
    .optional()
    .describe(
      "A header field: `first` and `every` count the requests of each of its values apart. The 4096 values used last are kept.",
    ),
  percentage: percentage
    .optional()
    .describe("Of those that are left, the share that it strikes by lot: `30`, `0.5%`. Default: all."),
  delay: duration.optional().describe("Lets the request wait before anything else is done with it."),
  jitter: duration.optional().describe("By how much the delay differs, either way."),
  abort: abort
    .optional()
    .describe("Answers in place of what the route does: a status, or a map with status, headers and body."),
  reset: flag().default(false).describe("Resets the connection in place of an answer."),
  malformed: choice(["status-line", "header", "chunk", "length"])
    .optional()
    .describe(
      "Sends a response that breaks HTTP's rules: its first line or a field is none, the framing of its chunks is broken, or its length is no number.",
    ),
  truncate: size(0)
    .optional()
    .describe("Breaks the response off after so many bytes of its body and closes the connection."),
  throttle: rate.optional().describe("Sends the response's body with so many bytes a second."),
};

/** A fault whose name may still be open. */
export type FaultDraft = Omit<HttpFaultSettings, "name"> & { readonly name: string | null };

/** A fault on a route: which requests it strikes and what it does to them. */
export const fault: z.ZodType<FaultDraft> = section(
  "Fault",
  "A fault on the requests of a route: which it strikes, and how. What is said of both holds together.",
  keys,
).transform((document, context): FaultDraft => {
  const { name = null, enabled, match: matched = null, first = null, every = null, key = null } = document;
  const { percentage: share = 1, delay = 0, jitter = 0, malformed = null } = document;
  checkActions(document, context);
  checkCompany(document, context);
  return {
    ...{ name, enabled, match: matched, first, every, key, share, delay, jitter, malformed },
    abort: document.abort ?? null,
    reset: document.reset,
    truncate: document.truncate ?? null,
    throttle: document.throttle ?? null,
  };
});

type FaultDocument = z.output<z.ZodObject<typeof keys>>;
type Context = z.core.$RefinementCtx<unknown>;

function checkActions(document: FaultDocument, context: Context): void {
  const given = ACTIONS.filter((key) => document[key] !== undefined && document[key] !== false);
  if (given.length === 0)
    refuse(context, [], `one of ${ACTIONS.join(", ")}`, { reason: "this fault does nothing" });
  if (!document.reset) return;
  const vain = given.find((key) => key !== "delay" && key !== "reset");
  if (vain === undefined) return;
  refuse(context, [vain], "one of them", { reason: `reset and ${vain} exclude each other`, atKey: true });
}

/** What changes nothing by itself is hardly meant. */
function checkCompany(document: FaultDocument, context: Context): void {
  const { first, every, key, delay, jitter } = document;
  if (key !== undefined && first === undefined && every === undefined)
    refuse(context, ["key"], "first or every beside it", { reason: "nothing is counted by this key" });
  if (jitter !== undefined && delay === undefined)
    refuse(context, ["jitter"], "a delay beside it", { reason: "there is no delay that could differ" });
}
