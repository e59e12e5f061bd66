import type { ResponseHead } from "../http/heads.ts";
import { output } from "../net/output.ts";
import { BodyWriter } from "./body-writer.ts";
import { type ResponseFraming, writeResponseHead } from "./head-encoder.ts";

/** Writes responses: heads, and bodies in their framing. */
export class ResponseWriter extends BodyWriter {
  /** @param lines the connection's own fields, each ended by CRLF */
  writeHead(head: ResponseHead, framing: ResponseFraming, lines: string, isToHead: boolean): void {
    writeResponseHead(output, this.transport, head, framing, lines);
    this.start(isToHead ? "none" : framing);
  }
}
