import { connect, type Socket } from "node:net";
import { PatternVerifier, patternView } from "../../kit/pattern.ts";
import type { Random } from "../random.ts";

/** Bytes that may be on their way. */
const MOST_AHEAD = 64 * 1024;

/** A connection to an echo server that is never quiet for long, and compares every byte that comes back. */
export class EchoLane {
  sent = 0;
  readonly #socket: Socket;
  readonly #verifier: PatternVerifier;
  readonly #seed: number;
  readonly #random: Random;
  readonly #onWrong: (problem: string) => void;
  #stopping = false;
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(port: number, seed: number, random: Random, onWrong: (problem: string) => void) {
    this.#seed = seed;
    this.#random = random;
    this.#onWrong = onWrong;
    this.#verifier = new PatternVerifier(seed);
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
    this.#socket.on("connect", () => this.#talk());
    this.#socket.on("data", (bytes: Buffer) => this.#compare(bytes));
    this.#socket.on("end", () => this.#end());
    this.#socket.on("error", (error) => this.#fail(error.message));
  }

  get received(): number {
    return this.#verifier.offset;
  }

  /** Says no more; resolves when everything that was said has come back. */
  finish(): Promise<void> {
    this.#stopping = true;
    this.#socket.end();
    return this.#ended.promise;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Says something now and then, but never runs far ahead of what comes back. */
  #talk(): void {
    if (this.#stopping || this.#socket.destroyed) return;
    if (this.sent - this.received < MOST_AHEAD) {
      const bytes = patternView(this.#random.between(1, 2000), this.sent, this.#seed);
      this.sent += bytes.length;
      this.#socket.write(bytes);
    }
    setTimeout(() => this.#talk(), this.#random.between(20, 220));
  }

  #compare(bytes: Buffer): void {
    try {
      this.#verifier.write(bytes);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #end(): void {
    if (this.received !== this.sent) this.#fail(`ended after ${this.received} of ${this.sent} bytes`);
    this.#ended.resolve();
  }

  #fail(problem: string): void {
    this.#onWrong(`connection ${this.#seed}: ${problem}`);
    this.#socket.destroy();
    this.#ended.resolve();
  }
}
