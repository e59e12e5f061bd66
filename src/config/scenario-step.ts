import * as z from "zod";
import { nearestWord } from "../base/nearest-word.ts";
import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import { parseMode } from "../chaos/modes.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import { parseDuration } from "./quantities.ts";
import type { Ramp, ScenarioStep, StepAction, Targets, TimeSpan } from "./scenario.ts";
import type { ToxicKinds } from "./scenario-kinds.ts";
import { formatDuration } from "./scenario-quantity.ts";
import { rampSchema } from "./scenario-ramp.ts";
import { attributeMap, readAttributes, refuse, toxicityField } from "./scenario-toxic.ts";
import { list, oneOf, parsedBy, section, text } from "./schema/values.ts";

const MODE_EXPECTED = "a mode: allow, deny, latency 100±20, timeout 500 or throttle 10k";
const SPAN_EXPECTED = "a duration: 500ms, 10s, 2m, 10s±2s, or a number of seconds";
const TARGETS_EXPECTED = "the name of a proxy, a list of them, all, or a map with one_of";

const MODES: readonly Mode["kind"][] = ["allow", "deny", "latency", "timeout", "throttle"];

/** What a proxy does to all its connections. */
export const modeText: z.ZodType<Mode> = text(MODE_EXPECTED).transform((written, context): Mode => {
  try {
    return parseMode(written);
  } catch (error) {
    const [word = ""] = written.trim().toLowerCase().split(/\s+/);
    const nearest = MODES.some((mode) => mode === word) ? undefined : nearestWord(word, MODES);
    const { message } = error as Error;
    const [, expected] = /^expected (a direction[^;]*)/.exec(message) ?? [];
    const isFoundSaid = message.startsWith("expected");
    refuse(context, [], expected ?? MODE_EXPECTED, {
      ...(isFoundSaid ? {} : { reason: message }),
      ...(nearest === undefined ? {} : { suggestion: nearest }),
    });
    return z.NEVER;
  }
});

const SPAN = /^\d+(?:\.\d+)?(?:ms|s|m|h)(?: ?(?:±|\+-|\+\/-) ?\d+(?:\.\d+)?(?:ms|s|m|h))?$/;
/** The longest that a timer can wait, milliseconds. */
const LONGEST = 2 ** 31 - 1;

const timeSpan: z.ZodType<TimeSpan> = parsedBy(
  oneOf(SPAN_EXPECTED, [
    z.number({ error: SPAN_EXPECTED }).min(0, { error: SPAN_EXPECTED }),
    z.string({ error: SPAN_EXPECTED }).regex(SPAN, { error: SPAN_EXPECTED }),
  ]).meta({
    id: "TimeSpan",
    description: "`500ms`, `10s`, `2m`, a number of seconds; or `10s±2s` for a time that the seed draws.",
  }),
  SPAN_EXPECTED,
  (written): TimeSpan => {
    const [time = "", spread] = String(written).split(/ ?(?:±|\+-|\+\/-) ?/);
    const milliseconds = parseDuration(typeof written === "number" ? written : time);
    const drawn = spread === undefined ? 0 : parseDuration(spread);
    if (drawn > milliseconds) throw new RangeError("it can't vary by more than it is");
    if (milliseconds + drawn > LONGEST) throw new RangeError("it is longer than 24 days");
    return { milliseconds, spread: drawn };
  },
);

const targets: z.ZodType<Targets> = oneOf(TARGETS_EXPECTED, [
  text(TARGETS_EXPECTED).transform((name): Targets => {
    return name === "all" ? { kind: "all" } : { kind: "named", names: [name] };
  }),
  list(text("the name of a proxy"), "a list of proxies").transform(
    (names): Targets => ({ kind: "named", names: [...new Set(names)] }),
  ),
  section("OneOf", "One proxy, drawn by the seed anew in each round.", {
    one_of: list(text("the name of a proxy"), "a list of proxies").describe("The proxies to draw from."),
  }).transform(({ one_of: names }): Targets => ({ kind: "oneOf", names })),
]);

/** A step as far as it is known by itself: its targets may be given by the scenario. */
export interface StepDraft extends Omit<ScenarioStep, "line" | "targets"> {
  readonly targets: Targets | null;
}

interface UpdateDraft {
  readonly toxic: string;
  readonly change: ToxicChange;
}

function updateSchema(kinds: ToxicKinds): z.ZodType<UpdateDraft> {
  return section("Update", "A change of a toxic that is there; what isn't named stays.", {
    toxic: text("the name of a toxic").describe("The toxic's name."),
    toxicity: toxicityField.optional().describe("The share of connections that it is active on, 0 to 1."),
    attributes: attributeMap.optional().describe("The attributes to change."),
  }).transform(({ toxic, toxicity, attributes }, context): UpdateDraft => {
    if (toxicity === undefined && attributes === undefined)
      refuse(context, [], "attributes or toxicity", { reason: "this update changes nothing" });
    const types = kinds.typesOf(toxic);
    const read = attributes && readAttributes(context, ["attributes"], types, attributes);
    const share = toxicity === undefined ? {} : { toxicity };
    return { toxic, change: { ...share, ...(read === undefined ? {} : { attributes: read }) } };
  });
}

