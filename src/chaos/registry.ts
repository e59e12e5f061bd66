import type { AttributeSpec, AttributeSpecs, Attributes, AttributeValue } from "./attributes.ts";
import type { ToxicType } from "./toxic.ts";

/** The kinds of toxics there are, by name: those that come along, and those that a program adds. */
export class ToxicRegistry implements Iterable<ToxicType> {
  readonly #types = new Map<string, ToxicType>();
  readonly #base: ToxicRegistry | null;

  /** @param base another whose kinds this one has too, also those that come to it later */
  constructor(types: Iterable<ToxicType> = [], base: ToxicRegistry | null = null) {
    this.#base = base;
    for (const type of types) this.register(type);
  }

  /** @throws TypeError when there is one of that name */
  register<S extends AttributeSpecs>(type: ToxicType<S>): void {
    if (this.get(type.name) !== undefined) throw new TypeError(`There is a toxic ${type.name} already`);
    this.#types.set(type.name, type as unknown as ToxicType);
  }

  get(name: string): ToxicType | undefined {
    return this.#types.get(name) ?? this.#base?.get(name);
  }

  get names(): string[] {
    return [...this].map(({ name }) => name);
  }

  *[Symbol.iterator](): Iterator<ToxicType> {
    if (this.#base !== null) yield* this.#base;
    yield* this.#types.values();
  }
}

/** All attributes of a type: those given, and the defaults of the others. Unknown ones are left out. */
export function completeAttributes({ attributes: specs }: ToxicType, given: Attributes): Attributes {
  const all: Record<string, AttributeValue> = {};
  for (const [name, spec] of Object.entries(specs)) all[name] = given[name] ?? spec.default;
  return all;
}

/** What is wrong with an attribute's value, null when it may stand. */
export function attributeProblem(spec: AttributeSpec, value: AttributeValue): string | null {
  if (spec.kind === "bool") return typeof value === "boolean" ? null : "expected true or false";
  if (spec.kind === "string") return typeof value === "string" ? null : "expected text";
  if (typeof value !== "number" || !Number.isFinite(value)) return "expected a number";
  if (spec.kind === "int" && !Number.isInteger(value)) return "expected a whole number";
  if (value < spec.minimum) return `must be at least ${spec.minimum}`;
  return value > spec.maximum ? `must be at most ${spec.maximum}` : null;
}
