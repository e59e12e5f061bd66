import { AsyncLocalStorage } from "node:async_hooks";
import { runCommandLine } from "../../src/cli/main.ts";
import { until } from "../kit/deadline.ts";

/*
 * Commands in the process of the test: what `sluice …` says and answers costs no start of a process there. What a process
 * is beside its command line, such as signals, its end, its log and its worker threads, only a process shows.
 */

/** What a command has written so far. */
class Output {
  stdout = "";
  stderr = "";
}

/** Output of a command that has ended. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const current = new AsyncLocalStorage<Output>();
/** Of those that listen. */
const listening = new Set<Output>();
const streams = ["stdout", "stderr"] as const;

for (const name of streams) {
  const stream = process[name];
  const write = stream.write.bind(stream) as (...args: readonly unknown[]) => boolean;
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    const output = current.getStore();
    // Timers are shared, and sockets that are read without a stream tell nothing: it may be from any that listens.
    if (typeof chunk === "string") for (const each of listening) if (each !== output) each[name] += chunk;
    if (output === undefined) return write(chunk, ...rest);
    output[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    const done = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (done !== undefined) process.nextTick(done);
    return true;
  };
}

const emitWarning = process.emitWarning as (...args: readonly unknown[]) => void;

/** As the executable does: what Sluice stands on may still announce itself. */
process.emitWarning = (warning: string | Error, ...rest: readonly unknown[]): void => {
  if (!String(warning).startsWith("FFI is an experimental feature")) emitWarning(warning, ...rest);
};

/** Runs `sluice …` to its end. One at a time: the environment and the exit code are the process's. */
export async function runInside(args: readonly string[], env: Environment = {}): Promise<Finished> {
  const output = new Output();
  const restoreEnvironment = setEnvironment(env);
  try {
    return { code: await run(args, output), stdout: output.stdout, stderr: output.stderr };
  } finally {
    restoreEnvironment();
  }
}

/** A `sluice …` that listens in this process. */
export interface InsideSluice extends AsyncDisposable {
  /** As printed. */
  readonly addresses: readonly string[];
  /** Of the first address. */
  readonly port: number;
  /** Of the address with this index. */
  portOf(listener: number): number;
  /** Asks the listener with this index, by default the first. */
  fetch(path: string, init?: RequestInit, listener?: number): Promise<Response>;
  /** The line of JSON that says where it listens. */
  readonly listening: Readonly<Record<string, unknown>>;
  /** Waits for a line of its standard output or error output. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Does what the signal does to a process, and resolves with the exit code. */
  end(signal: "SIGTERM" | "SIGINT"): Promise<number>;
}

/** Starts `sluice … --json --threads 0`, and waits until it listens. */
export async function startInside(args: readonly string[], env: Environment = {}): Promise<InsideSluice> {
  const output = new Output();
  const restoreEnvironment = setEnvironment(env);
  const deaf = listenersOfSignals();
  let isOver = false;
  const running = run([...args, "--json", "--threads", "0"], output).finally(() => {
    isOver = true;
    listening.delete(output);
  });
  listening.add(output);
  const line = (pattern: RegExp): Promise<RegExpExecArray> =>
    until(`${pattern} is printed`, () => {
      const lines = (output.stdout + output.stderr).split("\n");
      const found = lines.map((text) => pattern.exec(text));
      if (isOver) throw new Error(`it ended: ${output.stderr}`);
      return found.find((match) => match !== null) ?? null;
    }) as Promise<RegExpExecArray>;
  try {
    const [text] = await line(/^\{"event":"listening".*\}$/);
    const parsed = JSON.parse(text) as Record<string, unknown>;
    const addresses = parsed["addresses"] as readonly string[];
    const heard = listenersOfSignals();
    const end = (signal: keyof typeof heard): Promise<number> => {
      for (const hear of heard[signal]) if (!isOver && !deaf[signal].includes(hear)) hear(signal);
      return running;
    };
    const portOf = (listener: number): number => Number(/:(\d+)$/.exec(addresses[listener] ?? "")?.[1] ?? 0);
    return {
      addresses,
      port: portOf(0),
      portOf,
      fetch: (path, init = {}, listener = 0) => fetch(`http://127.0.0.1:${portOf(listener)}${path}`, init),
      listening: parsed,
      line,
      end,
      [Symbol.asyncDispose]: async () => void (await end("SIGINT")),
    };
  } finally {
    restoreEnvironment();
  }
}

type Environment = Readonly<Record<string, string>>;
type Hear = (signal: NodeJS.Signals) => void;

function listenersOfSignals(): Readonly<Record<"SIGTERM" | "SIGINT", readonly Hear[]>> {
  return {
    SIGTERM: process.listeners("SIGTERM") as Hear[],
    SIGINT: process.listeners("SIGINT") as Hear[],
  };
}

/** @returns the exit code */
async function run(args: readonly string[], output: Output): Promise<number> {
  const heard = process.stdout.listeners("error");
  const ofSignals = new Set(signalListeners().map(([, hear]) => hear));
  try {
    await current.run(output, () => runCommandLine([process.execPath, "sluice", ...args]));
    return Number(process.exitCode ?? 0);
  } finally {
    process.exitCode = undefined;
    for (const hear of process.stdout.listeners("error"))
      if (!heard.includes(hear)) process.stdout.off("error", hear as () => void);
    // A process ends with its command; here they would stay, and keep all that the command was made of. One that began later and
    // still runs is ended by `end`, which knows what listens.
    for (const [signal, hear] of signalListeners()) if (!ofSignals.has(hear)) process.off(signal, hear);
  }
}

function signalListeners(): (readonly [NodeJS.Signals, Hear])[] {
  const signals = process.eventNames().filter((name) => String(name).startsWith("SIG")) as NodeJS.Signals[];
  return signals.flatMap((signal) =>
    (process.listeners(signal) as Hear[]).map((hear) => [signal, hear] as const),
  );
}

/** @returns what sets it back */
function setEnvironment(env: Environment): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
