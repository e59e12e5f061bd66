import * as z from "zod";
import { configuration } from "./schema/configuration.ts";

/** A JSON Schema (2020-12), as far as this project looks into it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | false;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

const ENVIRONMENT = "Environment";

/** A variable may stand for any single value: editors have to accept it. */
const VARIABLE: JsonSchema = { $ref: `#/$defs/${ENVIRONMENT}` };

const VARIABLE_DEFINITION: JsonSchema = {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how variables are written
  description: "An environment variable: `${NAME}` or `${NAME:-default}`.",
  type: "string",
  pattern: "\\$\\{[A-Za-z_]\\w*(:-[^}]*)?\\}",
};

/** The JSON Schema of configuration files, for editors: `sluice schema` prints it. */
export function configSchema(): JsonSchema {
  return editorSchema(configuration, "Configuration of Sluice");
}

/** The JSON Schema of a kind of file, for editors. */
export function editorSchema(type: z.ZodType, title: string): JsonSchema {
  const schema = z.toJSONSchema(type, { io: "input" }) as JsonSchema;
  const definitions = Object.entries(schema.$defs ?? {}).map(([name, definition]) => [
    name,
    tidy(definition),
  ]);
  return {
    ...schema,
    title,
    $defs: { ...Object.fromEntries(definitions), [ENVIRONMENT]: VARIABLE_DEFINITION },
  };
}

/** Lets variables stand for numbers and words, and makes one list of nested alternatives. */
function tidy(schema: JsonSchema): JsonSchema {
  const { properties, items, additionalProperties, anyOf, oneOf } = schema;
  if (anyOf !== undefined) return { ...schema, anyOf: alternatives(anyOf) };
  if (oneOf !== undefined) return withAnyOf(schema, oneOf);
  if (isRestricted(schema)) return orVariable(schema);
  return {
    ...schema,
    ...(properties === undefined ? {} : { properties: tidyEach(properties) }),
    ...(items === undefined ? {} : { items: tidy(items) }),
    ...(typeof additionalProperties === "object" ? { additionalProperties: tidy(additionalProperties) } : {}),
  };
}

/** A variable may stand for the word that tells forms apart: then more than one may fit. */
function withAnyOf({ oneOf: _, ...rest }: JsonSchema, forms: readonly JsonSchema[]): JsonSchema {
  return { ...rest, anyOf: alternatives(forms) };
}

function tidyEach(properties: Readonly<Record<string, JsonSchema>>): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, tidy(schema)]));
}

/** True for a single value that a variable's text would not fit. */
function isRestricted({ type, enum: words, pattern, const: constant }: JsonSchema): boolean {
  if (words !== undefined || pattern !== undefined || constant !== undefined) return true;
  return type === "number" || type === "integer" || type === "boolean";
}

function orVariable({ description, default: preset, ...value }: JsonSchema): JsonSchema {
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: alternatives([value]),
  };
}

function alternatives(schemas: readonly JsonSchema[]): JsonSchema[] {
  const flat = schemas.flatMap((schema) => flatten(schema));
  const takesAnyText = flat.some((one) => [one.type].flat().includes("string") && !isRestricted(one));
  const needsVariable = !takesAnyText && flat.some(isRestricted);
  const all = needsVariable ? [...flat, VARIABLE] : flat;
  const unique = new Map(all.map((schema) => [JSON.stringify(schema), schema]));
  return [...unique.values()];
}

function flatten(schema: JsonSchema): readonly JsonSchema[] {
  if (schema.anyOf === undefined) return [isRestricted(schema) ? schema : tidy(schema)];
  return schema.anyOf.flatMap((one) => flatten(one));
}
