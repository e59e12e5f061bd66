import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import ffi from "node:ffi";
import { closeSync, openSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import { AppendedFile } from "../../base/log-files.ts";
import { within } from "../../base/within.ts";
import { systemError } from "../last-error.ts";

/** Names the descriptor by which a process in the background says that it is ready. */
const VARIABLE = "SLUICE_BACKGROUND";
const DESCRIPTOR = 3;
const READY = "ready";

/** Milliseconds for the last words of a process to arrive. */
const LAST_WORDS = 500;

/** Descriptors of every process. */
const [STDIN, STDOUT, STDERR] = [0, 1, 2];

/** How this process was started; programs that are started from here have nothing to do with it. */
const descriptor = takeDescriptor(process.env);

function takeDescriptor(environment: NodeJS.ProcessEnv): number | null {
  const value = environment[VARIABLE];
  delete environment[VARIABLE];
  return value === String(DESCRIPTOR) ? DESCRIPTOR : null;
}

/** True in a process that was started by `startInBackground`. */
export const isInBackground: boolean = descriptor !== null;

/**
 * Starts this program once more as the leader of a session of its own: nothing that becomes of this
 * terminal concerns it. What it says until it is ready is said here. Resolves with 0 once it is, or else with its exit
 * code.
 * @param args of Node, then the program with its own
 */
export async function startInBackground(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, {
    detached: true,
    env: { ...process.env, [VARIABLE]: String(DESCRIPTOR) },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  child.stdout!.pipe(process.stdout, { end: false });
  child.stderr!.pipe(process.stderr, { end: false });
  const giveUp = (): void => void child.kill("SIGTERM");
  process.once("SIGINT", giveUp).once("SIGTERM", giveUp);
  const code = await Promise.race([readiness(child), endOf(child)]);
  process.off("SIGINT", giveUp).off("SIGTERM", giveUp);
  await lastWords(child);
  child.unref();
  return code;
}

async function readiness(child: ChildProcess): Promise<number> {
  for await (const text of (child.stdio[DESCRIPTOR] as Readable).setEncoding("utf8"))
    if (String(text).includes(READY)) return 0;
  // It has ended, and is to be asked with what code.
  return await endOf(child);
}

async function endOf(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? 1;
}

/** It has closed its ends by now, unless something that it has started holds them, too. */
async function lastWords({ stdout, stderr }: ChildProcess): Promise<void> {
  const ends = [stdout!, stderr!].map((stream) => (stream.readableEnded ? null : once(stream, "end")));
  await within(LAST_WORDS, Promise.all(ends));
  stdout!.destroy();
  stderr!.destroy();
}

/**
 * Lets go of where this process was started from, which is told that it is ready. From now on what it prints goes nowhere, and
 * what it says in its last need goes to its error log.
 * @param errorLog a file; null: that goes nowhere, too
 */
export function leaveForeground(errorLog: string | null): void {
  if (descriptor === null) return;
  const nowhere = openSync("/dev/null", "r+");
  putInPlace(nowhere, STDIN);
  putInPlace(nowhere, STDOUT);
  if (errorLog === null) putInPlace(nowhere, STDERR);
  else new StandardError(errorLog);
  closeSync(nowhere);
  try {
    writeSync(descriptor, READY);
  } catch {
    // Whoever started it is gone, which is nothing to those whom it serves.
  }
  closeSync(descriptor);
}

/** Standard error in a file, which may be turned over as logs are. */
class StandardError extends AppendedFile {
  constructor(path: string) {
    super(path);
    putInPlace(this.descriptor, STDERR);
  }

  override reopen(): void {
    super.reopen();
    putInPlace(this.descriptor, STDERR);
  }
}

type Duplicate = (from: number, to: number) => number;

let duplicate: Duplicate | null = null;

/** Makes `place` another descriptor of what `from` is one of: dup2(2), which Node has no call for. */
function putInPlace(from: number, place: number): void {
  duplicate ??= ffi.dlopen(null, { dup2: { arguments: ["i32", "i32"], return: "i32" } }).functions
    .dup2 as Duplicate;
  if (duplicate(from, place) < 0) throw systemError("dup2");
}
