import { once } from "node:events";
import { constants, type Http2ServerResponse } from "node:http2";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import type { OriginRequest, OriginResponse } from "../kit/origin-routes.ts";
import { createServerFor, type ServerKind } from "../kit/origin-servers.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, startProgram } from "../kit/process.ts";

/*
 * A server in a process of its own, which can be killed and stopped. It answers with its name and the length of the
 * request's body; `/health` says it is well until it is told otherwise, and so does the health service of gRPC; `/cut`
 * breaks off in the middle.
 */

/** Bytes of a response that `/cut` promises, and those of them that come. */
const PROMISED = 100_000;
const SENT = 20_000;

/** One server, on the same port in all its lives. */
export class MortalServer implements AsyncDisposable {
  readonly port: number;
  readonly #kind: ServerKind;
  #program: RunningProgram;

  private constructor(port: number, kind: ServerKind, program: RunningProgram) {
    this.port = port;
    this.#kind = kind;
    this.#program = program;
  }

  /** @param kind what it speaks; plain HTTP/1 when absent */
  static async start(kind: ServerKind = {}): Promise<MortalServer> {
    const port = await freePort();
    return new MortalServer(port, kind, await MortalServer.#launch(port, kind));
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
    this.#program = await MortalServer.#launch(this.port, this.#kind);
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
    this.#program.write(`${status}\n`);
    await this.#program.line(new RegExp(`^health ${status}$`));
    this.#program.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  static async #launch(port: number, kind: ServerKind): Promise<RunningProgram> {
    const args = [import.meta.filename, String(port), JSON.stringify(kind)];
    const program = await startProgram(process.execPath, args);
    await program.line(/^ready$/);
    return program;
  }
}

let health = 200;

function answer(request: OriginRequest, response: OriginResponse): void {
  const { pathname } = new URL(request.url ?? "/", "http://a.example");
  if (pathname === "/health") {
    response.statusCode = health;
    response.end();
  } else if (pathname === "/grpc.health.v1.Health/Check" && "stream" in response) tellHealth(response);
  else if (pathname === "/cut") breakOff(request, response);
  else void echo(request, response);
}

/** A HealthCheckResponse: 1 is SERVING, 2 is NOT_SERVING. */
function tellHealth(response: Http2ServerResponse): void {
  response.setHeader("content-type", "application/grpc");
  response.addTrailers({ "grpc-status": "0" });
  response.end(Buffer.from([0, 0, 0, 0, 2, 8, health === 200 ? 1 : 2]));
}

function breakOff(request: OriginRequest, response: OriginResponse): void {
  response.setHeader("Content-Length", PROMISED);
  const bytes = Buffer.alloc(SENT);
  if ("stream" in response) {
    response.write(bytes, "latin1", () => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  } else response.write(bytes, () => request.socket.resetAndDestroy());
}

async function echo(request: OriginRequest, response: OriginResponse): Promise<void> {
  let bytes = 0;
  try {
    for await (const piece of request) bytes += (piece as Buffer).length;
  } catch {
    // The proxy gave the request up.
    return;
  }
  const text = `${process.argv[2]} ${bytes}`;
  if (!("stream" in response)) response.end(text);
  else {
    // The response would end its stream in a frame of its own, and who is killed between the two has broken it off.
    response.stream.respond();
    response.stream.end(text);
  }
}

async function main(port: number, kind: ServerKind): Promise<void> {
  createInterface(process.stdin).on("line", (line) => {
    health = Number(line);
    process.stdout.write(`health ${line}\n`);
  });
  const server = createServerFor(kind, answer).listen(port, "127.0.0.1");
  await once(server, "listening");
  process.stdout.write("ready\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main(Number(process.argv[2]), JSON.parse(process.argv[3] ?? "{}") as ServerKind);
}
