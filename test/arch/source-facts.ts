import { posix } from "node:path";
import { type MemberExpression, type Node, parseSync, Visitor } from "oxc-parser";

/** A source tree: repository-relative paths with forward slashes, and the text of each file. */
export type SourceTree = ReadonlyMap<string, string>;

/** What the rules want to know of one file. */
export interface SourceFacts {
  readonly path: string;
  readonly lines: number;
  /** Repository-relative paths of relative imports of every form; bare package names are left out. */
  readonly imports: readonly string[];
  readonly readsArgv: boolean;
  readonly usesConsole: boolean;
}

/** A self-import would slip past the order of the layers, so the package's own name counts as its entry. */
const ownName = "sluice";
const ownEntry = "src/index.ts";

export function readFacts(path: string, text: string): SourceFacts {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);

  const specifiers: string[] = [];
  let readsArgv = false;
  let usesConsole = false;
  const record = (source: Node | null): void => {
    const specifier = source === null ? undefined : constantText(source);
    if (specifier !== undefined) specifiers.push(specifier);
  };

  new Visitor({
    ImportDeclaration(node) {
      record(node.source);
      if (isProcessModule(node.source.value) && importsName(node.specifiers, "argv")) readsArgv = true;
    },
    ExportAllDeclaration: (node) => record(node.source),
    ExportNamedDeclaration: (node) => record(node.source),
    ImportExpression: (node) => record(node.source),
    TSImportType: (node) => record(node.source),
    MemberExpression(node) {
      if (propertyName(node) === "argv" && isNamed(node.object, "process")) readsArgv = true;
      if (isNamed(node.object, "console")) usesConsole = true;
    },
  }).visit(program);

  const imports = [...new Set(specifiers.map((specifier) => resolveImport(path, specifier)))];
  return {
    path,
    lines: countLines(text),
    imports: imports.filter((target) => target !== undefined),
    readsArgv,
    usesConsole,
  };
}

function resolveImport(importer: string, specifier: string): string | undefined {
  if (specifier === ownName) return ownEntry;
  if (!specifier.startsWith(".")) return undefined;
  return posix.join(posix.dirname(importer), specifier);
}

function countLines(text: string): number {
  const breaks = text.split("\n").length;
  return text.endsWith("\n") ? breaks - 1 : breaks;
}

function isProcessModule(specifier: string): boolean {
  return specifier === "node:process" || specifier === "process";
}

function importsName(specifiers: readonly Node[], name: string): boolean {
  return specifiers.some(
    (specifier) =>
      specifier.type === "ImportSpecifier" &&
      specifier.imported.type === "Identifier" &&
      specifier.imported.name === name,
  );
}

/** True for `name` itself and for `globalThis.name`. */
function isNamed(node: Node, name: string): boolean {
  if (node.type === "Identifier") return node.name === name;
  return (
    node.type === "MemberExpression" && propertyName(node) === name && isNamed(node.object, "globalThis")
  );
}

function propertyName(node: MemberExpression): string | undefined {
  if (!node.computed) return node.property.name;
  return constantText(node.property);
}

function constantText(node: Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral" && node.quasis.length === 1) return node.quasis[0]?.value.raw;
  return undefined;
}
