import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** A place in a program; lines and columns count from 1. */
export interface ProgramPlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** By this the error is known on the other side of a thread. */
const CODE = "ERR_SLUICE_PROGRAM";

/** A program that can't be loaded. The message names the place and what is wrong with it. */
export class ProgramError extends Error {
  readonly code: typeof CODE = CODE;
  readonly place: ProgramPlace;

  constructor(message: string, place: ProgramPlace, options?: ErrorOptions) {
    super(`${formatPlace(place)}: ${message}`, options);
    this.name = "ProgramError";
    this.place = place;
  }
}

/** True for a `ProgramError`, also for one that was thrown in another thread. */
export function isProgramError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === CODE;
}

/** An import that could not be resolved, as the resolver saw it. */
export interface FailedImport {
  readonly error: unknown;
  readonly specifier: string;
  /** The module that asked, a `file:` URL. */
  readonly parent: string | undefined;
}

/** Our own modules; an error of a program that shows in them is still the program's. */
const OWN_FOLDER: string = fileURLToPath(new URL("..", import.meta.url));

/** What went wrong with `file`, or with a module that it imports, with the place if it can be found. */
export function toProgramError(
  thrown: unknown,
  file: string,
  failedImports: readonly FailedImport[],
): ProgramError {
  if (thrown instanceof ProgramError) return thrown;
  const options = { cause: thrown };
  if (!(thrown instanceof Error)) return new ProgramError(`threw ${String(thrown)}`, { file }, options);
  const failedImport = failedImports.findLast(({ error }) => error === thrown);
  if (failedImport !== undefined) {
    // `require` lists who asked below.
    const [message = ""] = thrown.message.split("\n");
    return new ProgramError(message, placeOfImport(failedImport) ?? { file }, options);
  }
  const place = placeOfMark(thrown.stack ?? "") ?? placeOfFrame(thrown.stack ?? "");
  if (place === null && thrown instanceof SyntaxError) return checkSyntax(thrown, file);
  return new ProgramError(explain(thrown), place ?? { file }, options);
}

function explain(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING") {
    return (
      "Node.js runs no TypeScript under node_modules: keep the program outside of it, or compile what is there to " +
      `JavaScript (${error.message})`
    );
  }
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return `${error.message}: programs run as they are, only their types are taken out (erasableSyntaxOnly)`;
  }
  return `${error.name}: ${error.message}`;
}

/**
 * Node puts the place of a syntax error before the stack:
 *
 *     /home/me/gateway.ts:2
 *     export default {;
 *                     ^
 */
function placeOfMark(text: string): ProgramPlace | null {
  const lines = text.split("\n");
  const start = /^((?:file:\/\/)?\/.+):(\d+)$/.exec(lines[0] ?? "");
  if (start === null) return null;
  const mark = lines.slice(1, 6).find((line) => /^\s*\^+\s*$/.test(line));
  const place = { file: toPath(start[1] ?? ""), line: Number(start[2]) };
  return mark === undefined ? place : { ...place, column: mark.indexOf("^") + 1 };
}

/** The first frame of a stack that isn't ours or Node's. */
function placeOfFrame(stack: string): ProgramPlace | null {
  for (const line of stack.split("\n")) {
    const frame = /^\s+at (?:.*\()?((?:file:\/\/)?\/[^()]+):(\d+):(\d+)\)?$/.exec(line);
    if (frame === null) continue;
    const file = toPath(frame[1] ?? "");
    if (!file.startsWith(OWN_FOLDER)) return { file, line: Number(frame[2]), column: Number(frame[3]) };
  }
  return null;
}

/** Where the module that asked names the one that isn't there. */
function placeOfImport({ parent, specifier }: FailedImport): ProgramPlace | null {
  if (parent === undefined || !parent.startsWith("file:")) return null;
  const file = fileURLToPath(parent);
  if (file.startsWith(OWN_FOLDER)) return null;
  const lines = readFileSync(file, "utf8").split("\n");
  for (const quoted of [`"${specifier}"`, `'${specifier}'`]) {
    const index = lines.findIndex((line) => line.includes(quoted));
    if (index !== -1) return { file, line: index + 1, column: lines[index]!.indexOf(quoted) + 1 };
  }
  return { file };
}

/** For JavaScript modules Node keeps the place of a syntax error to itself, unless it is asked for a check. */
function checkSyntax(error: SyntaxError, file: string): ProgramError {
  const { stderr } = spawnSync(process.execPath, ["--check", file], { encoding: "utf8" });
  return new ProgramError(explain(error), placeOfMark(stderr) ?? { file }, { cause: error });
}

function toPath(text: string): string {
  return text.startsWith("file:") ? fileURLToPath(text) : text;
}

function formatPlace({ file, line, column }: ProgramPlace): string {
  const fromHere = relative(process.cwd(), file);
  const name = fromHere.startsWith("..") ? file : fromHere;
  return [name, line, column].filter((part) => part !== undefined).join(":");
}
