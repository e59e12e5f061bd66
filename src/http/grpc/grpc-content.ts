import { toFieldName } from "../field-names.ts";
import type { RequestHead, ResponseHead } from "../heads.ts";
import { peekField } from "../peek-field.ts";

const CONTENT_TYPE = toFieldName("content-type");

/** `application/grpc`, with what its messages are made of (`+proto`) and with parameters. Not gRPC-Web. */
const GRPC = /^application\/grpc(?:[+;]|[ \t]*(?:;|$))/i;

/** Whether it is a message of a gRPC call. */
export function isGrpc(head: RequestHead | ResponseHead): boolean {
  const type = peekField(head, CONTENT_TYPE);
  return type !== null && isGrpcType(type);
}

export function isGrpcType(contentType: string): boolean {
  return GRPC.test(contentType);
}

/** A content type of gRPC-Web, taken apart. */
export interface WebContent {
  /** Base64 text. */
  readonly isText: boolean;
  /** What the messages are made of and parameters, as it stands: `+proto`; "" for nothing. */
  readonly rest: string;
}

/** @returns null when it is no gRPC-Web */
export function parseWebContent(contentType: string): WebContent | null {
  const match = /^application\/grpc-web(-text)?((?:\+[!-:<-~]+)?[ \t]*(?:;.*)?)$/i.exec(contentType);
  return match === null ? null : { isText: match[1] !== undefined, rest: match[2]!.trimEnd() };
}

/** What the client of gRPC-Web wants for an answer: what it accepts, or else what it sends. */
export function wantsText(accept: string | null, isTextSent: boolean): boolean {
  if (accept === null) return isTextSent;
  if (/application\/grpc-web-text/i.test(accept)) return true;
  return /application\/grpc-web/i.test(accept) ? false : isTextSent;
}
