import { IncomingBody } from "../proxy/incoming-body.ts";
import type { BodyTap } from "../proxy/session.ts";

/** Nobody is slowed down by a copy. */
const SOURCE = { pause(): void {}, resume(): void {}, cancel(): void {} };

/** A request's body on its way to a second server, as far as that one keeps up. */
export class CopiedBody implements BodyTap {
  readonly content: IncomingBody = new IncomingBody(SOURCE);
  readonly #most: number;
  readonly #giveUp: (reason: Error) => void;
  #isWhole = false;
  #isClosed = false;

  /**
   * @param most bytes that may wait for the second server; with more the copy is given up
   * @param giveUp ends the copy: whoever waits for the server to take more of it hears of nothing else
   */
  constructor(most: number, giveUp: (reason: Error) => void) {
    this.#most = most;
    this.#giveUp = giveUp;
  }

  /** Whether the second server has got all of it. */
  get isTaken(): boolean {
    return this.#isWhole && this.content.waiting === 0;
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    this.content.push(Buffer.from(bytes.subarray(start, end)));
    if (this.content.waiting > this.#most) this.#fail("the other server is too slow");
  }

  onEnd(): void {
    this.#isWhole = !this.#isClosed;
    this.content.finish();
  }

  onAbort(): void {
    this.#fail("the request was broken off");
  }

  /** What is sent of it so far must not be taken for the whole. */
  #fail(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const error = new Error(reason);
    this.content.fail(error);
    this.#giveUp(error);
  }

  /** Nobody sends it any more: what waits is let go, and nothing is kept of what still comes. */
  close(): void {
    this.#isClosed = true;
    this.content.cancel();
  }
}
