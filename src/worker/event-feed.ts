import type { StreamEvent } from "../proxy/stream-proxy.ts";

/** Milliseconds that events are gathered for. */
const BATCH = 50;
/** Events that one batch holds; what comes besides is counted and left out. */
const MOST = 500;

/** Gathers what happens into batches, so that a storm of connections isn't a storm of messages; only while somebody listens. */
export class EventFeed {
  readonly #send: (events: readonly StreamEvent[], dropped: number) => void;
  #watched = false;
  #events: StreamEvent[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (events: readonly StreamEvent[], dropped: number) => void) {
    this.#send = send;
  }

  watch(on: boolean): void {
    this.#watched = on;
    if (!on) this.#events = [];
  }

  add(event: StreamEvent): void {
    if (!this.#watched) return;
    if (this.#events.length < MOST) this.#events.push(event);
    else this.#dropped++;
    this.#timer ??= setTimeout(() => this.#flush(), BATCH).unref();
  }

  #flush(): void {
    const events = this.#events;
    const dropped = this.#dropped;
    this.#timer = null;
    this.#events = [];
    this.#dropped = 0;
    if (events.length > 0) this.#send(events, dropped);
  }
}
