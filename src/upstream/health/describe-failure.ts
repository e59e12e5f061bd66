import { describeThrown, ProxyError } from "../../base/errors.ts";

/** Characters; what servers may have a say in isn't longer than a line. */
const LONGEST = 120;

/** What steers terminals, turns the direction of text or breaks lines. */
const UNPRINTABLE = /[\s\p{C}\p{Zl}\p{Zp}]+/gu;

/**
 * What went wrong, as a short line for people: `connect ECONNREFUSED`, `closed by the server`, `self-signed certificate`.
 * Part of it may be the server's words, so nothing but printable characters is left.
 */
export function describeFailure(failure: unknown): string {
  const line = inWords(failure).replace(UNPRINTABLE, " ").trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}

/** What Node's errors carry, each kind of them something else. */
interface FailureFacts {
  readonly code?: unknown;
  readonly syscall?: unknown;
}

function inWords(failure: unknown): string {
  if (!(failure instanceof Error)) return describeThrown(failure);
  // What is behind it is shorter, and says the same.
  if (failure instanceof ProxyError) return inWords(failure.cause ?? failure.message);
  // A name with several addresses, none of which took the connection: the error itself has no words.
  if (failure instanceof AggregateError && failure.errors.length > 0) return inWords(failure.errors[0]);
  const { code, syscall } = failure as Error & FailureFacts;
  if (typeof code !== "string") return describeThrown(failure);
  // OpenSSL's message names its own functions and source files; some of its errors come as those of a system call.
  const tlsReason = /:SSL routines:[^:]*:([^:]+)/.exec(failure.message)?.[1];
  if (tlsReason !== undefined) return `TLS: ${tlsReason}`;
  if (typeof syscall === "string") return `${syscall} ${code}`;
  // Without a system call it was Node that saw the end come too early; its words for that differ by module.
  if (code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE") return "closed by the server";
  if (code.startsWith("HPE_")) return failure.message.replace("Parse Error: ", "no HTTP: ");
  if (code.startsWith("ERR_HTTP2_")) return `HTTP/2: ${failure.message}`;
  return failure.message === "" ? code : failure.message;
}
