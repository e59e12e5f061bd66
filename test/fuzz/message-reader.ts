import assert from "node:assert/strict";
import { nameAt, valueAt } from "../../src/http/field-table.ts";
import { BODY_REFUSED, BodyDecoder, type BodySink } from "../../src/http1/body-decoder.ts";
import { DEFAULT_CHUNKED_LIMITS } from "../../src/http1/chunked-decoder.ts";
import { DEFAULT_HEAD_LIMITS, ScanOutcome } from "../../src/http1/head-limits.ts";
import { HeadScan } from "../../src/http1/head-scan.ts";
import { skipEmptyLines, toRequestHead } from "../../src/http1/request-rules.ts";
import { toResponseHead } from "../../src/http1/response-rules.ts";
import type { Field, Message, Reading } from "./reference-parser.ts";

/**
 * Reads messages with the product's codec as its connections do: pieces come in a slab that is overwritten after each,
 * heads are scanned until they are complete, bodies are taken out of their framing.
 */
export class MessageReader implements BodySink {
  readonly bodyPaused = false;
  readonly #kind: "request" | "response";
  readonly #scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  readonly #decoder = new BodyDecoder(this, DEFAULT_CHUNKED_LIMITS);
  readonly #messages: Message[] = [];
  #held: Buffer = Buffer.alloc(0);
  #start: readonly string[] = [];
  #fields: readonly Field[] = [];
  #body = "";
  #isInBody = false;
  #isRefused = false;

  constructor(kind: "request" | "response") {
    this.#kind = kind;
  }

  /** All of `bytes` in pieces of these sizes, and the end of the connection. */
  static read(kind: "request" | "response", bytes: Buffer, cuts: readonly number[], isEnd: boolean): Reading {
    const reader = new MessageReader(kind);
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (cut > from) reader.#push(bytes.subarray(from, cut));
      from = Math.max(from, cut);
    }
    return reader.#finish(isEnd);
  }

  #push(piece: Buffer): void {
    if (this.#isRefused) return;
    // Old bytes around the new ones, which would complete any message.
    const before = Buffer.from("GET / HTTP/1.1\r\n");
    const slab = Buffer.concat([before, this.#held, piece, Buffer.from("\r\n0\r\n\r\n\r\n")]);
    const end = before.length + this.#held.length + piece.length;
    const at = this.#process(slab, before.length, end);
    this.#held = Buffer.from(slab.subarray(at, end));
    slab.fill(0x30);
  }

  #process(bytes: Buffer, start: number, end: number): number {
    for (let at = start; ; ) {
      const stop = this.#isInBody ? this.#readBody(bytes, at, end) : this.#readHead(bytes, at, end);
      if (stop === null) return at;
      assert.ok(stop <= end, "a message ends behind its bytes");
      at = stop;
      if (at === end) return at;
    }
  }

  #readHead(bytes: Buffer, start: number, end: number): number | null {
    const scan = this.#scan;
    const isRequest = this.#kind === "request";
    const at = isRequest ? skipEmptyLines(bytes, start, end) : start;
    if (at === end) return end;
    if (isRequest && end - at === 1 && bytes[at] === 0x0d) return null;
    const outcome = isRequest ? scan.scanRequest(bytes, at, end) : scan.scanResponse(bytes, at, end);
    if (outcome === ScanOutcome.Incomplete) return null;
    if (outcome === ScanOutcome.Refused) return this.#refuse();
    const headEnd = scan.end;
    const body = isRequest ? this.#takeRequest() : this.#takeResponse();
    if (body === null) return this.#refuse();
    this.#isInBody = true;
    this.#body = "";
    if (body === "none" || body === 0) {
      this.#decoder.startNone();
      this.onBodyEnd(null);
    } else if (typeof body === "number") this.#decoder.startLength(body);
    else if (scan.chunked) this.#decoder.startChunked();
    else this.#decoder.startUntilClose();
    return headEnd;
  }

  #takeRequest(): number | "none" | "unknown" | null {
    const scan = this.#scan;
    const { bytes } = scan;
    const method = bytes.toString("latin1", scan.start, scan.methodEnd);
    const target = bytes.toString("latin1", scan.targetStart, scan.targetEnd);
    this.#start = [method, target, String(scan.minorVersion)];
    this.#fields = fieldsOf(scan);
    const head = toRequestHead(scan);
    return typeof head === "string" ? null : head.body;
  }

  #takeResponse(): number | "none" | "unknown" | null {
    const scan = this.#scan;
    const reason = scan.bytes.toString("latin1", scan.reasonStart, scan.reasonEnd);
    this.#start = [String(scan.minorVersion), String(scan.status), reason];
    this.#fields = fieldsOf(scan);
    const head = toResponseHead(scan, false);
    return typeof head === "string" ? null : head.body;
  }

  #readBody(bytes: Buffer, start: number, end: number): number | null {
    const at = this.#decoder.decode(bytes, start, end);
    if (at === BODY_REFUSED) return this.#refuse();
    assert.ok(at > start || !this.#isInBody, "no progress");
    return at;
  }

  #refuse(): null {
    this.#isRefused = true;
    return null;
  }

  onBodyChunk(bytes: Buffer, start: number, end: number): void {
    this.#body += bytes.toString("latin1", start, end);
  }

  onBodyEnd(trailers: HeadScan | null): void {
    this.#isInBody = false;
    const message = { start: this.#start, fields: this.#fields, body: this.#body };
    this.#messages.push({ ...message, trailers: trailers === null ? [] : fieldsOf(trailers) });
  }

  #finish(isEnd: boolean): Reading {
    const messages = this.#messages;
    if (this.#isRefused) return { messages, end: "refused" };
    if (this.#isInBody && isEnd && this.#decoder.endsWithConnection) this.#decoder.finish(null);
    const isClean = !this.#isInBody && this.#held.length === 0;
    return { messages, end: isClean ? "clean" : "unfinished" };
  }
}

function fieldsOf(scan: HeadScan): Field[] {
  return Array.from({ length: scan.count }, (_, i) => [nameAt(scan, i), valueAt(scan, i)]);
}
