import type { ErrorCode, ProxyError } from "../../base/errors.ts";
import { isGrpcType } from "../../http/grpc/grpc-content.ts";
import { encodeGrpcMessage } from "../../http/grpc/grpc-message.ts";
import { GrpcStatus, toGrpcStatus } from "../../http/grpc/grpc-status.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import { reasonPhrase } from "../../http/status.ts";
import { Http2Error, Http2StreamReset } from "../../http2/error-codes.ts";
import { discardBody } from "../own-response.ts";
import type { ResponseInit } from "../session.ts";

/** Of an own answer's body what becomes the message: a line, not a page. */
const MOST_TEXT = 512;

const GRPC_TYPE = ["content-type", "application/grpc"] as const;

/** What gRPC says of a stream that was reset with such a code; others are INTERNAL. */
const BY_RESET: ReadonlyMap<number, GrpcStatus> = new Map([
  [Http2Error.RefusedStream, GrpcStatus.Unavailable],
  [Http2Error.Cancel, GrpcStatus.Cancelled],
  [Http2Error.EnhanceYourCalm, GrpcStatus.ResourceExhausted],
  [Http2Error.InadequateSecurity, GrpcStatus.PermissionDenied],
]);

/** Servers that answer nothing at all, or nothing any more: whoever watches something by a stream is to begin anew. */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "UPSTREAM_CONNECT_TIMEOUT",
  "UPSTREAM_READ_TIMEOUT",
]);

/** How a call ends that failed here or behind us. */
function statusOf(error: ProxyError): GrpcStatus {
  if (GONE.has(error.code)) return GrpcStatus.Unavailable;
  if (error.cause instanceof Http2StreamReset) return BY_RESET.get(error.cause.code) ?? GrpcStatus.Internal;
  return toGrpcStatus(error.status);
}

/** What clients are told of a failure: no more than those that speak plain HTTP. */
function messageOf(error: ProxyError): string {
  if (error.code === "DEADLINE_EXCEEDED") return "Deadline exceeded";
  return textOf(error.status);
}

function textOf(status: number): string {
  return `HTTP ${status} ${reasonPhrase(status)}`.trimEnd();
}

/** The end of a call whose response was begun. */
export function failureTrailers(error: ProxyError): HttpHeaders {
  return HttpHeaders.from(statusFields(statusOf(error), messageOf(error)));
}

/** The answer to a call that failed before there was a response: a head that is trailers at the same time. */
export function failureAnswer(error: ProxyError): ResponseInit {
  return answerWith(statusOf(error), messageOf(error), []);
}

/**
 * What a filter answers to a call in plain HTTP, as a status of gRPC with the same fields; one that has a `grpc-status` knows it
 * better. An answer that is none of an error, or speaks gRPC itself, stays as it is.
 */
export function toCallAnswer(init: ResponseInit): ResponseInit {
  const { status, body = null } = init;
  if (status < 400) return init;
  const headers = [...HttpHeaders.from(init.headers ?? [])];
  const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? null;
  if (type !== null && isGrpcType(type)) return init;
  discardBody(body);
  const kept = headers.filter(([name]) => !/^content-(?:type|length|encoding)$/i.test(name));
  if (kept.some(([name]) => name.toLowerCase() === "grpc-status"))
    return { status: 200, headers: [GRPC_TYPE, ...kept] };
  const isText = type === null || /^text\/plain\b/i.test(type);
  return answerWith(toGrpcStatus(status), (isText && lineOf(body)) || textOf(status), kept);
}

/** A short text of one line; "" for anything else. */
function lineOf(body: ResponseInit["body"]): string {
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  if (!isWhole || body.length > MOST_TEXT) return "";
  const text = (typeof body === "string" ? body : Buffer.from(body).toString()).trim();
  return text.includes("\n") ? "" : text;
}

type Fields = readonly (readonly [name: string, value: string])[];

function answerWith(status: GrpcStatus, message: string, fields: Fields): ResponseInit {
  return {
    status: 200,
    headers: [GRPC_TYPE, ...statusFields(status, message), ...fields],
  };
}

function statusFields(status: GrpcStatus, message: string): Fields {
  return [
    ["grpc-status", String(status)],
    ["grpc-message", encodeGrpcMessage(message)],
  ];
}
