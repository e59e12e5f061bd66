import * as z from "zod";
import type { AttributeSpec } from "../chaos/attributes.ts";
import type { ToxicType } from "../chaos/toxic.ts";
import { parseDuration } from "./quantities.ts";
import type { Ramp } from "./scenario.ts";
import {
  defaultToxicName,
  isNumeric,
  KindError,
  mainAttribute,
  readAttribute,
  STREAMS,
  specsOf,
  type ToxicKinds,
} from "./scenario-kinds.ts";
import { guard, refuse } from "./scenario-toxic.ts";
import { duration } from "./schema/units.ts";
import { choice, integer, oneOf, parsedBy, section, text } from "./schema/values.ts";

const RAMP_EXPECTED = "a ramp like latency 0→400ms over 30s, or a map with toxic, from, to and over";
const VALUE_EXPECTED = "a number, alone or with its unit";
const MOST_STEPS = 100_000;
/** Milliseconds between two values. */
const EVERY = 250;

/** A ramp as it is written, in either form. */
interface RampDraft {
  readonly isShort: boolean;
  readonly toxic: string;
  readonly attribute: string | undefined;
  readonly stream: "upstream" | "downstream";
  readonly from: number | string;
  readonly to: number | string;
  readonly over: number;
  readonly every: number | undefined;
  readonly steps: number | undefined;
}

const NUMBER = String.raw`[-+]?\d+(?:\.\d+)?`;
const UNIT = String.raw`(?: ?[^\d\s.→>-][^\d\s→>-]*)?`;
/** `latency.jitter upstream 0→400ms over 30s every 250ms`, `… in 20 steps` */
const SHORT = new RegExp(
  String.raw`^(?<toxic>[^\s.]+)(?:\.(?<attribute>\w+))?(?: (?<stream>upstream|downstream))? ` +
    String.raw`(?<from>${NUMBER})(?<unit>${UNIT}) ?(?:→|->) ?(?<to>${NUMBER}${UNIT}) over (?<over>\S+)` +
    String.raw`(?: every (?<every>\S+)| in (?<steps>\d+) steps)?$`,
);

function parseShort(line: string): RampDraft | undefined {
  const groups = SHORT.exec(line.trim().replace(/\s+/g, " "))?.groups;
  if (groups === undefined) return undefined;
  const { toxic = "", attribute, stream, from = "", unit = "", to = "", over = "", every, steps } = groups;
  return {
    isShort: true,
    toxic,
    attribute,
    stream: stream === "upstream" ? "upstream" : "downstream",
    // What has no unit of its own has that of the other one: 0→400ms.
    from: from + (unit === "" ? unitOf(to) : unit),
    to: to + (unitOf(to) === "" ? unit : ""),
    over: parseDuration(over),
    every: every === undefined ? undefined : parseDuration(every),
    steps: steps === undefined ? undefined : Number(steps),
  };
}

function unitOf(quantity: string): string {
  return quantity.replace(new RegExp(`^${NUMBER}`), "");
}

const value = oneOf(VALUE_EXPECTED, [z.number({ error: VALUE_EXPECTED }), text(VALUE_EXPECTED)]);

const longForm = section("Ramp", "A value that moves evenly from one number to another.", {
  toxic: text("the name or the type of a toxic").describe(
    "The name of a toxic that is there; or a type: without such a toxic, one is added.",
  ),
  attribute: text("the name of an attribute")
    .optional()
    .describe("What is changed: an attribute, or `toxicity`. Default: the first attribute of the type."),
  stream: choice(STREAMS).default("downstream").describe("The direction of a toxic that is added."),
  from: value.describe("The first value, in the attribute's unit or with a unit of its own."),
  to: value.describe("The last value."),
  over: duration.describe("How long it takes."),
  every: duration.optional().describe("Time between two values. Default: `250ms`."),
  steps: integer(1, MOST_STEPS).optional().describe("How many values follow the first, in place of `every`."),
}).transform(({ attribute, every, steps, ...rest }): RampDraft => {
  return { ...rest, isShort: false, attribute, every, steps };
});

