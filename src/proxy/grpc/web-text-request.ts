import { ProxyError } from "../../base/errors.ts";
import { Base64Decoder } from "../../http/grpc/base64.ts";
import type { RequestSink } from "../../http/server-application.ts";

/** The body of a gRPC-Web request in text form on its way to a session that sees bytes. */
export class WebTextRequest implements RequestSink {
  readonly #session: RequestSink;
  readonly #decoder: Base64Decoder = new Base64Decoder();
  #isBroken = false;

  constructor(session: RequestSink) {
    this.#session = session;
  }

  start(): void {
    this.#session.start();
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    if (this.#isBroken) return;
    const message = this.#decoder.decode(bytes, start, end);
    if (message === null) this.#break("its text is no base64");
    else if (message.length > 0) this.#session.onRequestBody(message, 0, message.length);
  }

  onRequestEnd(): void {
    if (this.#isBroken) return;
    if (this.#decoder.isWhole) this.#session.onRequestEnd(null);
    else this.#break("its text ends in the middle of a group");
  }

  #break(problem: string): void {
    this.#isBroken = true;
    this.#session.onDownstreamError(new ProxyError("DOWNSTREAM_BAD_BODY", problem));
  }

  onDownstreamBlocked(): void {
    this.#session.onDownstreamBlocked();
  }

  onDownstreamDrained(): void {
    this.#session.onDownstreamDrained();
  }

  onDownstreamError(error: Error): void {
    if (!this.#isBroken) this.#session.onDownstreamError(error);
  }
}
