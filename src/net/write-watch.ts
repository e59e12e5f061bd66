import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import type { Transport } from "./transport.ts";

/** Told when a peer takes nothing any more. */
export interface WriteWatchOwner {
  onStuck(): void;
}

/**
 * Watches that a peer takes something of what waits for it. One large write may last longer than the timeout, so it is
 * not the write that is timed but the standstill.
 */
export class WriteWatch implements DeadlineOwner {
  readonly #transport: Transport;
  readonly #queue: TimeoutQueue;
  readonly #owner: WriteWatchOwner;
  readonly #deadline: Deadline = new Deadline(this);
  #taken = 0;

  constructor(transport: Transport, queue: TimeoutQueue, owner: WriteWatchOwner) {
    this.#transport = transport;
    this.#queue = queue;
    this.#owner = owner;
  }

  start(): void {
    this.#taken = this.#transport.takenBytes;
    this.#queue.set(this.#deadline);
  }

  stop(): void {
    this.#deadline.clear();
  }

  onDeadline(): void {
    if (this.#transport.takenBytes > this.#taken) this.start();
    else this.#owner.onStuck();
  }
}
