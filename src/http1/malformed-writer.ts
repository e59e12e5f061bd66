import type { ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { Malformation } from "../http/streams.ts";
import { output } from "../net/output.ts";
import type { Transport } from "../net/transport.ts";
import type { ResponseFraming } from "./head-encoder.ts";
import { ResponseWriter } from "./response-writer.ts";

/** Letters in place of zeros. */
const NO_STATUS_LINE = "HTTP/1.1 2OO OK\r\n";
const NO_FIELD = "This line is no header field\r\n";
/** Without a digit at its front: some clients take what is behind one for nothing. */
const NO_LENGTH = "Content-Length: ten\r\n";
const NO_CHUNK_SIZE = "1G\r\n";

/** Writes a response that no client may take for a good one: everything in it is as it should be but for one thing. */
export class MalformedWriter extends ResponseWriter {
  readonly #how: Malformation;
  #breaksChunks = false;

  constructor(transport: Transport, how: Malformation) {
    super(transport);
    this.#how = how;
  }

  override writeHead(head: ResponseHead, framing: ResponseFraming, lines: string, isToHead: boolean): void {
    // Where there is no body, there is no framing to break.
    const how = this.#how === "chunk" && (isToHead || framing === "none") ? "header" : this.#how;
    this.#breaksChunks = how === "chunk";
    if (how === "status-line") {
      // The good one follows, and is a broken field by that.
      output.text(this.transport, NO_STATUS_LINE);
      super.writeHead(head, framing, lines, isToHead);
    } else if (how === "header") super.writeHead(head, framing, lines + NO_FIELD, isToHead);
    else if (how === "chunk") super.writeHead(head, "unknown", lines, isToHead);
    else super.writeHead(head, "until-close", lines + NO_LENGTH, isToHead || framing === "none");
  }

  override write(bytes: Buffer, start: number, end: number): void {
    if (this.#breaksChunks && start < end) output.text(this.transport, NO_CHUNK_SIZE);
    super.write(bytes, start, end);
  }

  override end(trailers: HttpHeaders | null): void {
    if (this.#breaksChunks && !this.transport.closed) output.text(this.transport, NO_CHUNK_SIZE);
    super.end(trailers);
  }
}