const onlyTrue = z.literal(true, { error: "true" });

interface ActionsDocument {
  readonly mode?: Mode | undefined;
  readonly toxic?: ToxicSettings | undefined;
  readonly update?: UpdateDraft | undefined;
  readonly remove?: string | undefined;
  readonly ramp?: Ramp | undefined;
  readonly cut?: true | undefined;
  readonly disable?: true | undefined;
  readonly enable?: true | undefined;
}

type ActionKey = keyof ActionsDocument;

/** The keys of which a step has one. */
const ACTIONS: readonly ActionKey[] = [
  "mode",
  "toxic",
  "update",
  "remove",
  "ramp",
  "cut",
  "disable",
  "enable",
];

/** One entry of the timeline. */
export function stepSchema(kinds: ToxicKinds, toxic: z.ZodType<ToxicSettings>): z.ZodType<StepDraft> {
  return section("Step", "Something that is done at a time, and undone if it is told for how long.", {
    at: timeSpan.optional().describe("When, counted from the start of the round."),
    after: timeSpan
      .optional()
      .describe("When, counted from the end of the step before. Default, without `at`: `0s`."),
    for: timeSpan.optional().describe("How long. Then it is undone; without it, it stays."),
    proxy: targets
      .optional()
      .describe(
        "On which proxies: a name, a list, `all`, or `{one_of: […]}`. Default: the only one under `proxies`.",
      ),
    mode: modeText
      .optional()
      .describe("Sets the mode: `allow`, `deny`, `latency 100±20`, `timeout 500`, `throttle 10k`."),
    toxic: toxic.optional().describe("Adds a toxic."),
    update: updateSchema(kinds).optional().describe("Changes a toxic."),
    remove: text("the name of a toxic").optional().describe("Removes a toxic, by name."),
    ramp: rampSchema(kinds)
      .optional()
      .describe("Moves a value evenly, as in `latency 0→400ms over 30s`; a map says more."),
    cut: onlyTrue.optional().describe("Ends all connections now, with a reset."),
    disable: onlyTrue.optional().describe("Closes the proxy and its connections."),
    enable: onlyTrue.optional().describe("Opens the proxy again."),
    log: text("a text").optional().describe("A text to print."),
  }).transform(({ at, after, for: lasts = null, proxy = null, log = "", ...actions }, context): StepDraft => {
    const given = ACTIONS.filter((key) => actions[key] !== undefined);
    if (at !== undefined && after !== undefined) refuseBoth(context, "at", "after");
    if (given.length > 1) refuseBoth(context, given[0]!, given[1]!);
    if (given.length === 0 && log === "")
      refuse(context, [], `${ACTIONS.join(", ")} or log`, { reason: "this step does nothing" });
    if (lasts !== null) checkLength(context, lasts, given[0], actions.ramp);
    const time = at ?? after ?? { milliseconds: 0, spread: 0 };
    const from = at === undefined ? "previous" : "start";
    return { from, time, lasts, targets: proxy, action: toAction(actions), log };
  });
}

type Context = z.core.$RefinementCtx<unknown>;

function refuseBoth(context: Context, first: string, second: string): void {
  const reason = `${first} and ${second} exclude each other`;
  refuse(context, [second], "one of them", { reason, atKey: true });
}

function checkLength(context: Context, lasts: TimeSpan, action: ActionKey | undefined, ramp?: Ramp): void {
  if (action === undefined || action === "cut") {
    const reason = `${action ?? "log"} can't be undone`;
    refuse(context, ["for"], "a step without for", { reason, atKey: true });
  }
  if (lasts.milliseconds === lasts.spread) refuse(context, ["for"], "a duration of more than 0s");
  if (ramp === undefined || lasts.milliseconds - lasts.spread >= ramp.over) return;
  const reason = "it is undone before the ramp has arrived";
  refuse(context, ["for"], `at least ${formatDuration(ramp.over)}`, { reason });
}

function toAction(actions: ActionsDocument): StepAction | null {
  const { mode, toxic, update, remove, ramp, cut, disable, enable } = actions;
  if (mode !== undefined) return { kind: "mode", mode };
  if (toxic !== undefined) return { kind: "addToxic", toxic };
  if (update !== undefined) return { kind: "updateToxic", ...update };
  if (remove !== undefined) return { kind: "removeToxic", toxic: remove };
  if (ramp !== undefined) return { kind: "ramp", ramp };
  if (cut !== undefined) return { kind: "cut" };
  if (disable !== undefined || enable !== undefined) return { kind: "enabled", enabled: enable === true };
  return null;
}
