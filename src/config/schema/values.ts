import * as z from "zod";

/*
 * The building blocks of the schema. An issue's message is always what was expected, as a phrase that fits behind
 * "expected"; `issues.ts` adds what was found, where, and the nearest valid word.
 */

/** The `params` of an issue that can say more than that a value doesn't fit. */
export interface IssueParams {
  /** What is wrong, in place of "found …". */
  readonly reason?: string;
  /** The nearest valid word. */
  readonly suggestion?: string;
  /** True when the key is meant and not its value. */
  readonly atKey?: boolean;
}

/** A map with a fixed set of keys. Unknown ones are refused: ignoring a misspelt limit would be no limit. */
export function section<S extends z.core.$ZodShape>(
  id: string,
  description: string,
  shape: S,
): z.ZodObject<S, z.core.$strict> {
  const keys = Object.keys(shape).join(", ");
  const error: z.core.$ZodErrorMap = ({ code }) => (code === "unrecognized_keys" ? keys : "a map");
  return z.strictObject(shape, { error }).meta({ id, description });
}

/** One of several forms, told apart by their type. */
export function oneOf<T extends readonly z.core.SomeType[]>(expected: string, forms: T): z.ZodUnion<T> {
  return z.union(forms, { error: expected });
}

export function list<T extends z.core.SomeType>(item: T, expected: string): z.ZodArray<T> {
  return z.array(item, { error: expected }).min(1, { error: `${expected}, with at least one entry` });
}

/** One thing, or a list of such things; always a list in the end. */
export function oneOrMore<T>(item: z.ZodType<T>, expected: string): z.ZodType<readonly T[]> {
  return oneOf(`${expected}, or a list of such`, [item, list(item, `a list of ${expected}`)]).transform(
    (value) => (Array.isArray(value) ? value : [value]) as readonly T[],
  );
}

export function choice<const T extends readonly string[]>(values: T): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(values, { error: values.length === 1 ? values[0]! : `one of ${values.join(", ")}` });
}

export function text(expected: string): z.ZodString {
  return z.string({ error: expected }).min(1, { error: expected });
}

/** The path of a file. What stands there may be a key by mistake, which nobody may quote. */
export function filePath(): z.ZodString {
  const params: IssueParams = { reason: "this is what a file holds, and not where it is" };
  return text("a file").refine((value) => !value.includes("\n"), { error: "the path of a file", params });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: "true or false" });
}

export function integer(least: number, most: number): z.ZodNumber {
  const error = `a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/**
 * Turns a value into its normal form by a function that returns undefined for what it can't take, or throws an Error with a
 * reason that says more than what is expected.
 */
export function parsedBy<I, O>(
  schema: z.ZodType<I>,
  expected: string,
  parse: (value: I) => O,
): z.ZodType<Exclude<O, undefined>> {
  return schema.transform((value, context): Exclude<O, undefined> => {
    try {
      const parsed = parse(value);
      if (parsed !== undefined) return parsed as Exclude<O, undefined>;
      context.issues.push({ code: "custom", input: value, message: expected });
    } catch (error) {
      const params: IssueParams = { reason: (error as Error).message };
      context.issues.push({ code: "custom", input: value, message: expected, params });
    }
    return z.NEVER;
  });
}

/** What a function returns, undefined when it throws. */
export function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** `off`, or `false`, which is what `off` was in older YAML. */
export function off(): z.ZodType<null> {
  return oneOf("off", [z.literal("off", { error: "off" }), z.literal(false, { error: "off" })]).transform(
    () => null,
  );
}

const NAME = /^[A-Za-z][\w.-]*$/;

/** What things may be called that others refer to. */
export const entryName: z.ZodType<string, string> = z.string().regex(NAME, {
  error: "a name of letters, digits, dots, dashes and underscores that begins with a letter",
});

export function isEntryName(name: string): boolean {
  return NAME.test(name);
}
