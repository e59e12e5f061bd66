import type { ByteStream, UpstreamSink, UpstreamStream } from "../../http/streams.ts";

/** A response of which its head is all: ends as soon as the head is out. */
export class BodilessStream implements UpstreamStream {
  readonly reused = false;
  readonly mayRefuse = false;
  readonly blocked = false;
  readonly tls = null;
  #sink: UpstreamSink | null = null;
  #isPaused = false;

  begin(sink: UpstreamSink): void {
    this.#sink = sink;
    this.#end();
  }

  pauseResponse(): void {
    this.#isPaused = true;
  }

  resumeResponse(): void {
    this.#isPaused = false;
    this.#end();
  }

  abort(): void {
    this.#sink = null;
  }

  dismiss(): void {
    this.abort();
  }

  sendHead(): void {}

  sendBody(): void {}

  sendEnd(): void {}

  toByteStream(): ByteStream {
    throw new Error("A head alone is no byte stream");
  }

  #end(): void {
    if (this.#isPaused) return;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onResponseEnd(null);
  }
}
