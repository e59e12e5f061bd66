import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { Fifo } from "../base/fifo.ts";
import type { Holder } from "./holder.ts";
import { Thrown } from "./place.ts";
import type { Outlet } from "./toxic.ts";

/** Milliseconds that a receiver who has paused is waited for when the connection is to be closed. */
const CLOSE_GRACE = 2_000;

/** Where a link leads. */
export interface ExitPort {
  /** Bytes that came through. `chunk` is the receiver's own. */
  deliver(chunk: Buffer): void;
  deliverEnd(): void;
  /** Closes the connection once what was delivered is sent. `toxic` is the name of the one that asks for it. */
  close(toxic: string): void;
}

/** What an exit needs from its link. */
export interface ExitHost {
  readonly clock: AlarmClock;
  /** Runs what the receiver may throw in. */
  guard(toxic: string, work: () => void): void;
}

/** The end of a link: hands bytes over, and keeps them for a receiver that has paused. */
export class Exit implements Outlet {
  readonly #port: ExitPort;
  readonly #holder: Holder;
  readonly #host: ExitHost;
  readonly #waiting: Fifo<Buffer> = new Fifo();
  #paused = false;
  /** True while the receiver handles a chunk: it must not get the next one in the middle of that. */
  #delivering = false;
  #ended = false;
  #endDelivered = false;
  #closed = false;
  /** The toxic that closes the connection, once everything is delivered. */
  #closer: string | null = null;
  #grace: Alarm | null = null;

  constructor(port: ExitPort, holder: Holder, host: ExitHost) {
    this.#port = port;
    this.#holder = holder;
    this.#host = host;
  }

  get held(): number {
    return this.#holder.held;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get isIdle(): boolean {
    return this.#waiting.isEmpty && !this.#delivering && this.#ended === this.#endDelivered;
  }

  take(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#paused || this.#delivering || !this.#waiting.isEmpty) {
      this.#waiting.push(chunk);
      this.#holder.hold(chunk.length);
      return;
    }
    this.#deliver(chunk);
    // What came meanwhile.
    if (!this.#waiting.isEmpty || this.#ended) this.#goOn();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#goOn();
    if (this.#closer !== null && !this.#endDelivered) this.#setGrace();
  }

  /** The end that is on its way, or has passed already, closes the connection. */
  closeAtEnd(toxic: string): void {
    this.#closer ??= toxic;
    if (this.#endDelivered) this.#port.close(this.#closer);
    else if (this.#ended) this.#setGrace();
  }

  /** Whoever doesn't read can't keep a connection that is to be closed. */
  #setGrace(): void {
    const { clock } = this.#host;
    const closer = this.#closer!;
    this.#grace ??= new Alarm(clock, () => this.#host.guard(closer, () => this.#port.close(closer)));
    this.#grace.set(clock.now() + CLOSE_GRACE);
  }

  pause(): void {
    this.#paused = true;
  }

  /** Goes on in a moment: who resumes may be in the middle of something that the next bytes would disturb. */
  resume(): void {
    this.#paused = false;
    if (!this.isIdle) process.nextTick(() => this.#host.guard("", () => this.#goOn()));
  }

  /** The receiver may pause again, or go away, with each chunk it gets. */
  #goOn(): void {
    while (!this.#paused && !this.#delivering && !this.#waiting.isEmpty) {
      const chunk = this.#waiting.shift()!;
      this.#deliver(chunk);
      if (this.#closed) return;
      // Not before: the sender goes on with this, and what it says comes behind.
      this.#holder.release(chunk.length);
    }
    // An end takes no room, so that it needn't wait for a receiver to go on.
    if (this.#waiting.isEmpty && !this.#delivering && this.#ended && !this.#endDelivered) this.#deliverEnd();
  }

  #deliver(chunk: Buffer): void {
    this.#delivering = true;
    try {
      this.#port.deliver(chunk);
    } catch (error) {
      throw Thrown.by("", error);
    } finally {
      this.#delivering = false;
    }
  }

  #deliverEnd(): void {
    this.#endDelivered = true;
    this.#grace?.clear();
    if (this.#closer === null) this.#port.deliverEnd();
    else this.#port.close(this.#closer);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#ended = true;
    this.#endDelivered = true;
    this.#grace?.clear();
    this.#holder.empty();
  }
}
