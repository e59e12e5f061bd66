import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { output } from "../net/output.ts";
import type { Transport } from "../net/transport.ts";
import { writeLastChunk } from "./head-encoder.ts";

/**
 * Puts a body into its framing on the way out. The caller answers for the length: what a decoder took in has the length
 * that its head said, and what filters changed is counted by the relay.
 */
export class BodyWriter {
  #transport: Transport;
  #chunked = false;
  #discards = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `chunked` says how an unknown length is framed: in chunks, or by the end of the connection. */
  start(body: BodyLength, chunked: boolean): void {
    this.#chunked = body === "unknown" && chunked;
    this.#discards = body === "none";
  }

  write(bytes: Buffer, start: number, end: number): void {
    if (this.#discards || start === end) return;
    if (!this.#chunked) {
      this.#transport.send(bytes, start, end);
      return;
    }
    output.text(this.#transport, `${(end - start).toString(16)}\r\n`);
    this.#transport.send(bytes, start, end);
    output.text(this.#transport, "\r\n");
  }

  end(trailers: HttpHeaders | null): void {
    if (this.#chunked && !this.#transport.closed) writeLastChunk(output, this.#transport, trailers);
  }
}
