import * as z from "zod";
import type { Attributes, AttributeValue } from "../chaos/attributes.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import {
  defaultToxicName,
  KindError,
  readAttribute,
  STREAMS,
  specsOf,
  type ToxicKinds,
} from "./scenario-kinds.ts";
import { choice, type IssueParams, oneOf, section, text } from "./schema/values.ts";

const VALUE_EXPECTED = "a number, true, false or a text";

export const toxicityField: z.ZodNumber = z
  .number({ error: "a share from 0 to 1" })
  .min(0, { error: "a share from 0 to 1" })
  .max(1, { error: "a share from 0 to 1" });

/** Attributes as they are written; whether the toxic has them is not known yet. */
export const attributeMap: z.ZodType<Attributes> = z
  .record(
    z.string(),
    oneOf(VALUE_EXPECTED, [
      z.number({ error: VALUE_EXPECTED }),
      z.boolean({ error: VALUE_EXPECTED }),
      z.string({ error: VALUE_EXPECTED }),
    ]),
    { error: "a map of attributes" },
  )
  .meta({
    id: "ToxicAttributes",
    description:
      "Attributes by name, as numbers in their own unit or with a unit: `latency: 1500` or `latency: 1.5s`.",
  });

/** A toxic to add. */
export function toxicSchema(kinds: ToxicKinds): z.ZodType<ToxicSettings> {
  return section("Toxic", "A toxic: a fault on one direction of the connections.", {
    type: text("the type of a toxic").describe("Its type: `latency`, `bandwidth`, `timeout`, …"),
    name: text("a name")
      .optional()
      .describe("Its name. Default: type and stream, as in `latency_downstream`."),
    stream: choice(STREAMS)
      .default("downstream")
      .describe("The direction it acts on. `upstream`: from the client to the server."),
    toxicity: toxicityField.default(1).describe("The share of connections that it is active on, 0 to 1."),
    attributes: attributeMap.default({}).describe("What it is told; the others have their defaults."),
  }).transform(({ type, name, stream, toxicity, attributes }, context): ToxicSettings => {
    const isKnown = guard(context, ["type"], false, () => kinds.check(type));
    const known = kinds.get(type);
    const read = isKnown ? readAttributes(context, ["attributes"], known ? [known] : null, attributes) : {};
    return { type, name: name ?? defaultToxicName(type, stream), stream, toxicity, attributes: read };
  });
}

type Context = z.core.$RefinementCtx<unknown>;

/** Attributes in their units. What can't be is an issue. */
export function readAttributes(
  context: Context,
  path: readonly PropertyKey[],
  types: Parameters<typeof specsOf>[0],
  given: Attributes,
): Attributes {
  const read: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(given)) {
    let specs: ReturnType<typeof specsOf> = [];
    const exists = guard(context, [...path, name], true, () => {
      specs = specsOf(types, name);
    });
    if (!exists) continue;
    guard(context, [...path, name], false, () => {
      read[name] = readAttribute(specs, value);
    });
  }
  return read;
}

/** Runs a check and makes an issue of its `KindError`. False when there was one. */
export function guard(
  context: Context,
  path: readonly PropertyKey[],
  atKey: boolean,
  check: () => void,
): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (!(error instanceof KindError)) throw error;
    const hint = error.suggestion === undefined ? {} : { suggestion: error.suggestion };
    refuse(context, path, error.expected, { reason: error.message, atKey, ...hint });
    return false;
  }
}

export function refuse(
  context: Context,
  path: readonly PropertyKey[],
  expected: string,
  params: IssueParams = {},
): void {
  context.issues.push({
    code: "custom",
    input: context.value,
    message: expected,
    path: [...path],
    params: { ...params },
  });
}
