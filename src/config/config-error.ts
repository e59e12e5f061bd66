/** One thing that is wrong in a configuration. */
export interface ConfigProblem {
  readonly file: string;
  /** 1 for the first; 0 when the whole file or a flag is meant. */
  readonly line: number;
  readonly column: number;
  /** Where it stands in the document, as `listeners[0].routes[2].match`; "" for the document itself. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What should stand there. */
  readonly expected?: string;
  /** The nearest valid word. */
  readonly suggestion?: string;
}

/** A configuration that can't be used, with everything that is wrong in it. The message has a line for each. */
export class ConfigError extends Error {
  readonly entries: readonly ConfigProblem[];

  constructor(entries: readonly ConfigProblem[]) {
    super(entries.map(formatProblem).join("\n"));
    this.name = "ConfigError";
    this.entries = entries;
  }
}

/** `file:line:column: path: message, expected …; did you mean …?` */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, message, expected, suggestion } = problem;
  const where = line === 0 ? file : `${file}:${line}:${column}`;
  const what = expected === undefined ? message : `${message}, expected ${expected}`;
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  return [where, path, what + hint].filter((part) => part !== "").join(": ");
}

/** Reads like the file: `upstreams.app.servers[1]`; keys that aren't plain words are quoted. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[\w-]+$/.test(String(key))) text += text === "" ? String(key) : `.${String(key)}`;
    else text += `[${JSON.stringify(String(key))}]`;
  }
  return text;
}
