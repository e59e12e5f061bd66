import { fieldBit } from "../http/field-bits.ts";
import { FieldId } from "../http/field-names.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { asksForWebSocket, webSocketAccept } from "../http/websocket.ts";
import type { FieldBlock } from "./hpack/field-block.ts";
import { Pseudo } from "./hpack/field-kinds.ts";
import type { HeaderEncoder } from "./hpack/header-encoder.ts";
import { BlockResponse, guardedOf } from "./received-block.ts";

/**
 * What a request asks for that wants a byte stream instead of a response: a WebSocket, which is an extended CONNECT (RFC
 * 8441), or the plain CONNECT of RFC 9113 §8.5.
 */
export type TunnelKind = "websocket" | "connect";

const LEFT_OUT = fieldBit(FieldId.Host) | fieldBit(FieldId.ContentLength);
const CONTENT_LENGTH = fieldBit(FieldId.ContentLength);
const KEY = "sec-websocket-key";

/**
 * Null for a request that has a response. Upgrades to other protocols don't exist in HTTP/2, and aren't asked for; nor is a
 * WebSocket by a request that can't open one (RFC 6455 §4.1): a body of its own would have no stream to go to.
 */
export function tunnelOf(
  head: RequestHead,
  body: BodyLength,
  { upgrade }: RequestAdditions,
): TunnelKind | null {
  if (head.method === "CONNECT") return "connect";
  const mayOpen = head.method === "GET" && (body === "none" || body === 0);
  return mayOpen && asksForWebSocket(upgrade) ? "websocket" : null;
}

/** Encodes the request for a tunnel. The key of an upgrade is left out: there is nothing that it would have to prove here. */
export function encodeTunnel(
  encoder: HeaderEncoder,
  scheme: "http" | "https",
  head: RequestHead,
  kind: TunnelKind,
  additions: RequestAdditions,
): void {
  const table = head.source.table();
  encoder.pseudo(Pseudo.Method, "CONNECT");
  if (kind === "connect") encoder.pseudo(Pseudo.Authority, head.target);
  else {
    encoder.pseudo(Pseudo.Protocol, "websocket");
    encoder.pseudo(Pseudo.Scheme, scheme);
    encoder.hostAsAuthority(table, head.touchedHeaders);
    encoder.pseudo(Pseudo.Path, head.target);
  }
  const copy = head.fork();
  copy.headers.delete(KEY);
  encoder.fields(table, copy.headers, LEFT_OUT | additions.dropped, guardedOf(head.source));
  encoder.lines(additions.lines);
}

/** What a 101 has to answer to the key of this request; null when it has none. */
export function acceptFor(head: RequestHead): string | null {
  const key = head.headers.get(KEY);
  return key === null ? null : webSocketAccept(key);
}

/** The good answer to a request for a tunnel, as HTTP/1 gives it; what it says of a length means nothing (RFC 9110 §9.3.6). */
export function toTunnelHead(block: FieldBlock, kind: TunnelKind, accept: string | null): ResponseHead {
  const status = kind === "websocket" ? 101 : block.status;
  const head = new ResponseHead(new BlockResponse(block, status), status, "none");
  head.present = block.present;
  if ((block.present & CONTENT_LENGTH) !== 0) head.headers.delete("content-length");
  if (kind === "connect") return head;
  head.headers.set("upgrade", "websocket");
  if (accept !== null) head.headers.set("sec-websocket-accept", accept);
  return head;
}
