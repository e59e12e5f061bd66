import type { Socket } from "node:net";
import { patternView } from "../kit/pattern.ts";

/** A body to be sent. */
export interface PatternBody {
  readonly seed: number;
  readonly size: number;
  readonly chunked: boolean;
  /** Sends no more than so many bytes of it, and not its end either; Infinity for all of it. */
  readonly stopAt: number;
}

/** Sizes of chunks; a large body is never cut into more than `mostChunks`. */
const chunkSizes = [7, 100, 1000, 4096, 16_384, 65_000];
const mostChunks = 48;

/**
 * Sends a body as fast as the other side takes it, and calls `onDone` when all of it was handed to the kernel or to
 * Node's buffer. Silent once the socket is gone.
 */
export class PatternSender {
  readonly #socket: Socket;
  readonly #body: PatternBody;
  readonly #chunk: number;
  readonly #stop: number;
  readonly #onDone: () => void;
  #at = 0;

  constructor(socket: Socket, body: PatternBody, onDone: () => void) {
    this.#socket = socket;
    this.#body = body;
    this.#stop = Math.min(body.size, body.stopAt);
    this.#onDone = onDone;
    const wanted = chunkSizes[body.seed % chunkSizes.length]!;
    this.#chunk = body.chunked ? Math.max(wanted, Math.ceil(body.size / mostChunks)) : 65_536;
  }

  start(): void {
    this.#pump();
  }

  readonly #pump = (): void => {
    const socket = this.#socket;
    if (!socket.writable) return;
    socket.cork();
    while (this.#at < this.#stop && !socket.writableNeedDrain) this.#sendNext();
    const isDone = this.#at === this.#stop;
    if (isDone && this.#body.chunked && this.#body.stopAt === Number.POSITIVE_INFINITY) {
      socket.write("0\r\n\r\n", "latin1");
    }
    socket.uncork();
    if (isDone) this.#onDone();
    else if (socket.writableNeedDrain) socket.once("drain", this.#pump);
    else this.#pump();
  };

  #sendNext(): void {
    const { seed, size, chunked } = this.#body;
    const declared = Math.min(this.#chunk, size - this.#at);
    const view = patternView(Math.min(declared, this.#stop - this.#at), this.#at, seed);
    if (chunked) this.#socket.write(`${declared.toString(16)}\r\n`, "latin1");
    this.#socket.write(view);
    this.#at += view.length;
    if (chunked && view.length === declared) this.#socket.write("\r\n", "latin1");
  }
}
