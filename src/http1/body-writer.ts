import type { HttpHeaders } from "../http/http-headers.ts";
import { output } from "../net/output.ts";
import type { Transport } from "../net/transport.ts";
import { type ResponseFraming, writeLastChunk } from "./head-encoder.ts";

/**
 * Puts a body into its framing on the way out. The caller answers for the length: what a decoder took in has the length
 * that its head said, and what filters changed is counted by the relay.
 */
export class BodyWriter {
  protected readonly transport: Transport;
  #chunked = false;
  #discards = false;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** A body of unknown length goes in chunks. */
  start(framing: ResponseFraming): void {
    this.#chunked = framing === "unknown";
    this.#discards = framing === "none";
  }

  write(bytes: Buffer, start: number, end: number): void {
    if (this.#discards || start === end) return;
    if (!this.#chunked) {
      this.transport.send(bytes, start, end);
      return;
    }
    output.text(this.transport, `${(end - start).toString(16)}\r\n`);
    this.transport.send(bytes, start, end);
    output.text(this.transport, "\r\n");
  }

  end(trailers: HttpHeaders | null): void {
    if (this.#chunked && !this.transport.closed) writeLastChunk(output, this.transport, trailers);
  }
}
