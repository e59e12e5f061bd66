import { freePort } from "../../kit/ports.ts";
import { type RunningProgram, runProgram, startProgram } from "../../kit/process.ts";
import type { Suite } from "./suite.ts";
import type { WrittenResults } from "./verdicts.ts";

/** Milliseconds all tests may take: they wait three seconds here and there, 25 at a time, and at most ten for an answer. */
const runTime = 900_000;

/** The server of the suite, which answers as each test wants it. */
export interface SuiteServer extends AsyncDisposable {
  readonly port: number;
}

export async function startServer({ folder }: Suite, scratch: string): Promise<SuiteServer> {
  const port = await freePort();
  const program: RunningProgram = await startProgram(process.execPath, ["test-engine/server/server.mjs"], {
    cwd: folder,
    env: {
      npm_config_protocol: "http",
      npm_config_port: String(port),
      npm_config_pidfile: `${scratch}/server.pid`,
    },
  });
  await program.line(/^Listening on/);
  return { port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** Runs all tests against the proxy of that address. */
export async function runTests({ folder }: Suite, base: string): Promise<WrittenResults> {
  const { stdout, stderr, code } = await runClient(folder, base, "");
  const start = stdout.search(/^\{$/m);
  if (code !== 0 || start === -1) throw new Error(`the suite's client failed: ${stderr || stdout}`);
  return JSON.parse(stdout.slice(start)) as WrittenResults;
}

/** Runs one, and returns what the suite's client has to tell of each request and answer. */
export async function runOne({ folder }: Suite, base: string, id: string): Promise<string> {
  const { stdout, stderr } = await runClient(folder, base, id);
  return stdout + stderr;
}

function runClient(folder: string, base: string, id: string) {
  const env = { npm_config_base: base, npm_config_id: id, npm_package_config_id: "" };
  return runProgram(process.execPath, ["--no-warnings", "test-engine/cli.mjs"], {
    ...{ cwd: folder, env, timeout: runTime },
  });
}
