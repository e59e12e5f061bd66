import type { UpstreamSink } from "../../http/streams.ts";
import { CacheStream } from "./cache-stream.ts";

/** A response of which its head is all: ends as soon as the head is out. */
export class BodilessStream extends CacheStream {
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

  #end(): void {
    if (this.#isPaused) return;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onResponseEnd(null);
  }
}
