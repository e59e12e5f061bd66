/** Which side of the proxy an error comes from; it decides the status a client gets and whom to look at. */
export type ErrorSource = "downstream" | "upstream" | "internal";

/**
 * `reused`: safe only when the connection had been used before, for then the server may have closed it in between.
 * `untouched`: the server said that it did nothing with the request; safe with any method, and nothing that speaks against it.
 */
export type RetryRule = "yes" | "no" | "reused" | "untouched";

type ErrorKind = readonly [
  source: ErrorSource,
  /** Status of the answer when none was sent yet; 0: nobody is left to answer. */
  status: number,
  retry: RetryRule,
  message: string,
];

/**
 * Every error of the data plane, by its stable code. Clients see the status only; code, message and cause go to logs
 * and filters.
 */
const ERROR_KINDS = {
  DOWNSTREAM_BAD_REQUEST: ["downstream", 400, "no", "The client's request breaks HTTP's rules"],
  DOWNSTREAM_BAD_BODY: ["downstream", 400, "no", "The framing of the client's request body is malformed"],
  DOWNSTREAM_BODY_TOO_LARGE: ["downstream", 413, "no", "The client's request body is over the limit"],
  DOWNSTREAM_BODY_TIMEOUT: ["downstream", 408, "no", "The client sent its request body too slowly"],
  DOWNSTREAM_WRITE_TIMEOUT: ["downstream", 0, "no", "The client took its response too slowly"],
  DOWNSTREAM_CLOSED: [
    "downstream",
    0,
    "no",
    "The client closed its connection before the response was complete",
  ],
  DOWNSTREAM_METHOD_REFUSED: ["downstream", 405, "no", "This method is not enabled here"],
  DOWNSTREAM_LOOP: ["downstream", 508, "no", "The request went through this proxy before"],
  DEADLINE_EXCEEDED: ["downstream", 504, "no", "The time that the client gave its call is over"],
  REQUEST_TIMEOUT: ["internal", 504, "no", "The request took longer than it may as a whole"],
  NO_ROUTE: ["downstream", 404, "no", "No route takes this request"],
  NO_PEER: ["internal", 503, "no", "No server of the upstream group may be chosen"],
  NO_HEALTHY_SERVER: ["internal", 502, "no", "None of the upstream group's servers is well"],
  UPSTREAM_OVERLOADED: ["internal", 503, "no", "The upstream group has as much under way as it may"],
  NOT_PROXIED: ["internal", 502, "no", "A filter stopped the request without answering it"],
  UPSTREAM_CONNECT_REFUSED: ["upstream", 502, "no", "The server refused the connection"],
  UPSTREAM_CONNECT_TIMEOUT: ["upstream", 504, "no", "The server did not accept a connection in time"],
  UPSTREAM_CONNECT_FAILED: ["upstream", 502, "no", "No connection to the server could be made"],
  UPSTREAM_PROXY_REFUSED: ["upstream", 502, "no", "The proxy before the server did not connect to it"],
  UPSTREAM_TLS_FAILED: ["upstream", 502, "no", "The TLS handshake with the server failed"],
  UPSTREAM_CERTIFICATE_UNTRUSTED: [
    "upstream",
    502,
    "no",
    "The server's certificate was not signed by anybody who is trusted",
  ],
  UPSTREAM_CERTIFICATE_NAME: ["upstream", 502, "no", "The server's certificate is for another name"],
  UPSTREAM_CERTIFICATE_EXPIRED: [
    "upstream",
    502,
    "no",
    "The server's certificate has expired or is not valid yet",
  ],
  UPSTREAM_PROTOCOL: ["upstream", 502, "no", "The server does not speak the protocol that it is asked for"],
  UPSTREAM_CLOSED: [
    "upstream",
    502,
    "reused",
    "The server closed the connection before the response was complete",
  ],
  UPSTREAM_RESET: ["upstream", 502, "reused", "The server reset the connection"],
  UPSTREAM_REFUSED: ["upstream", 503, "untouched", "The server did not take the request"],
  UPSTREAM_NO_WEBSOCKET: ["internal", 502, "no", "The server speaks HTTP/2 without WebSockets (RFC 8441)"],
  UPSTREAM_HEAD_LIMIT: ["internal", 431, "no", "The request's fields are more than the server takes"],
  UPSTREAM_BAD_RESPONSE: ["upstream", 502, "no", "The server's response breaks HTTP's rules"],
  UPSTREAM_FLOOD: ["upstream", 502, "no", "The server did too much of what is allowed"],
  UPSTREAM_FIRST_BYTE_TIMEOUT: ["upstream", 504, "no", "The server did not start its response in time"],
  UPSTREAM_READ_TIMEOUT: ["upstream", 504, "no", "The server stopped in the middle of its response"],
  UPSTREAM_WRITE_TIMEOUT: ["upstream", 504, "no", "The server took the request too slowly"],
  BODY_LENGTH_MISMATCH: [
    "internal",
    500,
    "no",
    "A filter's body does not have the length that the head declares",
  ],
  FILTER_FAILED: ["internal", 500, "no", "A filter threw an error"],
  PLUGIN_FAILED: ["internal", 502, "no", "A plugin misbehaved"],
  PLUGIN_CLOSED: ["internal", 0, "no", "A plugin had the connection closed"],
  FAULT_INJECTED: ["downstream", 0, "no", "A fault that was asked for broke the response off"],
} as const;

export type ErrorCode = keyof typeof ERROR_KINDS;

/** An error as data: what happened, on which side, what a client gets and whether trying again is safe. */
export class ProxyError extends Error {
  readonly code: ErrorCode;
  readonly source: ErrorSource;
  /** Status of the answer, 0 when nobody is left to answer. */
  status: number;
  /** Whether trying another connection or server is safe; a phase that knows better may change it. */
  retry: RetryRule;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    const [source, status, retry, message]: ErrorKind = ERROR_KINDS[code];
    super(detail === undefined ? message : `${message}: ${detail}`, options);
    this.name = "ProxyError";
    this.code = code;
    this.source = source;
    this.status = status;
    this.retry = retry;
  }

  /** The same for somebody else: phases of one session may change theirs. */
  copy(): ProxyError {
    const copy = new ProxyError(this.code, undefined, { cause: this });
    copy.message = this.message;
    return copy;
  }
}

/** Wraps what a filter threw; a `ProxyError` stays what it is. */
export function toProxyError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  return new ProxyError("FILTER_FAILED", describeThrown(thrown), { cause: thrown });
}

/** What was thrown, in words. Anything can be thrown, also what can't be made a text of. */
export function describeThrown(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return `an ${typeof thrown} without words`;
  }
}

/**
 * What a synchronous function of a program returned.
 * @throws TypeError when that is a promise, which nobody would wait for; its own failure is then nobody's
 */
export function notPromised<T>(value: T, what: string): T {
  if (!isThenable(value)) return value;
  Promise.resolve(value).catch(() => undefined);
  throw new TypeError(`${what} returned a promise, but is synchronous`);
}

/** True for promises and whatever else has a `then`. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<T>).then === "function";
}
