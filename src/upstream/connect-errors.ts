import { type ErrorCode, ProxyError } from "../base/errors.ts";

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

/** What Node's and OpenSSL's errors of a handshake carry, each kind of them something else. */
interface HandshakeFacts {
  readonly code?: unknown;
  /** OpenSSL's words without its functions and source files. */
  readonly reason?: unknown;
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

const SELF_SIGNED: ReadonlySet<unknown> = new Set(["DEPTH_ZERO_SELF_SIGNED_CERT"]);

/** Codes of OpenSSL for certificates that nobody trusted vouches for. */
const UNTRUSTED: ReadonlySet<unknown> = new Set([
  ...SELF_SIGNED,
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_CRL",
  "SELF_SIGNED_CERT_IN_CHAIN",
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
  if (UNTRUSTED.has(code)) {
    const whom = SELF_SIGNED.has(code) ? "itself" : "whoever signed it";
    return new ProxyError(
      "UPSTREAM_CERTIFICATE_UNTRUSTED",
      `${error.message}: to trust it, give ${whom} as ca`,
      cause,
    );
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
  const { code, reason } = error as HandshakeFacts;
  const words = typeof reason === "string" ? reason : error.message.trim();
  const meaning = ALERTS.find(([end]) => end.test(String(code)))?.[1];
  return meaning === undefined ? words : `${meaning} (${words})`;
}
