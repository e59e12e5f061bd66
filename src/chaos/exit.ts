import type { Holder } from "./holder.ts";
import type { LinkPort } from "./link.ts";
import type { Outlet } from "./toxic.ts";

/** The end of a link: hands bytes over, and keeps them for a receiver that has paused. */
export class Exit implements Outlet {
  readonly #port: LinkPort;
  readonly #holder: Holder;
  #waiting: Buffer[] = [];
  #paused = false;
  #ended = false;
  #endDelivered = false;

  constructor(port: LinkPort, holder: Holder) {
    this.#port = port;
    this.#holder = holder;
  }

  get held(): number {
    return this.#holder.held;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#ended === this.#endDelivered;
  }

  take(chunk: Buffer): void {
    if (this.#ended) return;
    if (!this.#paused && this.#waiting.length === 0) {
      this.#port.deliver(chunk);
      return;
    }
    this.#waiting.push(chunk);
    this.#holder.hold(chunk.length);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#goOn();
  }

  pause(): void {
    this.#paused = true;
  }

  /** Goes on in a moment: who resumes may be in the middle of something that the next bytes would disturb. */
  resume(): void {
    this.#paused = false;
    if (!this.isIdle) process.nextTick(() => this.#goOn());
  }

  /** The receiver may pause again, or go away, with each chunk it gets. */
  #goOn(): void {
    while (!this.#paused && this.#waiting.length > 0) {
      const chunk = this.#waiting.shift()!;
      this.#holder.release(chunk.length);
      this.#port.deliver(chunk);
    }
    if (this.#paused || !this.#ended || this.#endDelivered || this.#waiting.length > 0) return;
    this.#endDelivered = true;
    this.#port.deliverEnd();
  }

  close(): void {
    this.#waiting = [];
    this.#ended = true;
    this.#endDelivered = true;
    this.#holder.empty();
  }
}
