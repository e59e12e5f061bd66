import { chmod, mkdir } from "node:fs/promises";
import { createTemporaryDirectory } from "../../../kit/files.ts";
import { findProgram } from "../../../kit/peer.ts";
import { type RunningProgram, runProgram, startProgram } from "../../../kit/process.ts";

/** Where a proxy stands: it listens on `port` of 127.0.0.1 before the server on `originPort`, and keeps its files in `folder`. */
export interface Place {
  readonly port: number;
  readonly originPort: number;
  readonly folder: string;
}

/** A proxy with a cache, as it is set up for the suite: caching what it may by the specifications, and nothing on a guess of its own. */
export interface ProxyKind {
  readonly name: string;
  readonly program: string;
  /** What makes the program say its version. */
  readonly versionArguments: readonly string[];
  /** Folders that it wants to find, in its own. */
  readonly folders?: readonly string[];
  /** Configuration, by the names of the files. */
  files(place: Place): Readonly<Record<string, string>>;
  args(place: Place): readonly string[];
  /** The path of the program; that of the system without it. */
  find?(): string | undefined;
  /** Why it can't be used although it is installed. */
  shortcoming?(path: string): Promise<string | undefined>;
}

/** A proxy that runs. */
export interface RunningProxy extends AsyncDisposable {
  readonly version: string;
  readonly base: string;
}

/** Why a proxy can't take part; undefined when it can. */
export async function whyNot(kind: ProxyKind): Promise<string | undefined> {
  const path = pathOf(kind);
  return path === undefined ? `${kind.program} isn't installed` : await kind.shortcoming?.(path);
}

function pathOf({ find, program }: ProxyKind): string | undefined {
  return find === undefined ? findProgram(program) : find();
}

export async function startProxy(kind: ProxyKind, port: number, originPort: number): Promise<RunningProxy> {
  const path = pathOf(kind) ?? kind.program;
  const { stdout, stderr } = await runProgram(path, kind.versionArguments);
  const directory = await createTemporaryDirectory();
  const place = { port, originPort, folder: directory.path };
  // Some give up root for a user of their own.
  await chmod(directory.path, 0o755);
  for (const folder of kind.folders ?? []) {
    await mkdir(directory.join(folder), { recursive: true });
    await chmod(directory.join(folder), 0o777);
  }
  for (const [name, text] of Object.entries(kind.files(place))) await directory.write(name, text);
  const program = await startProgram(path, kind.args(place), { cwd: directory.path });
  const version = /\d+\.\d+[\w.+~-]*/.exec(stdout + stderr)?.[0] ?? "";
  const base = `http://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    await program[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  };
  await untilReady(program, base).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { version, base, [Symbol.asyncDispose]: close };
}

/** Until it passes requests on, seconds; Traffic Server is the slowest. */
const startTime = 20;

async function untilReady(program: RunningProgram, base: string): Promise<void> {
  let ended = false;
  void program.exited.then(() => {
    ended = true;
  });
  const deadline = performance.now() + startTime * 1000;
  while (!ended && performance.now() < deadline) {
    const answer = await fetch(`${base}/state/nothing`, { signal: AbortSignal.timeout(1000) }).catch(
      () => null,
    );
    await answer?.arrayBuffer();
    // That of the suite's server, which knows nothing of it.
    if (answer?.status === 404) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it doesn't answer:\n${program.stdout}${program.stderr}`);
}
