import type { ProxyError } from "../base/errors.ts";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { Session } from "./session.ts";

/** A value, now or later. A phase that returns a plain value is never awaited. */
export type MaybePromise<T> = T | PromiseLike<T>;

/**
 * What a body filter makes of a chunk: nothing (it passes as it is), other bytes instead, null (it is dropped), or either
 * of them after a delay in milliseconds, which slows the whole transfer down by backpressure.
 */
export type FilteredBody = undefined | Uint8Array | string | null | DelayedBody;

export interface DelayedBody {
  readonly delay: number;
  /** Absent: the chunk as it is. */
  readonly body?: Uint8Array | string | null;
}

/**
 * Sees a body chunk by chunk. `chunk` is the filter's to keep or change. The last call has `endOfStream` true and
 * `chunk` null; what it returns goes out behind everything else.
 */
export type BodyFilter<C> = (
  session: Session<C>,
  chunk: Buffer | null,
  endOfStream: boolean,
) => MaybePromise<FilteredBody>;

/** What a filter sees of trailers: it may change them. */
export type Trailers = HttpHeaders;

/**
 * The phases of a session, in the order they run. Each is optional but `upstreamPeer`; one that is absent costs nothing,
 * one that returns no promise is not awaited; one whose type knows no promise must not return any. What a phase throws
 * ends the session with 500, unless it throws a `ProxyError` that says otherwise.
 *
 * @typeParam C the program's own context, one for each session
 */
export interface ProxyPhases<C = undefined> {
  /** Makes the session's context. Runs first, synchronously. Without it the context is undefined. */
  newContext?(session: Session<C>): C;

  /** Before everything else: to set what later phases go by. */
  earlyRequestFilter?(session: Session<C>): MaybePromise<void>;

  /**
   * Looks at the request, may change it, or answers it itself by `session.respond(…)`; then nothing goes upstream.
   * The place for access control, rate limits and redirects.
   */
  requestFilter?(session: Session<C>): MaybePromise<unknown>;

  /**
   * Whether the request goes upstream at all, asked after a cache had its chance. False without a response is a 502.
   */
  proxyUpstreamFilter?(session: Session<C>): MaybePromise<boolean | undefined>;

  /**
   * Chooses the server. Called again for every retry and hedge; `session.tries` tells which attempt this is. Also called
   * again, in the same attempt, when the server that was chosen turns out to have no room (`HttpPeer.watcher`).
   */
  upstreamPeer(session: Session<C>): MaybePromise<HttpPeer>;

  /** A connection to the server stands, a new one or a reused one (`session.upstreamReused`). */
  connectedToUpstream?(session: Session<C>, peer: HttpPeer): MaybePromise<void>;

  /**
   * No connection could be made. Nothing was sent, so that a retry is safe: `error.retry = "yes"` goes back to
   * `upstreamPeer`, as long as there are attempts left and the session's gate allows it. It is what the session's retry
   * policy says (`onConnectFailure`), unless it is changed here. Not called when a hedge goes on alone.
   */
  failToConnect?(session: Session<C>, peer: HttpPeer, error: ProxyError): void;

  /**
   * The request as it is about to go to the server, a copy to change; `session.request` stays what the client sent. Runs for
   * every attempt.
   */
  upstreamRequestFilter?(session: Session<C>, request: RequestHead): MaybePromise<void>;

  /** Each chunk of the request's body on its way to the server. A changed length needs `Content-Length` deleted. */
  requestBodyFilter?: BodyFilter<C>;

  /** The server's response head, before a cache would see it. Not of responses that the retry policy replaces. */
  upstreamResponseFilter?(session: Session<C>, response: ResponseHead): MaybePromise<void>;

  /** Each chunk of the response's body, before a cache would see it. */
  upstreamResponseBodyFilter?: BodyFilter<C>;

  /** The response's trailers, before a cache would see them. */
  upstreamResponseTrailerFilter?(session: Session<C>, trailers: Trailers): void;

  /** The response head as the client is about to get it. Also sees a 101, not other interim responses. */
  responseFilter?(session: Session<C>, response: ResponseHead): MaybePromise<void>;

  /** Each chunk of the response's body on its way to the client. A changed length needs `Content-Length` deleted. */
  responseBodyFilter?: BodyFilter<C>;

  /** The response's trailers on their way to the client. */
  responseTrailerFilter?(session: Session<C>, trailers: Trailers): void;

  /**
   * An established exchange with the server failed. With `error.retry = "yes"` it is tried again, if nothing was sent to
   * the client yet and the request can be repeated. It is what the session's retry policy says (`onReset`, `onTimeout`),
   * unless it is changed here. Without a policy only a reused connection that died before the first byte of a
   * response is replaced (`"reused"`). Not called when a hedge goes on alone.
   */
  errorWhileProxy?(session: Session<C>, peer: HttpPeer, error: ProxyError): void;

  /**
   * The request failed for good and nothing was sent: may answer with `session.respond(…)`. Without it, or when it
   * doesn't answer, the client gets `error.status` with a plain text body.
   */
  failToProxy?(session: Session<C>, error: ProxyError): MaybePromise<void>;

  /** The session is over, well or not: to write logs and count. Nothing can be changed any more. */
  logging?(session: Session<C>, error: ProxyError | null): MaybePromise<void>;

  /** A line about the request for error logs. Without it: method, host, path and client. */
  requestSummary?(session: Session<C>): string;

  /** True keeps an error out of the error log. */
  suppressErrorLog?(session: Session<C>, error: ProxyError): boolean;
}

/** Types a set of phases, with the context's type taken from `newContext`. */
export function defineProxy<C = undefined>(phases: ProxyPhases<C>): ProxyPhases<C> {
  return phases;
}
