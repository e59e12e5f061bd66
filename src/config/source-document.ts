import { dirname } from "node:path";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from "yaml";
import { ConfigError, type ConfigProblem, formatPath } from "./config-error.ts";
import { type Environment, substitute } from "./environment.ts";
import { isSecretPart, maskCredentials } from "./mask-secrets.ts";

/** A finding without its position. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly expected?: string;
  readonly suggestion?: string;
  /** True when the key is meant and not its value. */
  readonly atKey?: boolean;
}

/** Tells where findings stand. */
export interface ProblemLocator {
  /** Where other files are looked for that the document names. */
  readonly folder: string;
  locate(finding: Finding): ConfigProblem;
}

/** Keys under which a text may have the placeholders of redirects. */
const KEYS_WITH_PLACEHOLDERS: ReadonlySet<PropertyKey | undefined> = new Set(["redirect", "target"]);

/** What errors of syntax quote may be a secret, and where it stands is told anyway. */
const QUOTED = /(Unresolved tag|extra characters|in YAML (?:stream|document)): .*$/s;

/** Errors of syntax that are told: most of those that follow are the first one's consequences. */
const MOST_ERRORS = 10;

/** A YAML file with the positions of everything in it, and environment variables filled in. */
export class SourceDocument implements ProblemLocator {
  readonly file: string;
  /** What is wrong with the text itself: syntax, repeated keys, variables that aren't set. */
  readonly problems: ConfigProblem[] = [];
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter = new LineCounter();
  readonly #text: string;

  constructor(text: string, file: string, env: Environment) {
    this.file = file;
    this.#text = text;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, merge: true });
    for (const error of [...this.#document.errors, ...this.#document.warnings].slice(0, MOST_ERRORS)) {
      this.#note(error.pos[0], "", this.#explain(error));
    }
    if (this.problems.length === 0) this.#fillEnvironment(env);
  }

  get folder(): string {
    return dirname(this.file);
  }

  /** The document as plain values. @throws ConfigError when aliases lead nowhere or multiply without end */
  toValue(): unknown {
    try {
      return this.#document.toJS();
    } catch (error) {
      throw new ConfigError([this.locate({ path: [], message: (error as Error).message })]);
    }
  }

  #explain({ code, message, pos }: YAMLError): string {
    if (code === "MULTIPLE_DOCS") return "there are several documents in the file";
    if (code !== "DUPLICATE_KEY") return message.replace(QUOTED, "$1").replace(/\.$/, "");
    return `the key ${/^[^:\s]+/.exec(this.#text.slice(pos[0]))?.[0] ?? ""} repeats`;
  }

  locate(finding: Finding): ConfigProblem {
    const { path, message, expected, suggestion } = finding;
    const offset = this.#offsetOf(path, finding.atKey === true);
    return {
      file: this.file,
      ...this.#positionOf(offset),
      path: formatPath(path),
      message: maskCredentials(message),
      ...(expected === undefined ? {} : { expected }),
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }

  #fillEnvironment(env: Environment): void {
    visit(this.#document, {
      Alias: (_key, node, ancestors) => {
        if (node.resolve(this.#document) !== undefined) return;
        const path = pathTo(node, ancestors);
        const anchor = path.some(isSecretPart) ? "anchor of that name" : `anchor &${node.source}`;
        this.#note(node.range?.[0] ?? 0, formatPath(path), `there is no ${anchor} before it`);
      },
      Scalar: (key, node, ancestors) => {
        if (key !== "key" && typeof node.value === "string")
          this.#fillScalar(node, pathTo(node, ancestors), env);
      },
    });
  }

  #fillScalar(node: Scalar, path: readonly PropertyKey[], env: Environment): void {
    const result = substitute(String(node.value), env, KEYS_WITH_PLACEHOLDERS.has(path.at(-1)));
    if (result.kind === "value") {
      const isPlain = node.type === Scalar.PLAIN;
      if (result.changed) node.value = isPlain ? toPlainValue(result.text) : result.text;
      return;
    }
    const [start = 0, end = 0] = node.range ?? [];
    const at = this.#text.slice(start, end).indexOf(result.piece);
    this.#note(start + Math.max(at, 0), formatPath(path), result.message, result.expected);
  }

  #note(offset: number, path: string, message: string, expected?: string): void {
    const problem = { file: this.file, ...this.#positionOf(offset), path, message };
    this.problems.push(expected === undefined ? problem : { ...problem, expected });
  }

  #positionOf(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** Where the path's end stands, or what of the path is there. */
  #offsetOf(path: readonly PropertyKey[], atKey: boolean): number {
    let node: Node | null = this.#document.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const [depth, step] of path.entries()) {
      const { key, value } = childOf(this.#resolve(node), step);
      const isLast = depth === path.length - 1;
      offset = (isLast && atKey ? key : null)?.range?.[0] ?? value?.range?.[0] ?? key?.range?.[0] ?? offset;
      if (value === null) return offset;
      node = value;
    }
    return offset;
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }
}

interface Child {
  readonly key: Node | null;
  readonly value: Node | null;
}

function childOf(node: Node | null, step: PropertyKey): Child {
  if (isSeq(node)) return { key: null, value: asNode(node.items[Number(step)]) };
  if (!isMap(node)) return { key: null, value: null };
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return { key: asNode(pair?.key), value: asNode(pair?.value) };
}

function asNode(value: unknown): Node | null {
  return isNode(value) ? value : null;
}

/** What YAML would have made of a text that stands there without quotes. Only single values: no variable adds structure. */
function toPlainValue(text: string): unknown {
  if (/^[-+]?(?:\d+\.?\d*|\.\d+)$/.test(text)) return Number(text);
  if (/^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  return text;
}

type Ancestors = readonly (Document | Node | Pair)[];

/** The keys and indexes that lead to a node. */
function pathTo(node: Node, ancestors: Ancestors): PropertyKey[] {
  return ancestors.flatMap((ancestor, depth): PropertyKey[] => {
    if (isPair(ancestor)) return [isScalar(ancestor.key) ? String(ancestor.key.value) : "?"];
    return isSeq(ancestor) ? [ancestor.items.indexOf(ancestors[depth + 1] ?? node)] : [];
  });
}
