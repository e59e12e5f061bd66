import { nearestWord } from "../../base/nearest-word.ts";
import type { Attributes, AttributeValue } from "../../chaos/attributes.ts";
import type { ToxicRegistry } from "../../chaos/registry.ts";
import type { Direction, ToxicSettings, ToxicType } from "../../chaos/toxic.ts";
import { defaultToxicName, KindError, readAttribute, specsOf } from "../../config/scenario-kinds.ts";

/** What may stand beside attributes. */
interface Written {
  name: string | null;
  stream: Direction;
  toxicity: number;
  readonly attributes: Record<string, AttributeValue>;
}

/**
 * A toxic as it is written on a command line: `latency latency=100 jitter=20 upstream toxicity=0.5 name=slow`. The type
 * comes first, the rest in any order. Values may have units: `latency=1.5s`.
 * @throws Error that says what was expected
 */
export function parseToxic(text: string, registry: ToxicRegistry): ToxicSettings {
  const [typeName = "", ...words] = text.trim().split(/\s+/);
  const type = typeOf(typeName, registry);
  const written: Written = { name: null, stream: "downstream", toxicity: 1, attributes: {} };
  for (const word of words) take(word, type, written);
  const { name, stream, toxicity, attributes } = written;
  return { name: name ?? defaultToxicName(type.name, stream), type: type.name, stream, toxicity, attributes };
}

function typeOf(name: string, registry: ToxicRegistry): ToxicType {
  const type = registry.get(name);
  if (type !== undefined) return type;
  const nearest = nearestWord(name, registry.names);
  const hint = nearest === undefined ? `there are ${registry.names.join(", ")}` : `did you mean ${nearest}?`;
  throw new Error(`There is no toxic ${JSON.stringify(name)}: ${hint}`);
}

function take(word: string, type: ToxicType, written: Written): void {
  if (word === "upstream" || word === "downstream") {
    written.stream = word;
    return;
  }
  const [, key = "", value = ""] = /^([^=]+)=(.+)$/.exec(word) ?? [];
  if (key === "")
    throw new Error(`Found ${JSON.stringify(word)}: expected key=value, upstream or downstream`);
  if (key === "name") written.name = value;
  else if (key === "toxicity") written.toxicity = parseToxicity(value);
  else Object.assign(written.attributes, parseAttribute(type, key, value));
}

function parseToxicity(value: string): number {
  const toxicity = Number(value);
  if (toxicity >= 0 && toxicity <= 1) return toxicity;
  throw new Error(`Found toxicity ${JSON.stringify(value)}: expected a share from 0 to 1`);
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
]);

function parseAttribute(type: ToxicType, name: string, text: string): Attributes {
  const specs = said("", () => specsOf([type], name));
  const isBool = specs.some(({ kind }) => kind === "bool");
  const value = isBool ? (BOOLEANS.get(text) ?? text) : text;
  return { [name]: said(`${name}: `, () => readAttribute(specs, value)) };
}

/** Puts what was expected behind what is wrong, and `prefix` before it. */
function said<T>(prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KindError)) throw error;
    const { message, expected, suggestion } = error;
    const hint = suggestion === undefined ? `expected ${expected}` : `did you mean ${suggestion}?`;
    throw new Error(`${prefix}${message}; ${hint}`);
  }
}
