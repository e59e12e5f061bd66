import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { findProgram } from "./peer.ts";
import { freePort } from "./ports.ts";
import { type RunningProgram, startProgram } from "./process.ts";

export interface RedisOptions {
  /** Name one only to come back on the port of one that has gone. */
  readonly port?: number;
  /** Further arguments of `redis-server`. */
  readonly args?: readonly string[];
}

/** A Redis of the system, for one test: it keeps nothing. */
export async function startRedis(
  options: RedisOptions = {},
): Promise<{ program: RunningProgram; port: number }> {
  const { port = await freePort(), args = [] } = options;
  const program = await startProgram(findProgram("redis-server")!, [
    ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", ...args],
  ]);
  await program.line(/Ready to accept connections/);
  return { program, port };
}

/** A client that knows as much of the protocol as it takes to ask one thing after the other. */
export class RedisClient implements Disposable {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #size = 0;
  #error = "";
  readonly #closed = Promise.withResolvers<string>();
  #news = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#size += bytes.length;
      this.#wake();
    });
    socket.on("error", ({ code = "" }: NodeJS.ErrnoException) => {
      this.#error = code;
    });
    socket.on("close", () => {
      this.#closed.resolve(this.#error);
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RedisClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RedisClient(socket);
  }

  /** Kept when the connection is gone, with the code of the error that ended it, if one did. */
  get closed(): Promise<string> {
    return this.#closed.promise;
  }

  get bytesReceived(): number {
    return this.#size;
  }

  /** The status line, or the value. Rejects when the connection ends first. */
  async ask(...words: readonly (string | Buffer)[]): Promise<string | Buffer> {
    this.socket.write(`*${words.length}\r\n`);
    for (const word of words) {
      this.socket.write(`$${Buffer.byteLength(word)}\r\n`);
      this.socket.write(word);
      this.socket.write("\r\n");
    }
    const line = await this.#line();
    if (!line.startsWith("$")) return line.slice(1);
    const value = await this.#take(Number(line.slice(1)) + 2);
    return value.subarray(0, -2);
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#joined().indexOf("\r\n");
      if (end !== -1) return (await this.#take(end + 2)).toString("latin1", 0, end);
      await this.#wait();
    }
  }

  async #take(bytes: number): Promise<Buffer> {
    while (this.#size < bytes) await this.#wait();
    const all = this.#joined();
    this.#received = [all.subarray(bytes)];
    this.#size -= bytes;
    return all.subarray(0, bytes);
  }

  #joined(): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0]!;
  }

  async #wait(): Promise<void> {
    if (this.socket.destroyed) throw new Error("the connection is closed");
    await this.#news.promise;
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
