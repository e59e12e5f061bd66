import type { ByteStream, UpstreamSink, UpstreamStream } from "../../http/streams.ts";

/** Who gets a response that is passed on. */
export interface PassOwner {
  /** Somebody takes it from now on. */
  begun(): void;
  hold(): void;
  release(): void;
  /** Nobody wants the rest of it for a client. */
  unwanted(): void;
}

/** A response that isn't stored, or not yet, on its way past the cache: to the client's exchange it is a server. */
export class PassStream implements UpstreamStream {
  readonly reused = false;
  readonly mayRefuse = false;
  readonly blocked = false;
  readonly tls = null;
  /** Whom it goes to; null before it is asked for, and when it isn't wanted any more. */
  sink: UpstreamSink | null = null;
  /** Where in the body whoever takes it wants to go on. */
  from = 0;
  /** Whether nobody will take it, or go on to. */
  isOver = false;
  readonly #owner: PassOwner;

  constructor(owner: PassOwner) {
    this.#owner = owner;
  }

  begin(sink: UpstreamSink): void {
    if (this.isOver) return;
    this.sink = sink;
    this.#owner.begun();
  }

  pauseResponse(): void {
    this.#owner.hold();
  }

  resumeResponse(): void {
    this.#owner.release();
  }

  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sink = null;
    this.#owner.unwanted();
  }

  dismiss(): void {
    this.abort();
  }

  sendHead(): void {}

  sendBody(): void {}

  sendEnd(): void {}

  toByteStream(): ByteStream {
    throw new Error("A response on its way past a cache is no byte stream");
  }
}
