import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pathToFileURL } from "node:url";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, startProgram } from "../kit/process.ts";

/*
 * A server in a process of its own, which can be killed and stopped. It answers with its name and the length of the
 * request's body; `/health` says it is well until it is told otherwise; `/cut` breaks off in the middle.
 */

/** Bytes of a response that `/cut` promises, and those of them that come. */
const PROMISED = 100_000;
const SENT = 20_000;

/** One server, on the same port in all its lives. */
export class MortalServer implements AsyncDisposable {
  readonly port: number;
  #program: RunningProgram;

  private constructor(port: number, program: RunningProgram) {
    this.port = port;
    this.#program = program;
  }

  static async start(): Promise<MortalServer> {
    const port = await freePort();
    return new MortalServer(port, await MortalServer.#launch(port));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Ends it as a crash would: its connections are closed by the kernel. */
  async kill(): Promise<void> {
    this.#program.kill();
    await this.#program.exited;
  }

  async revive(): Promise<void> {
    this.#program = await MortalServer.#launch(this.port);
  }

  /** From now on connections are accepted, by the kernel, and nothing is ever answered. */
  freeze(): void {
    this.#program.signal("SIGSTOP");
  }

  thaw(): void {
    this.#program.signal("SIGCONT");
  }

  /** What `/health` is answered with. */
  async setHealth(status: number): Promise<void> {
    await fetch(`http://${this.address}/health?status=${status}`, { method: "PUT" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  static async #launch(port: number): Promise<RunningProgram> {
    const program = await startProgram(process.execPath, [import.meta.filename, String(port)]);
    await program.line(/^ready$/);
    return program;
  }
}

let health = 200;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://a.example");
  if (url.pathname === "/health") {
    if (request.method === "PUT") health = Number(url.searchParams.get("status"));
    response.writeHead(request.method === "PUT" ? 200 : health).end();
  } else if (url.pathname === "/cut") {
    response.writeHead(200, { "Content-Length": PROMISED });
    response.write(Buffer.alloc(SENT), () => request.socket.resetAndDestroy());
  } else void echo(request, response);
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0;
  try {
    for await (const piece of request) bytes += (piece as Buffer).length;
  } catch {
    // The proxy gave the request up.
    return;
  }
  response.end(`${process.argv[2]} ${bytes}`);
}

async function main(port: number): Promise<void> {
  const server = createServer(answer).listen(port, "127.0.0.1");
  await once(server, "listening");
  process.stdout.write("ready\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(Number(process.argv[2]));
