import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { within } from "../../base/within.ts";
import { Channel } from "./channel.ts";

/** How this process was started, to be started again the same way. */
export interface CommandLine {
  /** Node's executable. One that isn't there any more is looked for by the name `node`. */
  readonly executable: string;
  /** Node's own arguments, then the program and its arguments. */
  readonly args: readonly string[];
  /** The same, to have it test what it would run, and end. */
  readonly testArgs: readonly string[];
  /** The working directory that the process was started in. */
  readonly folder: string;
}

/** Names the descriptor at which a successor finds who started it. */
export const SUCCESSION_VARIABLE = "SLUICE_SUCCESSION";
const SUCCESSION_DESCRIPTOR = 3;

/** Characters that are kept of what a test says. */
const MOST_OUTPUT = 8_000;
/** Milliseconds that a successor gets which isn't wanted, before it is ended the hard way. */
const PATIENCE = 5_000;
/** Milliseconds for the last words of a process to arrive. */
const LAST_WORDS = 500;

/** A process that was started to be the successor. */
export interface Launched {
  readonly pid: number;
  readonly channel: Channel;
  /** Kept when it has ended, with how. */
  readonly ended: Promise<string>;
  /** Ends it, if it runs. */
  end(): Promise<void>;
  /** Lets it live on without us. */
  release(): void;
}

/** Has the program that is there now test what it would run. Rejects with what it says when that fails. */
export async function testCommand(
  { executable, testArgs, folder }: CommandLine,
  timeout: number,
): Promise<void> {
  const child = spawn(found(executable), testArgs, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-MOST_OUTPUT);
    });
  }
  const closed = new Promise((resolve) => child.once("close", resolve));
  const ended = await describeEnd(child);
  // Something that it has started may go on holding its outputs.
  await within(LAST_WORDS, closed);
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  if (child.exitCode !== 0) throw new Error(output.trim() === "" ? `the test ${ended}` : output.trim());
}

/**
 * Starts a process that takes this one's place; standard input, output and errors are shared. Rejects when it can't be
 * started.
 */
export async function launch({ executable, args, folder }: CommandLine): Promise<Launched> {
  const child = spawn(found(executable), args, {
    cwd: folder,
    env: { ...process.env, [SUCCESSION_VARIABLE]: String(SUCCESSION_DESCRIPTOR) },
    stdio: ["inherit", "inherit", "inherit", "pipe"],
  });
  await once(child, "spawn");
  const ended = describeEnd(child);
  return {
    pid: child.pid!,
    channel: new Channel(child.stdio[SUCCESSION_DESCRIPTOR] as Socket),
    ended,
    end: () => endChild(child, ended),
    release: () => child.unref(),
  };
}

/** The descriptor that was left to this process by who started it as a successor; null: nobody did. Told once. */
export function takeSuccession(environment: NodeJS.ProcessEnv): number | null {
  const descriptor = Number(environment[SUCCESSION_VARIABLE]);
  // Programs that are started from here are nobody's successors.
  delete environment[SUCCESSION_VARIABLE];
  return Number.isInteger(descriptor) && descriptor > 2 ? descriptor : null;
}

function found(executable: string): string {
  return existsSync(executable) ? executable : "node";
}

async function endChild(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  await ended;
  clearTimeout(late);
}

function describeEnd(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once("error", (error) => resolve(`couldn't be started: ${error.message}`));
  child.once("exit", (code: number | null, signal: NodeJS.Signals | null) =>
    resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
  );
  return promise;
}
