import type { AttributeSpec, AttributeValue } from "../../chaos/attributes.ts";
import type { ToxicType } from "../../chaos/toxic.ts";
import {
  bool,
  type Fields,
  float64,
  int,
  int64,
  type Shape,
  type StructNames,
  struct,
  text,
} from "../json/shapes.ts";

/** Structs whose name isn't the toxic's in camel case. */
const STRUCTS: ReadonlyMap<string, string> = new Map([["reset_peer", "ResetToxic"]]);
/** Toxics whose whole numbers are an `int`. */
const WITH_INT: ReadonlySet<string> = new Set(["slicer"]);

/** The struct of a toxic's attributes, as type errors name it: `LatencyToxic`. */
export function attributesShape({ name, attributes }: ToxicType): Shape<Record<string, AttributeValue>> {
  const fields = Object.entries(attributes).map(([key, spec]) => [key, shapeOf(name, spec)]);
  return struct(namesOf(name), Object.fromEntries(fields) as Fields<Record<string, AttributeValue>>) as Shape<
    Record<string, AttributeValue>
  >;
}

function namesOf(toxic: string): StructNames {
  const name = STRUCTS.get(toxic) ?? `${toCamelCase(toxic)}Toxic`;
  return { type: `toxics.${name}`, name };
}

function shapeOf(toxic: string, { kind }: AttributeSpec): Shape<AttributeValue> {
  if (kind === "string") return text;
  if (kind === "bool") return bool;
  if (kind === "float") return float64;
  return WITH_INT.has(toxic) ? int : int64;
}

function toCamelCase(name: string): string {
  return name.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
