import { toProxyError } from "../base/errors.ts";
import { type BodyLength, ResponseHead } from "../http/heads.ts";
import { isBodiless } from "../http/status.ts";
import type { Exchange } from "./exchange.ts";
import type { ResponseInit } from "./session.ts";

type StreamedBody = AsyncIterable<string | Uint8Array>;

/** A response made here, checked and framed. */
export interface OwnResponse {
  readonly head: ResponseHead;
  readonly length: BodyLength;
  readonly body: Buffer | StreamedBody;
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

/** Sends it as the answer to `exchange`'s request, or only its head if that is what was asked for. */
export function sendOwnResponse<C>(
  exchange: Exchange<C>,
  response: OwnResponse,
  headOnly: boolean,
  keepAlive: boolean,
): void {
  const { head, length, body } = response;
  const { downstream } = exchange;
  downstream.sendHead(head, length, keepAlive);
  if (Buffer.isBuffer(body)) {
    if (!headOnly && length !== "none") downstream.sendBody(body, 0, body.length);
    exchange.endResponse(null);
  } else if (headOnly || length === "none") {
    exchange.endResponse(null);
    void discard(body);
  } else void stream(exchange, body);
}

/** Sends pieces as they come, no faster than the client takes them. */
async function stream<C>(exchange: Exchange<C>, body: StreamedBody): Promise<void> {
  try {
    for await (const piece of body) {
      if (exchange.isDone) return;
      const bytes = toBytes(piece);
      exchange.downstream.sendBody(bytes, 0, bytes.length);
      await exchange.whenDrained();
      if (exchange.isDone) return;
    }
    exchange.endResponse(null);
  } catch (thrown) {
    exchange.fail(toProxyError(thrown));
  }
}

/** Tells the source of a body that nobody wants it: it may hold a file or a connection open. */
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