/** A ramp, in its short form or as a map. */
export function rampSchema(kinds: ToxicKinds): z.ZodType<Ramp> {
  const short = parsedBy(text(RAMP_EXPECTED), RAMP_EXPECTED, parseShort);
  return oneOf(RAMP_EXPECTED, [short, longForm]).transform((draft, context): Ramp => {
    // The short form is one text: all that is wrong with it stands in one place.
    const at = (key: string): string[] => (draft.isShort ? [] : [key]);
    checkTimes(draft, at, context);
    const found = attributeOf(kinds, draft, at, context);
    if (found === null) return z.NEVER;
    const { attribute, specs } = found;
    const [from, to] = [readEnd(specs, "from", draft, at, context), readEnd(specs, "to", draft, at, context)];
    const { toxic, stream, over } = draft;
    const name = defaultToxicName(toxic, stream);
    const adds = kinds.has(toxic) ? { type: toxic, name, stream, toxicity: 1, attributes: {} } : null;
    const steps = Math.max(draft.steps ?? Math.ceil(over / (draft.every ?? EVERY)), 1);
    return { toxic, adds, attribute, from, to, over, steps, isWhole: isWhole(specs, from, to) };
  });
}

type Context = z.core.$RefinementCtx<unknown>;
type Place = (key: string) => readonly string[];

function checkTimes({ over, every, steps }: RampDraft, at: Place, context: Context): void {
  if (over === 0) refuse(context, at("over"), "a duration of more than 0s");
  if (every !== undefined && steps !== undefined)
    refuse(context, at("steps"), "one of them", {
      reason: "every and steps exclude each other",
      atKey: true,
    });
  if (every === 0 || over / (every ?? EVERY) > MOST_STEPS)
    refuse(
      context,
      at(every === undefined ? "over" : "every"),
      `a time that makes at most ${MOST_STEPS} steps`,
    );
}

const TOXICITY: AttributeSpec = {
  kind: "float",
  about: "the share of connections that a toxic is active on",
  unit: "",
  default: 1,
  minimum: 0,
  maximum: 1,
  isExtra: false,
};

interface RampedAttribute {
  readonly attribute: string;
  /** Empty when nothing is known of it. */
  readonly specs: readonly AttributeSpec[];
}

/** What is ramped; null when that can't be. */
function attributeOf(
  kinds: ToxicKinds,
  { toxic, attribute }: RampDraft,
  at: Place,
  context: Context,
): RampedAttribute | null {
  if (attribute === "toxicity") return { attribute, specs: [TOXICITY] };
  const type = kinds.get(toxic);
  const name = attribute ?? (type && mainAttribute(type));
  if (name === undefined) {
    guard(context, at("toxic"), false, () => kinds.refuseMain(toxic));
    return null;
  }
  let specs: readonly AttributeSpec[] = [];
  const isFound = guard(context, at("attribute"), false, () => {
    specs = numericOnly(name, specsOf(kinds.has(toxic) ? ownTypes(type) : kinds.typesOf(toxic), name));
  });
  return isFound ? { attribute: name, specs } : null;
}

/** Of a kind of one's own nothing is known. */
function ownTypes(type: ToxicType | undefined): readonly ToxicType[] | null {
  return type === undefined ? null : [type];
}

function numericOnly(name: string, specs: readonly AttributeSpec[]): readonly AttributeSpec[] {
  const numeric = specs.filter(({ kind }) => isNumeric(kind));
  if (numeric.length === 0 && specs.length > 0)
    throw new KindError(`${name} is no number, which alone can be ramped`, "another attribute");
  return numeric;
}

function readEnd(
  specs: readonly AttributeSpec[],
  end: "from" | "to",
  draft: RampDraft,
  at: Place,
  context: Context,
): number {
  let number = 0;
  guard(context, at(end), false, () => {
    number = readNumber(specs, draft[end]);
  });
  return number;
}

function readNumber(specs: readonly AttributeSpec[], given: number | string): number {
  const plain = typeof given === "string" && /^[-+\d.]+$/.test(given) ? Number(given) : given;
  const number = readAttribute(specs, plain);
  if (typeof number === "number") return number;
  throw new KindError(`the unit of ${JSON.stringify(given)} isn't known here`, "a number without a unit");
}

/** Of attributes that nothing is known of, those whose ends are whole and not next to each other are whole. */
function isWhole(specs: readonly AttributeSpec[], from: number, to: number): boolean {
  const [spec] = specs;
  if (spec !== undefined) return spec.kind === "int";
  return Number.isInteger(from) && Number.isInteger(to) && Math.abs(to - from) > 1;
}
