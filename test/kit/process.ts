import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { patience, withDeadline } from "./deadline.ts";

export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunOptions extends ProgramOptions {
  /** Milliseconds it may run; {@link patience} when absent. */
  readonly timeout?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Output of a program that has run to its end. */
export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

const root = join(import.meta.dirname, "..", "..");
const executable = join(root, "bin", "sluice.js");
/** How long the output of a program that has ended may take to arrive, milliseconds. */
const lastOutput = 500;
const running = new Set<RunningProgram>();

/** A test that is interrupted must not leave its programs behind. */
process.on("exit", () => {
  for (const program of running) program.kill();
});
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

/**
 * A program that runs beside the test, the leader of its own process group: disposing of it kills the whole group, and
 * with it what the program has started.
 */
export class RunningProgram implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #command: string;
  #news = Promise.withResolvers<void>();
  #silent = false;

  /** Use {@link startProgram}. */
  constructor(child: ChildProcess, pid: number, command: string) {
    this.#child = child;
    this.#command = command;
    this.pid = pid;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#add("stdout", text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#add("stderr", text));
    child.once("close", () => this.#fallSilent());
    this.exited = this.#awaitExit();
  }

  /**
   * The first line of stdout, or else of stderr, that matches, as soon as it is whole. Lines that came before the call
   * count: a line that was printed early is not missed. So do those of a successor that inherited the output.
   */
  async line(pattern: RegExp, timeout: number = patience): Promise<RegExpMatchArray> {
    for (;;) {
      const match = findLine(this.stdout, pattern) ?? findLine(this.stderr, pattern);
      if (match !== undefined) return match;
      if (this.#silent) throw new Error(`the program ended before ${this.#describe(pattern)}`);
      await withDeadline(this.#news.promise, timeout, () => this.#describe(pattern));
    }
  }

  /** Forgets the output so far, so that {@link line} waits for what comes next. */
  clear(): void {
    this.stdout = "";
    this.stderr = "";
  }

  /** Types into the program. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Reads its standard output no more: whatever it writes there fails. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** How it ended; fails with the output so far when it does not. */
  exit(timeout: number = patience): Promise<Exit> {
    return withDeadline(this.exited, timeout, () => this.#describe("its end"));
  }

  /** Ends the whole process group at once. */
  kill(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // Nobody is left in the group.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.exited;
    // Something outside the group, such as a daemon, may hold the other ends and would keep the test waiting.
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  #add(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    this.#announce();
  }

  #announce(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  #fallSilent(): void {
    this.#silent = true;
    this.#announce();
  }

  async #awaitExit(): Promise<Exit> {
    running.add(this);
    const closed = once(this.#child, "close");
    const [code, signal] = (await once(this.#child, "exit")) as [number | null, NodeJS.Signals | null];
    running.delete(this);
    // The last output comes with "close", which never comes while a successor holds the pipes: wait for it briefly.
    await Promise.race([closed, delay(lastOutput, undefined, { ref: false })]);
    return { code, signal };
  }

  #describe(what: RegExp | string): string {
    return `${what} of \`${this.#command}\`; stdout so far:\n${this.stdout}\nstderr so far:\n${this.stderr}`;
  }
}

/** Starts a program; fails when there is none of that name. */
export async function startProgram(
  command: string,
  args: readonly string[] = [],
  options: ProgramOptions = {},
): Promise<RunningProgram> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`${command} has no process id`);
  return new RunningProgram(child, child.pid, [command, ...args].join(" "));
}

/** Starts the proxy from this checkout, on the Node that runs the test. */
export function startSluice(
  args: readonly string[] = [],
  options: ProgramOptions = {},
): Promise<RunningProgram> {
  return startProgram(process.execPath, [executable, ...args], options);
}

/** Runs a program to its end, with nothing on its standard input. */
export async function runProgram(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Finished> {
  await using program = await startProgram(command, args, options);
  program.endInput();
  const exit = await program.exit(options.timeout);
  return { ...exit, stdout: program.stdout, stderr: program.stderr };
}

/** Runs the proxy as {@link startSluice} does, to its end. */
export function runSluice(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runProgram(process.execPath, [executable, ...args], options);
}

/** CPU time of a process in microseconds, user and system; the kernel counts it in steps of 10,000. */
export async function cpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * microsPerTick;
}

/** USER_HZ, which Linux has fixed at 100 for its programs. */
const microsPerTick = 10_000;

/** Resident memory of a process in bytes. */
export async function rss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  if (match === null) throw new Error(`process ${pid} has no resident memory`);
  return Number(match[1]) * 1024;
}

function findLine(text: string, pattern: RegExp): RegExpMatchArray | undefined {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const line of whole.split("\n")) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return undefined;
}
