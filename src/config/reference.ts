import { configSchema, type JsonSchema } from "./json-schema.ts";

type Definitions = Readonly<Record<string, JsonSchema>>;

const VARIABLE = "Environment";

/** The reference of all keys, as Markdown: a table for each map, in the order in which one meets them. */
export function configReference(): string {
  const schema = configSchema();
  const definitions = schema.$defs ?? {};
  const names = inOrderOfUse(schema, definitions).filter((name) => name !== VARIABLE);
  return names.map((name) => renderDefinition(name, definitions[name]!)).join("\n");
}

/** The definitions that a schema refers to, each once, its own before those of the next. */
function inOrderOfUse(schema: JsonSchema, definitions: Definitions): string[] {
  const names = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [keyword, inner] of Object.entries(value)) {
      if (keyword !== "$ref") visit(inner);
      else if (!names.has(nameOf(String(inner)))) {
        names.add(nameOf(String(inner)));
        visit(definitions[nameOf(String(inner))]);
      }
    }
  };
  visit({ ...schema, $defs: undefined });
  return [...names];
}

function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

function renderDefinition(name: string, definition: JsonSchema): string {
  const { description = "", properties, anyOf } = definition;
  const heading = `### ${titleOf(name)}\n\n${description}\n`;
  if (properties === undefined)
    return anyOf === undefined ? heading : `${heading}\nOne of: ${typesOf(definition).join(", ")}.\n`;
  const required = new Set(definition.required ?? []);
  const rows = Object.entries(properties).map(([key, schema]) => renderRow(key, schema, required.has(key)));
  return `${heading}\n| key | value | default | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

function renderRow(key: string, schema: JsonSchema, isRequired: boolean): string {
  const cells = [
    `\`${key}\``,
    typesOf(schema).join(", "),
    defaultOf(schema, isRequired),
    schema.description ?? "",
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function defaultOf({ default: preset }: JsonSchema, isRequired: boolean): string {
  if (isRequired) return "**required**";
  if (preset === undefined || preset === "" || typeof preset === "object") return "";
  return `\`${String(preset)}\``;
}

/** The types that a value may have, as one would say them, with links to the definitions. */
function typesOf(schema: JsonSchema): string[] {
  const { $ref, anyOf, items, additionalProperties, type, const: constant, enum: words } = schema;
  if ($ref !== undefined) return [linkTo(nameOf($ref))];
  if (anyOf !== undefined) return [...new Set(anyOf.filter(isNoVariable).flatMap(typesOf))];
  if (constant !== undefined) return [`\`${String(constant)}\``];
  if (words !== undefined) return words.map((word) => `\`${String(word)}\``);
  if (type === "array" && items !== undefined) return [`list of ${inBrackets(typesOf(items))}`];
  if (typeof additionalProperties === "object")
    return [`map of names to ${inBrackets(typesOf(additionalProperties))}`];
  return type === undefined ? ["anything"] : [type].flat().map((name) => TYPE_NAMES[name] ?? name);
}

function inBrackets(types: readonly string[]): string {
  return types.length === 1 ? types[0]! : `(${types.join(", ")})`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  boolean: "`true`, `false`",
};

function isNoVariable({ $ref }: JsonSchema): boolean {
  return $ref === undefined || nameOf($ref) !== VARIABLE;
}

function linkTo(name: string): string {
  const title = titleOf(name);
  return `[${title.toLowerCase()}](#${title.toLowerCase().replaceAll(" ", "-")})`;
}

/** `PathMatch` reads "Path match". */
function titleOf(name: string): string {
  const words = name.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words[0]!.toUpperCase() + words.slice(1);
}
