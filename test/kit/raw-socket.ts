import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { patience, withDeadline } from "./deadline.ts";

/** How a connection went: the other side ended it, the other side reset it, or this side left first. */
export type Closure = "end" | "reset" | "here";

/**
 * A connection seen as bytes, for either side of a test. Nothing here knows HTTP, so that it can say what no HTTP
 * library would, and see what none would show. Text is latin1 everywhere: one character, one byte.
 *
 * Every read waits {@link patience} at most and then fails with what had arrived.
 */
export class RawSocket implements AsyncDisposable {
  readonly socket: Socket;
  /** Settles when the other side has ended or reset the connection, or this side has destroyed it. */
  readonly closed: Promise<Closure>;

  readonly #transport: Socket;
  #received: Buffer[] = [];
  #size = 0;
  #closure: Closure | undefined;
  #failure: Error | undefined;
  #arrival = Promise.withResolvers<void>();

  /** @param transport the TCP socket under a TLS `socket`: only it can be reset */
  constructor(socket: Socket, transport: Socket = socket) {
    this.socket = socket;
    this.#transport = transport;
    const closed = Promise.withResolvers<Closure>();
    this.closed = closed.promise;
    const settle = (closure: Closure): void => {
      this.#closure ??= closure;
      closed.resolve(this.#closure);
      this.#wake();
    };
    socket.on("data", (chunk: Buffer) => this.#push(chunk));
    socket.on("end", () => settle("end"));
    socket.on("error", (error) => {
      this.#failure ??= error;
      settle("reset");
    });
    socket.on("close", () => settle("here"));
  }

  /** What has arrived and was not read yet. */
  get unread(): Buffer {
    this.#compact();
    return this.#received[0] ?? Buffer.alloc(0);
  }

  /** Settles when the bytes have gone to the kernel. It need not be awaited. */
  write(data: string | Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (typeof data === "string") this.socket.write(data, "latin1", done);
    else this.socket.write(data, done);
    promise.catch(() => {});
    return promise;
  }

  /**
   * Writes `data` in pieces cut at the given offsets. Each piece is its own segment, and a turn of the loop lies between
   * two; whether the reader sees them apart is up to its kernel, and on a quiet machine it does.
   */
  async writePieces(data: string | Uint8Array, splitAt: readonly number[]): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    this.socket.setNoDelay(true);
    let start = 0;
    for (const end of [...splitAt, bytes.length]) {
      if (end > start) await this.write(bytes.subarray(start, end));
      await nextTurn();
      start = end;
    }
  }

  /** Reads through the delimiter, or until the function says that all that has arrived is enough. */
  readUntil(enough: string | ((received: Buffer) => boolean)): Promise<Buffer> {
    if (typeof enough === "string") return this.#readThrough(enough);
    return this.#read("enough bytes", () => (enough(this.unread) ? this.#size : undefined));
  }

  readExactly(length: number): Promise<Buffer> {
    return this.#read(`${length} bytes`, () => (this.#size >= length ? length : undefined));
  }

  /** What comes next, at least one byte and at most `max`; empty at the end of the stream. */
  readSome(max: number = Number.POSITIVE_INFINITY): Promise<Buffer> {
    return this.#read("more bytes", () => {
      const first = this.#received[0];
      if (first !== undefined) return Math.min(first.length, max);
      return this.#closure === "end" ? 0 : undefined;
    });
  }

  /** All bytes until the other side ends; fails if it resets instead. */
  readToEnd(): Promise<Buffer> {
    return this.#read("the end", () => (this.#closure === "end" ? this.#size : undefined));
  }

  /** The head of an HTTP/1 message, its empty line included. */
  async readHead(): Promise<string> {
    const head = await this.readUntil("\r\n\r\n");
    return head.toString("latin1");
  }

  /** Stops reading, so that the kernel's buffers fill and the other side feels it. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Half-close: ends this direction, the other one stays open. */
  end(data: string | Uint8Array = ""): void {
    if (typeof data === "string") this.socket.end(data, "latin1");
    else this.socket.end(data);
  }

  /** Closes with RST. */
  reset(): void {
    this.#transport.resetAndDestroy();
    // While it is being told that hands are shaken, Node can't bear to lose both at once: it reads on in what is gone.
    if (this.socket === this.#transport) this.socket.destroy();
    else setImmediate(() => this.socket.destroy());
  }

  /** Closes both directions. */
  destroy(): void {
    this.socket.destroy();
    this.#transport.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.closed;
  }

  #push(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#size += chunk.length;
    this.#wake();
  }

  #wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers<void>();
  }

  #readThrough(delimiter: string): Promise<Buffer> {
    return this.#read(JSON.stringify(delimiter), () => {
      const at = this.unread.indexOf(delimiter, 0, "latin1");
      return at === -1 ? undefined : at + delimiter.length;
    });
  }

  /** Waits until `findEnd` knows how many bytes to take. */
  async #read(what: string, findEnd: () => number | undefined): Promise<Buffer> {
    for (;;) {
      const end = findEnd();
      if (end !== undefined) return this.#take(end);
      if (this.#closure !== undefined) {
        throw new Error(`${closureText[this.#closure]} before ${what}; ${this.#describe()}`, {
          cause: this.#failure,
        });
      }
      await withDeadline(this.#arrival.promise, patience, () => `${what}; ${this.#describe()}`);
    }
  }

  #take(length: number): Buffer {
    const first = this.#received[0];
    if (first === undefined || length > first.length) this.#compact();
    const source = this.#received.shift() ?? Buffer.alloc(0);
    if (length < source.length) this.#received.unshift(source.subarray(length));
    this.#size -= length;
    return source.subarray(0, length);
  }

  #compact(): void {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
  }

  #describe(): string {
    const start = this.unread.toString("latin1", 0, 400);
    return `${this.#size} bytes unread: ${JSON.stringify(start)}`;
  }
}

const closureText: Readonly<Record<Closure, string>> = {
  end: "the other side ended",
  reset: "the connection was reset",
  here: "the connection was closed on this side",
};
