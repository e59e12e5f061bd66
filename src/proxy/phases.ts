import type { ProxyError } from "../base/errors.ts";
import type { StoredAs } from "../cache/rules/verdict.ts";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { CacheUse } from "./caching/cache-use.ts";
import type { StoredResponse } from "./caching/stored-response.ts";
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

/**
 * What becomes of what a cache has for a request: `expired`, the server is asked first whether it still holds; `miss`, it is fetched
 * anew as if it weren't there; `pass`, the request goes past the cache. Nothing: what HTTP says.
 */
export type CacheHitVerdict = "expired" | "miss" | "pass" | undefined;

/**
 * Whether a response is stored, and how: nothing or true, as HTTP says; false, or why in a word, not at all; or what is said of it
 * in place of what it says itself.
 */
export type CacheVerdict = boolean | string | StoredAs | undefined;

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
   * Turns a cache on for the request: `memoryCache`, `storeCache`, or either by other rules (`ResponseCache.use`). Nothing or null: it
   * goes past all caches. Runs for every request that nobody has answered yet, whatever its method.
   */
  requestCacheFilter?(session: Session<C>): MaybePromise<CacheUse | null | undefined>;

  /**
   * Whether the request is one to purge what the cache has for its URL, in all variants: then it is answered here by 200, when it was
   * there, by 404 when it wasn't, by 405 when no cache is on for it, and by 500 when the store failed. **Whoever may send it may empty
   * the cache**: look at the client as well as at the method. Without it: none is.
   */
  isPurge?(session: Session<C>): MaybePromise<boolean>;

  /** Such a request is about to be answered with that status: may answer by `session.respond(…)` instead. */
  purgeResponseFilter?(session: Session<C>, status: number): MaybePromise<void>;

  /**
   * The key that the request's response is stored under: `key` is what the rules make of it. What it adds belongs behind a line break, so
   * that purges by URL and prefix find it; what clients choose mustn't have line breaks. Only for requests that can be answered from a
   * cache, and for those to purge. Nothing: the key as it is.
   */
  cacheKey?(session: Session<C>, key: string): MaybePromise<string | undefined>;

  /**
   * Something is stored for the request. Also runs when it was just stored by another session that this one has waited for; `miss`
   * and `expired` mean nothing then, for it came from the server after this request. Without it: it is served if HTTP allows that.
   */
  cacheHitFilter?(session: Session<C>, stored: StoredResponse): MaybePromise<CacheHitVerdict>;

  /** Nothing is stored for the request, and it is about to be fetched, or waited for. Once for each session. */
  cacheMiss?(session: Session<C>): MaybePromise<void>;

  /**
   * Whether what is stale, and may be served so by its own account or the rules', is served. Synchronous.
   * @param problem of the server: an error, or the status that it answered with; null: none, and it is fetched anew meanwhile
   */
  shouldServeStale?(session: Session<C>, problem: ProxyError | number | null): boolean;

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

  /**
   * Whether and how a response is stored, for the session that fetches it. Of a 304 it sees what is stored with what the 304 has
   * changed. The head isn't to be changed here, but in `upstreamResponseFilter`. Without it: as HTTP says.
   */
  responseCacheFilter?(session: Session<C>, response: ResponseHead): MaybePromise<CacheVerdict>;

  /**
   * Tells responses under one key apart beside `Vary`: those of requests that get the same text are one. Runs before the cache is looked
   * in, with null, and when a response is about to be stored, with that. It has to say the same both times, or, of a response that isn't
   * to be told apart, nothing. Without it: they aren't.
   */
  cacheVaryFilter?(
    session: Session<C>,
    response: ResponseHead | null,
  ): MaybePromise<string | null | undefined>;

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

/** The phases that have to do with a cache. */
export type CachePhaseName =
  | "requestCacheFilter"
  | "isPurge"
  | "purgeResponseFilter"
  | "cacheKey"
  | "cacheHitFilter"
  | "cacheMiss"
  | "shouldServeStale"
  | "responseCacheFilter"
  | "cacheVaryFilter";

/** Types a set of phases, with the context's type taken from `newContext`. */
export function defineProxy<C = undefined>(phases: ProxyPhases<C>): ProxyPhases<C> {
  return phases;
}
