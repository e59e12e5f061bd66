type State = "head" | "length" | "chunk size" | "chunk" | "chunk end" | "trailers";

const headEnd = Buffer.from("\r\n\r\n");
const lineFeed = 10;

/**
 * Finds where one HTTP/1.1 message ends, request or response, with a length or chunked. It is fed
 * by the load generator and by the small origin, which both talk to programs that are known to be
 * well-behaved: it is fast and lenient, nothing to put on a network.
 *
 *     head ──► length ──────────────────────────────► done
 *       └────► chunk size ──► chunk ──► chunk end ──┐
 *                 ▲  └─(0)──► trailers ─► done      │
 *                 └─────────────────────────────────┘
 */
export class MessageReader {
  /** The first line of the message, known once its head was read. */
  startLine = "";
  /** Whether the other side will close after this message. */
  closes = false;
  bodyBytes = 0;
  #state: State = "head";
  #held: Buffer = Buffer.alloc(0);
  #remaining = 0;
  #line = "";

  /** The status code of a response. */
  get status(): number {
    return Number(this.startLine.slice(9, 12));
  }

  /** Takes the next bytes; true when they complete the message (one at a time, no pipelining). */
  feed(bytes: Buffer): boolean {
    if (this.#state !== "head") return this.#feedBody(bytes, 0);
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const end = all.indexOf(headEnd);
    if (end < 0) {
      // The bytes are borrowed from the socket's buffer, so what is kept is a copy.
      this.#held = Buffer.from(all);
      return false;
    }
    this.#held = Buffer.alloc(0);
    this.#readHead(all.toString("latin1", 0, end));
    return this.#feedBody(all, end + headEnd.length);
  }

  #readHead(head: string): void {
    const lineEnd = head.indexOf("\r\n");
    this.startLine = lineEnd < 0 ? head : head.slice(0, lineEnd);
    this.closes = /\r\nconnection: *close/i.test(head);
    this.bodyBytes = 0;
    this.#line = "";
    const chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    this.#remaining = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    this.#state = chunked ? "chunk size" : "length";
  }

  #feedBody(bytes: Buffer, start: number): boolean {
    let at = start;
    for (;;) {
      if (this.#state === "length" || this.#state === "chunk") {
        at += this.#skipBody(bytes.length - at);
        if (this.#remaining > 0) return false;
        if (this.#state === "length") return this.#finish();
        this.#state = "chunk end";
      }
      const end = bytes.indexOf(lineFeed, at);
      this.#line += bytes.toString("latin1", at, end < 0 ? bytes.length : end);
      if (end < 0) return false;
      at = end + 1;
      if (this.#endLine()) return this.#finish();
    }
  }

  #skipBody(available: number): number {
    const taken = Math.min(available, this.#remaining);
    this.#remaining -= taken;
    this.bodyBytes += taken;
    return taken;
  }

  /** Acts on a whole line of the chunked framing; true when it was the last. */
  #endLine(): boolean {
    const line = this.#line.trim();
    this.#line = "";
    if (this.#state === "trailers") return line === "";
    if (this.#state === "chunk end") {
      this.#state = "chunk size";
    } else {
      this.#remaining = Number.parseInt(line, 16);
      this.#state = this.#remaining === 0 ? "trailers" : "chunk";
    }
    return false;
  }

  #finish(): true {
    this.#state = "head";
    return true;
  }
}
