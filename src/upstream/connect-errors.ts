import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { describeSocketError } from "../net/describe-socket-error.ts";

/** Why no connection came about, as an error that may be retried. */
export function connectError(error: Error | null, timedOut: boolean): ProxyError {
  if (error instanceof ProxyError) return error;
  const cause = error === null ? undefined : { cause: error };
  const systemCode = (error as NodeJS.ErrnoException | null)?.code;
  let code: ErrorCode = "UPSTREAM_CONNECT_FAILED";
  if (timedOut || systemCode === "ETIMEDOUT") code = "UPSTREAM_CONNECT_TIMEOUT";
  else if (systemCode === "ECONNREFUSED") code = "UPSTREAM_CONNECT_REFUSED";
  return new ProxyError(code, error?.message, cause);
}

/** OpenSSL's words stand behind its number, its library and its function. */
const OPENSSL = /^error:[^:]*:([^:]+) routines:[^:]*:(.+)$/;

/** What keeps an attempt from being made at all: settings that OpenSSL refuses, say. */
export function setupError(error: Error): ProxyError {
  const [, library, reason] = OPENSSL.exec(error.message) ?? [];
  const words =
    reason === undefined ? error.message : `the settings of TLS can't be used: ${library}, ${reason}`;
  return new ProxyError("UPSTREAM_CONNECT_FAILED", words, { cause: error });
}

/** What Node's and OpenSSL's errors of a handshake carry, each kind of them something else. */
interface HandshakeFacts {
  readonly code?: unknown;
  /** Of a certificate for another name: what it is for, and what it should be for. */
  readonly cert?: { readonly subjectaltname?: string; readonly subject?: { readonly CN?: unknown } };
  readonly host?: unknown;
}

/** Codes of OpenSSL for certificates whose time isn't now. */
const UNTIMELY: ReadonlySet<unknown> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CRL_HAS_EXPIRED",
  "CRL_NOT_YET_VALID",
]);

/** Codes of OpenSSL for certificates that nobody trusted vouches for, and who could be. */
const UNKNOWN: ReadonlyMap<unknown, string> = new Map([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "itself"],
  ["UNABLE_TO_GET_ISSUER_CERT", "whoever signed it"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "whoever signed it"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "whoever signed it"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "the last of its chain"],
]);

/** Codes for certificates that are no good for other reasons. */
const UNTRUSTED: ReadonlySet<unknown> = new Set([
  "UNABLE_TO_GET_CRL",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CERT_REJECTED",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
]);

/** Why a handshake with a server failed, with what to do about it where that is clear. */
export function handshakeError(error: Error): ProxyError {
  if (error instanceof ProxyError) return error;
  const { code } = error as HandshakeFacts;
  const cause = { cause: error };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return new ProxyError("UPSTREAM_CERTIFICATE_NAME", describeNames(error), cause);
  if (UNTIMELY.has(code)) return new ProxyError("UPSTREAM_CERTIFICATE_EXPIRED", error.message, cause);
  const signer = UNKNOWN.get(code);
  if (signer !== undefined || UNTRUSTED.has(code)) {
    const hint = signer === undefined ? "" : `: to trust it, give ${signer} as ca`;
    // Node's own hint is for those who start programs.
    const words = error.message.replace(/;.*/s, "");
    return new ProxyError("UPSTREAM_CERTIFICATE_UNTRUSTED", words + hint, cause);
  }
  if (String(code).endsWith("_NO_APPLICATION_PROTOCOL"))
    return new ProxyError("UPSTREAM_PROTOCOL", "it chose none of those offered by ALPN", cause);
  return new ProxyError("UPSTREAM_TLS_FAILED", describeAlert(error), cause);
}

/** Names of a certificate that are told of. */
const MOST_NAMES = 5;
const LONGEST_NAMES = 200;

function describeNames(error: Error): string {
  const { cert, host } = error as HandshakeFacts;
  const subject = typeof cert?.subject?.CN === "string" ? cert.subject.CN : "nobody";
  const all = cert?.subjectaltname?.split(", ") ?? [subject];
  const some = all
    .slice(0, MOST_NAMES)
    .map((name) => name.replace(/^(?:DNS|IP Address):/, ""))
    .join(", ")
    .slice(0, LONGEST_NAMES);
  const others = all.length > MOST_NAMES ? ` and ${all.length - MOST_NAMES} others` : "";
  return `it is for ${some}${others}, and not for ${host}: ask for the right name as sni, or allow another one besides`;
}

/** By the end of OpenSSL's code: what a server meant by its alert, or what it isn't. */
const ALERTS: readonly (readonly [end: RegExp, words: string])[] = [
  [
    /CERTIFICATE_REQUIRED$|ALERT_HANDSHAKE_FAILURE$/,
    "the server refused, perhaps for want of a client certificate",
  ],
  [/ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA)$/, "the server refused our certificate"],
  [/ALERT_PROTOCOL_VERSION$|UNSUPPORTED_PROTOCOL$/, "no version of TLS is common to both sides"],
  [/UNRECOGNIZED_NAME$/, "the server doesn't know the name it was asked for"],
  [
    /WRONG_VERSION_NUMBER$|PACKET_LENGTH_TOO_LONG$|HTTP_REQUEST$/,
    "what the server said is no TLS: it may speak plain text there",
  ],
];

function describeAlert(error: Error): string {
  const { code } = error as HandshakeFacts;
  const words = describeSocketError(error);
  const meaning = ALERTS.find(([end]) => end.test(String(code)))?.[1];
  return meaning === undefined ? words : `${meaning} (${words})`;
}
