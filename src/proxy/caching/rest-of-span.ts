import type { ResponseHead } from "../../http/heads.ts";
import type { UpstreamSink } from "../../http/streams.ts";
import type { PassStream } from "./pass-stream.ts";

/** Takes the rest of a response, and hands over what is still to come of a part of it. */
export class RestOfSpan implements UpstreamSink {
  readonly #sink: UpstreamSink;
  readonly #rest: PassStream;
  #left: number;

  /** @param left bytes; Infinity: to the end */
  constructor(sink: UpstreamSink, rest: PassStream, left: number) {
    this.#sink = sink;
    this.#rest = rest;
    this.#left = left;
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    const count = Math.min(end - start, this.#left);
    this.#left -= count;
    const isLast = this.#left === 0;
    if (isLast) this.#rest.abort();
    this.#sink.onResponseBody(bytes, start, start + count);
    if (isLast) this.#sink.onResponseEnd(null);
  }

  /** What is stored has no trailers. */
  onResponseEnd(): void {
    this.#sink.onResponseEnd(null);
  }

  onUpstreamError(error: Error): void {
    this.#sink.onUpstreamError(error);
  }

  onInformational(_head: ResponseHead): void {}

  onResponseHead(_head: ResponseHead): void {}

  onUpstreamBlocked(): void {}

  onUpstreamDrained(): void {}
}
