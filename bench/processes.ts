import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

/** A child process that the benchmark started and will end. */
export interface Child {
  readonly pid: number;
  readonly stdout: Promise<string>;
  readonly process: ChildProcess;
  /** One line of what it wrote to stderr, for error messages. */
  complaint(): string;
  /** Resolves with the exit code, null after a signal. */
  readonly exited: Promise<number | null>;
  ended(): boolean;
  stop(): Promise<void>;
}

export interface LaunchOptions {
  /** A list of processors for taskset; null leaves it to the scheduler. */
  readonly cpus?: string | null;
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<Child>();

/** Starts a program, in a process group of its own so that its workers can be ended with it. */
export function launch(command: readonly string[], options: LaunchOptions = {}): Child {
  const [program = "", ...args] = options.cpus ? ["taskset", "-c", options.cpus, ...command] : command;
  const process_ = spawn(program, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  const child = observe(process_, command[0] ?? "");
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return child;
}

function observe(process_: ChildProcess, name: string): Child {
  let stderr = "";
  let stdout = "";
  process_.stderr?.on("data", (bytes) => {
    stderr = (stderr + bytes).slice(-2000);
  });
  process_.stdout?.on("data", (bytes) => {
    stdout += bytes;
  });
  const exited = new Promise<number | null>((resolve) => {
    process_.once("close", resolve);
    process_.once("error", (error) => {
      stderr += error.message;
      resolve(null);
    });
  });
  return {
    pid: process_.pid ?? 0,
    process: process_,
    exited,
    stdout: exited.then(() => stdout),
    complaint: () => complaintIn(stderr) ?? `${name} said nothing`,
    ended: () => process_.exitCode !== null || process_.signalCode !== null,
    stop: () => stop(process_, exited),
  };
}

/** The line that says what went wrong, as well as one can tell: stack traces stand behind it. */
function complaintIn(stderr: string): string | undefined {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /error|fail|cannot|unable/i.test(line)) ?? lines.at(-1);
}

/** Asks politely, then ends the whole group: a killed nginx master would leave its workers. */
async function stop(process_: ChildProcess, exited: Promise<unknown>): Promise<void> {
  signalGroup(process_, "SIGTERM");
  const patience = setTimeout(signalGroup, 1000, process_, "SIGKILL");
  await exited;
  clearTimeout(patience);
  signalGroup(process_, "SIGKILL");
}

function signalGroup(process_: ChildProcess, signal: NodeJS.Signals): void {
  if (process_.pid === undefined) return;
  try {
    process.kill(-process_.pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** Ends everything at once; for the way out after an error or a signal. */
export function killAll(): void {
  for (const child of running) signalGroup(child.process, "SIGKILL");
}

/** The path of a program in `PATH` (or the usual places of daemons), or null. */
export function findProgram(name: string): string | null {
  const home = process.env["HOME"] ?? "";
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/sbin",
    "/usr/local/sbin",
    join(home, ".cargo/bin"),
  ];
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago: the peers want a number before they start. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
