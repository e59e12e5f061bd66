import { nearestWord } from "../base/nearest-word.ts";
import type { AttributeSpec, AttributeValue } from "../chaos/attributes.ts";
import { attributeProblem, type ToxicRegistry } from "../chaos/registry.ts";
import type { ToxicType } from "../chaos/toxic.ts";
import { parseQuantity } from "./scenario-quantity.ts";

/** What can't be, with the nearest word that can. */
export class KindError extends Error {
  readonly expected: string;
  readonly suggestion: string | undefined;

  constructor(message: string, expected: string, suggestion?: string) {
    super(message);
    this.expected = expected;
    this.suggestion = suggestion;
  }
}

/** What the API calls a toxic that was given no name. */
export function defaultToxicName(type: string, stream: string): string {
  return `${type}_${stream}`;
}

/**
 * The kinds of toxics that a scenario may speak of: those that come along, and those of one's own, of which nothing but
 * the name is known. Knows which kinds the toxics that the scenario names are of.
 */
export class ToxicKinds {
  readonly #registry: ToxicRegistry;
  readonly #own: ReadonlySet<string>;
  readonly #takesOwn: boolean;
  readonly #typesByName = new Map<string, Set<string>>();

  /** @param document the scenario as it was written, which may be wrong in any way; undefined outside of scenarios */
  constructor(registry: ToxicRegistry, document?: unknown) {
    this.#registry = registry;
    this.#takesOwn = document !== undefined;
    this.#own = new Set(listAt(document, "own_toxics").filter((name) => typeof name === "string"));
    const inProxies = listAt(document, "proxies").flatMap((proxy) => listAt(proxy, "toxics"));
    const inSteps = listAt(document, "steps").map((step) => valueAt(step, "toxic"));
    for (const toxic of [...inProxies, ...inSteps]) this.#note(toxic);
  }

  #note(toxic: unknown): void {
    const type = valueAt(toxic, "type");
    const name = valueAt(toxic, "name");
    if (typeof type !== "string" || typeof name !== "string") return;
    const types = this.#typesByName.get(name) ?? new Set();
    this.#typesByName.set(name, types.add(type));
  }

  has(type: string): boolean {
    return this.#own.has(type) || this.#registry.get(type) !== undefined;
  }

  /** Undefined for those of one's own too. */
  get(type: string): ToxicType | undefined {
    return this.#registry.get(type);
  }

  /** @throws KindError for a type that there isn't */
  check(type: string): void {
    if (this.has(type)) return;
    const names = [...this.#registry.names, ...this.#own];
    const nearest = nearestWord(type, names);
    const known = nearest === undefined ? `one of ${names.join(", ")}` : "a type that there is";
    const expected = this.#takesOwn ? `${known}, or a name listed under own_toxics` : known;
    throw new KindError(`there is no toxic type ${JSON.stringify(type)}`, expected, nearest);
  }

  /** For a toxic that doesn't tell which attribute is meant. @throws KindError */
  refuseMain(name: string): never {
    if (this.has(name)) throw new KindError(`${name} has no attribute that could be meant`, "another toxic");
    const message = `${JSON.stringify(name)} is no type of toxic that would tell which attribute is meant`;
    const expected = "the attribute too, as in slow.latency 0→400ms over 30s";
    throw new KindError(message, expected, nearestWord(name, this.#registry.names));
  }

  /** What a toxic of this name may be; null when it may be anything. */
  typesOf(name: string): readonly ToxicType[] | null {
    const known = this.#typesByName.get(name) ?? this.#typesByDefaultName(name);
    if (known === undefined) return this.#own.size === 0 ? [...this.#registry] : null;
    const types = [...known].map((type) => this.#registry.get(type));
    return types.every((type) => type !== undefined) ? types : null;
  }

  #typesByDefaultName(name: string): ReadonlySet<string> | undefined {
    const [, type = ""] = /^(.+)_(?:up|down)stream$/.exec(name) ?? [];
    return this.has(type) ? new Set([type]) : undefined;
  }
}

/** What a toxic of a type is ramped by when nothing is said. */
export function mainAttribute(type: ToxicType): string | undefined {
  const numeric = Object.entries(type.attributes).filter(([, { kind }]) => isNumeric(kind));
  return numeric[0]?.[0];
}

/**
 * The specifications that an attribute may have.
 * @param types null when any attribute may be right
 * @throws KindError when none of the types has it
 */
export function specsOf(types: readonly ToxicType[] | null, attribute: string): AttributeSpec[] {
  if (types === null) return [];
  const specs = types.flatMap(({ attributes }) => attributes[attribute] ?? []);
  if (specs.length > 0) return specs;
  const known = [...new Set(types.flatMap(({ attributes }) => Object.keys(attributes)))];
  const who = types.length === 1 ? types[0]!.name : "any toxic";
  const expected = known.length === 0 ? "no attributes" : `one of ${known.join(", ")}`;
  throw new KindError(
    `${JSON.stringify(attribute)} is no attribute of ${who}`,
    expected,
    nearestWord(attribute, known),
  );
}

/**
 * An attribute's value in its unit, by the first specification that takes it.
 * @param specs none: it is taken as it is
 * @throws KindError when none takes it
 */
export function readAttribute(specs: readonly AttributeSpec[], value: AttributeValue): AttributeValue {
  let problem: KindError | null = null;
  for (const spec of specs) {
    try {
      return readBy(spec, value);
    } catch (error) {
      if (!(error instanceof KindError)) throw error;
      problem ??= error;
    }
  }
  if (problem !== null) throw problem;
  return value;
}

function readBy(spec: AttributeSpec, value: AttributeValue): AttributeValue {
  const read = isNumeric(spec.kind) && typeof value === "string" ? readNumber(spec, value) : value;
  const problem = attributeProblem(spec, read);
  if (problem === null) return read;
  // What is expected of its kind is said anyway.
  const reason = problem.startsWith("expected") ? "" : `: ${problem}`;
  throw new KindError(`found ${JSON.stringify(value)}${reason}`, describeSpec(spec));
}

function readNumber(spec: AttributeSpec, value: string): number {
  try {
    return parseQuantity(value, spec.unit);
  } catch (error) {
    throw new KindError((error as Error).message, describeSpec(spec));
  }
}

function describeSpec({ kind, unit }: AttributeSpec): string {
  if (kind === "bool") return "true or false";
  if (kind === "string") return "a text";
  const what = kind === "int" ? "a whole number" : "a number";
  return unit === "" ? what : `${what}, in ${unit}`;
}

export function isNumeric(kind: AttributeSpec["kind"]): boolean {
  return kind === "int" || kind === "float";
}

/** The toxic's stream as words of the file have it. */
export const STREAMS: readonly ["downstream", "upstream"] = ["downstream", "upstream"];

function valueAt(map: unknown, key: string): unknown {
  return typeof map === "object" && map !== null ? (map as Record<string, unknown>)[key] : undefined;
}

function listAt(map: unknown, key: string): readonly unknown[] {
  const value = valueAt(map, key);
  return Array.isArray(value) ? value : [];
}
