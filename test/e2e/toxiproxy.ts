import { createServer, type Socket } from "node:net";
import { listen } from "../kit/ports.ts";
import { type ProgramOptions, type RunningProgram, startSluice } from "../kit/process.ts";

/** `sluice toxiproxy` on a port of its own. */
export interface RunningToxiproxy extends AsyncDisposable {
  readonly program: RunningProgram;
  /** Where its API is. */
  readonly url: string;
  readonly port: number;
}

export async function startToxiproxy(
  flags: readonly string[] = [],
  options: ProgramOptions = {},
): Promise<RunningToxiproxy> {
  const program = await startSluice(["toxiproxy", "-port", "0", ...flags], options);
  try {
    const [, port] = await program.line(
      /"address":"[^"]*:(\d+)",.*"message":"Starting Toxiproxy HTTP server"/,
    );
    return {
      program,
      url: `http://127.0.0.1:${port}`,
      port: Number(port),
      [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
    };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

/** A TCP server that sends back whatever it gets. */
export interface EchoServer extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
}

export async function startEcho(): Promise<EchoServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  const port = await listen(server);
  return {
    port,
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The port of an address. */
export function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

/** Asks the API; a status of 400 and more is an error with what the server said. */
export async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url + path, { method, headers, ...content });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text === "" ? null : (JSON.parse(text) as unknown);
}
