import { type ProxyError, toProxyError } from "../base/errors.ts";
import { type BodyLength, ResponseHead } from "../http/heads.ts";
import { isBodiless } from "../http/status.ts";
import type { ResponseInit } from "./session.ts";

type StreamedBody = AsyncIterable<string | Uint8Array>;

/** A response made here, checked and framed. */
export interface OwnResponse {
  readonly head: ResponseHead;
  readonly length: BodyLength;
  readonly body: Buffer | StreamedBody;
}

/** Bytes that are sent without waiting for the client. */
const LARGE_BODY = 64 * 1024;

/** Whose answer it is. */
export interface Answerer {
  readonly isDone: boolean;
  whenDrained(): Promise<void>;
  sendHead(head: ResponseHead, length: BodyLength): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  endBody(trailers: null): void;
  fail(error: ProxyError): void;
}

/** What a 405 has to tell (RFC 9110 §15.5.6): methods that are always passed on. What a server makes of them is its own. */
const ALLOWED = { Allow: "GET, HEAD, POST, PUT, PATCH, DELETE" } as const;

/** What a client is told of a session that failed where nobody has something better to say. */
export function errorAnswer(error: ProxyError): ResponseInit {
  const status = error.status >= 200 && error.status <= 999 ? Math.floor(error.status) : 500;
  const reason = ResponseHead.from({ status }).reason;
  const allow = status === 405 ? ALLOWED : {};
  const headers = { "Content-Type": "text/plain; charset=utf-8", ...allow };
  return { status, headers, body: `HTTP ${status} ${reason}\n` };
}

/** @throws RangeError, TypeError when the status or a header isn't allowed */
export function makeOwnResponse(init: ResponseInit): OwnResponse {
  const { status, reason, headers = [] } = init;
  if (!(status >= 200)) throw new RangeError(`A response can't be made with status ${status}`);
  const head = ResponseHead.from(reason === undefined ? { status, headers } : { status, reason, headers });
  head.headers.delete("transfer-encoding");
  head.headers.delete("content-length");
  const body = isStreamed(init.body) ? init.body : toBytes(init.body);
  if (isBodiless(status)) return { head, length: "none", body };
  return { head, length: Buffer.isBuffer(body) ? body.length : "unknown", body };
}

/** Sends it, or only its head if that is what was asked for. */
export function sendOwnResponse(answerer: Answerer, response: OwnResponse, headOnly: boolean): void {
  const { head, length, body } = response;
  answerer.sendHead(head, length);
  if (Buffer.isBuffer(body)) sendWhole(answerer, body, headOnly || length === "none");
  else if (headOnly || length === "none") {
    answerer.endBody(null);
    void discard(body);
  } else void stream(answerer, body);
}

/** A large body is sent in pieces: of what a client doesn't take yet a copy may be kept, for each of its streams. */
function sendWhole(answerer: Answerer, body: Buffer, isLeftOut: boolean): void {
  if (!isLeftOut && body.length > LARGE_BODY) {
    void stream(answerer, piecesOf(body));
    return;
  }
  if (!isLeftOut) answerer.sendBody(body, 0, body.length);
  answerer.endBody(null);
}

async function* piecesOf(body: Buffer): StreamedBody {
  for (let at = 0; at < body.length; at += LARGE_BODY) yield body.subarray(at, at + LARGE_BODY);
}

/** Sends pieces as they come, no faster than the client takes them. */
async function stream(answerer: Answerer, body: StreamedBody): Promise<void> {
  try {
    for await (const piece of body) {
      if (answerer.isDone) return;
      const bytes = toBytes(piece);
      answerer.sendBody(bytes, 0, bytes.length);
      await answerer.whenDrained();
      if (answerer.isDone) return;
    }
    answerer.endBody(null);
  } catch (thrown) {
    answerer.fail(toProxyError(thrown));
  }
}

/** Tells the source of a body that nobody wants it, if it has one. */
export function discardBody(body: ResponseInit["body"]): void {
  if (isStreamed(body)) void discard(body);
}

/** It may hold a file or a connection open. */
async function discard(body: StreamedBody): Promise<void> {
  try {
    for await (const _ of body) return;
  } catch {
    // Nobody waits for it.
  }
}

function isStreamed(body: ResponseInit["body"]): body is StreamedBody {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** Bytes of text or of a view; a view isn't copied. @throws TypeError for anything else */
export function toBytes(body: string | Uint8Array | null | undefined): Buffer {
  if (body === null || body === undefined) return Buffer.alloc(0);
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  throw new TypeError("A body is text, bytes or an async iterable of them");
}
