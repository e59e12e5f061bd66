import { until } from "../kit/deadline.ts";
import { type ProgramOptions, type RunningProgram, startSluice } from "../kit/process.ts";
import { connectRaw, type RawTarget } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";

/** The program, started from its command line and listening. */
export interface RunningSluice extends AsyncDisposable {
  readonly program: RunningProgram;
  /** As printed. */
  readonly addresses: readonly string[];
  /** Of the first address; 0 on a Unix socket. */
  readonly port: number;
}

export interface ListeningOptions extends ProgramOptions {
  /** Lines to wait for; 1 when absent. */
  readonly listeners?: number;
}

/** Starts `sluice …` and waits until it has printed where it listens. */
export async function startListening(
  args: readonly string[],
  options: ListeningOptions = {},
): Promise<RunningSluice> {
  const { listeners = 1 } = options;
  const program = await startSluice(args, options);
  try {
    await program.line(/^Listening on /);
    const addresses: string[] = [];
    await until(`${listeners} addresses are printed`, () => {
      const lines = [...program.stdout.matchAll(/^Listening on (\S+) .*\n/gm)];
      addresses.splice(0, lines.length, ...lines.map((match) => match[1] ?? ""));
      return addresses.length >= listeners;
    });
    const port = Number(/:(\d+)$/.exec(addresses[0] ?? "")?.[1] ?? 0);
    return { program, addresses, port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

/** `sluice http` on a port of its own before servers at these addresses. */
export function startHttp(upstreams: readonly string[], ...flags: readonly string[]): Promise<RunningSluice> {
  const servers = upstreams.flatMap((upstream) => ["--upstream", upstream]);
  return startListening(["http", "--bind", "127.0.0.1:0", ...servers, ...flags]);
}

/** One request on a connection of its own. */
export async function get(target: RawTarget, path = "/", ...fields: readonly string[]): Promise<RawResponse> {
  await using client = await connectRaw(target);
  const lines = [`GET ${path} HTTP/1.1`, "Host: a.example", ...fields, "Connection: close", "", ""];
  return await client.exchange(lines.join("\r\n"));
}
