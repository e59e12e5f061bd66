import { until } from "../../kit/deadline.ts";
import { freePort } from "../../kit/ports.ts";
import { type RunningProgram, startProgram, startSluice } from "../../kit/process.ts";
import type { Ports } from "./exchange.ts";

/** A server under comparison. */
export interface ComparedServer extends AsyncDisposable {
  readonly ports: Ports;
}

/** @param path of the original's executable */
export function startOriginal(path: string, ...flags: readonly string[]): Promise<ComparedServer> {
  return start((port) => startProgram(path, ["-port", String(port), ...flags]));
}

export function startOurs(...flags: readonly string[]): Promise<ComparedServer> {
  return start((port) => startSluice(["toxiproxy", "-port", String(port), ...flags]));
}

async function start(launch: (port: number) => Promise<RunningProgram>): Promise<ComparedServer> {
  const api = await freePort();
  const program = await launch(api);
  await program.line(/"Starting Toxiproxy HTTP server"/);
  await untilAnswered(api);
  const free = await freePort();
  return { ports: { api, free }, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** The original says that it starts before it listens. */
async function untilAnswered(port: number): Promise<void> {
  await until("the server answers", () =>
    fetch(`http://127.0.0.1:${port}/version`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}
