import { randomBytes } from "node:crypto";
import { latin1 } from "../base/latin1.ts";
import { FieldId } from "../http/field-names.ts";
import { FIELD_STRIDE, idAt, VALUE_END, VALUE_START } from "../http/field-table.ts";
import { type BodyLength, RequestHead } from "../http/heads.ts";
import type { FieldBlock, FieldProblem } from "./hpack/field-block.ts";
import { Pseudo } from "./hpack/field-kinds.ts";
import { BlockRequest } from "./received-block.ts";

/** Why a request that is well-formed is answered here, with the status of the answer. */
export const REQUEST_PROBLEMS = {
  BAD_TARGET: 400,
  BAD_EXPECT: 417,
  BODY_IN_CONNECT: 400,
  BODY_TOO_LARGE: 413,
  REQUEST_LINE_TOO_LONG: 414,
  HEAD_TOO_LARGE: 431,
  TOO_MANY_FIELDS: 431,
  UNSUPPORTED_PROTOCOL: 501,
} as const;

export type RequestProblem = keyof typeof REQUEST_PROBLEMS;

/** Blocks over a limit are answered; malformed ones end their stream (RFC 9113 §8.1.1). */
export function isOverLimit(problem: FieldProblem): problem is "HEAD_TOO_LARGE" | "TOO_MANY_FIELDS" {
  return problem === "HEAD_TOO_LARGE" || problem === "TOO_MANY_FIELDS";
}

/** A request head from a block that was decoded without a problem; what is wrong with the whole of it otherwise. */
export function toRequestHead(
  block: FieldBlock,
  isEnd: boolean,
  lineLimit: number,
): RequestHead | RequestProblem {
  if (sizeOf(block, Pseudo.Method) + sizeOf(block, Pseudo.Path) > lineLimit) return "REQUEST_LINE_TOO_LONG";
  const isTunnel = isTunnelled(block);
  const head = new RequestHead(new BlockRequest(block), isTunnel ? "none" : bodyLength(block, isEnd));
  head.protocol = "HTTP/2";
  head.present = block.present;
  head.host = hostOf(block);
  if (isTunnel) return noteTunnel(block, head);
  return (block.present & EXPECT) === 0 ? head : noteExpectation(head);
}

const EXPECT = 1 << FieldId.Expect;
const PATH = 1 << Pseudo.Path;
const PROTOCOL = 1 << Pseudo.Protocol;

/** What follows a CONNECT, plain (without a path) or extended, is the tunnel's, and no body. */
function isTunnelled({ pseudo }: FieldBlock): boolean {
  return (pseudo & PATH) === 0 || (pseudo & PROTOCOL) !== 0;
}

function sizeOf(block: FieldBlock, pseudo: Pseudo): number {
  return (block.pseudo & (1 << pseudo)) === 0 ? 0 : block.pseudoEnd(pseudo) - block.pseudoStart(pseudo);
}

function bodyLength(block: FieldBlock, isEnd: boolean): BodyLength {
  if (isEnd) return "none";
  return block.contentLength < 0 ? "unknown" : block.contentLength;
}

function noteExpectation(head: RequestHead): RequestHead | RequestProblem {
  if (head.headers.get("expect")?.toLowerCase() !== "100-continue") return "BAD_EXPECT";
  head.expectsContinue = true;
  return head;
}

/** Without a body no length: it would go on to an HTTP/1 server, which takes the next request for what is missing. */
function noteTunnel(block: FieldBlock, head: RequestHead): RequestHead | RequestProblem {
  if (block.contentLength > 0) return "BODY_IN_CONNECT";
  if ((block.pseudo & PROTOCOL) === 0) return /:\d{1,5}$/.test(head.host) ? head : "BAD_TARGET";
  return block.pseudoText(Pseudo.Protocol).toLowerCase() === "websocket"
    ? toUpgrade(head)
    : "UNSUPPORTED_PROTOCOL";
}

/** The request for a WebSocket (RFC 8441 §5) as it is in HTTP/1, where it has a key besides. */
function toUpgrade(head: RequestHead): RequestHead {
  head.method = "GET";
  head.upgrade = "websocket";
  head.headers.set("upgrade", "websocket");
  head.headers.set("sec-websocket-key", randomBytes(16).toString("base64"));
  return head;
}

/** The last host: clients of one site send one, so mostly a comparison of bytes gives the string. */
let lastHost = "";
let lastHostBytes: Buffer = Buffer.alloc(0);

/** There is one (RFC 9113 §8.3.1), and it was checked when it was decoded. It mostly is the first field. */
function hostOf(block: FieldBlock): string {
  let index = 0;
  while (idAt(block, index) !== FieldId.Host) index++;
  const at = index * FIELD_STRIDE;
  const start = block.offsets[at + VALUE_START]!;
  const end = block.offsets[at + VALUE_END]!;
  if (!isLastHost(block.bytes, start, end)) {
    lastHostBytes = Buffer.from(block.bytes.subarray(start, end));
    lastHost = latin1(block.bytes, start, end);
  }
  return lastHost;
}

function isLastHost(bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== lastHostBytes.length) return false;
  for (let i = 0; i < lastHostBytes.length; i++) if (bytes[start + i] !== lastHostBytes[i]) return false;
  return true;
}
