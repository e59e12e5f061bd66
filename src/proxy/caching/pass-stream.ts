import type { UpstreamSink } from "../../http/streams.ts";
import { CacheStream } from "./cache-stream.ts";

/** Who gets a response that is passed on. */
export interface PassOwner {
  /** Somebody takes it from now on. */
  begun(): void;
  /** Who takes it can't keep up. */
  pause(): void;
  resume(): void;
  /** Nobody wants the rest of it for a client. */
  unwanted(): void;
}

/** A response that isn't stored, or not yet, on its way past the cache: to the client's exchange it is a server. */
export class PassStream extends CacheStream {
  /** Whom it goes to; null before it is asked for, and when it isn't wanted any more. */
  sink: UpstreamSink | null = null;
  /** Where in the body whoever takes it wants to go on. */
  from = 0;
  /** Whether nobody will take it, or go on to. */
  isOver = false;
  readonly #owner: PassOwner;

  constructor(owner: PassOwner) {
    super();
    this.#owner = owner;
  }

  begin(sink: UpstreamSink): void {
    if (this.isOver) return;
    this.sink = sink;
    this.#owner.begun();
  }

  pauseResponse(): void {
    this.#owner.pause();
  }

  resumeResponse(): void {
    this.#owner.resume();
  }

  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sink = null;
    this.#owner.unwanted();
  }
}
