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
  readonly body: Buffer | StreamedBody | null;
}

/** @throws RangeError, TypeError when the status or a header isn't allowed */
export function makeOwnResponse(init: ResponseInit, toHead: boolean): OwnResponse {
  if (init.status < 200) throw new RangeError(`A response can't be made with status ${init.status}`);
  const { status, reason, headers = [] } = init;
  const head = ResponseHead.from(reason === undefined ? { status, headers } : { status, reason, headers });
  head.headers.delete("transfer-encoding");
  head.headers.delete("content-length");
  if (isBodiless(status)) return { head, length: "none", body: null };
  const body = isStreamed(init.body) ? init.body : toBytes(init.body);
  if (!toHead) return { head, length: Buffer.isBuffer(body) ? body.length : "unknown", body };
  if (Buffer.isBuffer(body)) head.headers.set("Content-Length", String(body.length));
  return { head, length: "none", body: null };
}

export function sendOwnResponse<C>(exchange: Exchange<C>, response: OwnResponse, keepAlive: boolean): void {
  const { head, length, body } = response;
  const { downstream } = exchange;
  downstream.sendHead(head, length, keepAlive);
  if (body !== null && !Buffer.isBuffer(body)) {
    void stream(exchange, body);
    return;
  }
  if (body !== null) downstream.sendBody(body, 0, body.length);
  exchange.endResponse(null);
}

/** Sends pieces as they come, no faster than the client takes them. */
async function stream<C>(exchange: Exchange<C>, body: StreamedBody): Promise<void> {
  try {
    for await (const piece of body) {
      if (exchange.isDone) return;
      const bytes = toBytes(piece);
      exchange.downstream.sendBody(bytes, 0, bytes.length);
      await exchange.whenDrained();
    }
    exchange.endResponse(null);
  } catch (thrown) {
    exchange.fail(toProxyError(thrown));
  }
}

function isStreamed(body: ResponseInit["body"]): body is StreamedBody {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function toBytes(body: string | Uint8Array | null | undefined): Buffer {
  if (body === null || body === undefined) return Buffer.alloc(0);
  return typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
