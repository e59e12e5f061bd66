/** What an attribute can be. */
export type AttributeValue = number | boolean | string;

/** Attributes by name: plain data, as it travels between threads and in JSON. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** What a toxic can be told, for menus, help, checks and error messages. */
export interface AttributeSpec<T extends AttributeValue = AttributeValue> {
  readonly kind: "int" | "float" | "bool" | "string";
  readonly about: string;
  /** `ms`, `KB/s`; "" for plain numbers. */
  readonly unit: string;
  readonly default: T;
  /** A smaller value is refused. */
  readonly minimum: number;
  readonly maximum: number;
  /**
   * True for what Toxiproxy's toxic of that name doesn't have: shown only where it differs from its default, so that a
   * client sees what it expects.
   */
  readonly isExtra: boolean;
}

export type AttributeSpecs = Readonly<Record<string, AttributeSpec>>;

export type AttributesOf<S extends AttributeSpecs> = {
  readonly [Name in keyof S]: S[Name] extends AttributeSpec<infer T> ? T : never;
};

type Bounds = Partial<Pick<AttributeSpec<number>, "unit" | "default" | "minimum" | "maximum" | "isExtra">>;

/** A whole number, by default 0 or more. */
export function int(about: string, bounds: Bounds = {}): AttributeSpec<number> {
  return numeric("int", about, bounds);
}

/** A number, by default 0 or more. */
export function float(about: string, bounds: Bounds = {}): AttributeSpec<number> {
  return numeric("float", about, bounds);
}

export function bool(about: string, { isExtra = false }: { isExtra?: boolean } = {}): AttributeSpec<boolean> {
  return { kind: "bool", about, unit: "", default: false, minimum: 0, maximum: 1, isExtra };
}

function numeric(
  kind: "int" | "float",
  about: string,
  { unit = "", default: value = 0, minimum = 0, maximum = Number.MAX_SAFE_INTEGER, isExtra = false }: Bounds,
): AttributeSpec<number> {
  return { kind, about, unit, default: value, minimum, maximum, isExtra };
}
