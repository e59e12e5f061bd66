import type { ProxyError } from "../base/errors.ts";
import type { TrafficRow } from "../base/traffic/traffic-row.ts";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import type { HeadersInit, HttpHeaders } from "../http/http-headers.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { PluginRow } from "../plugins/plugin-row.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { SessionCoding } from "./body-coder.ts";
import type { CacheRules } from "./caching/http-cache.ts";
import type { SessionCache } from "./caching/session-cache.ts";
import type { ResponseFaults } from "./response-faults.ts";
import type { RetryPolicy } from "./retries.ts";
import type { SessionPlugins } from "./session-plugins.ts";

/** Who is on the other end of a client's connection, and where it came in. */
export interface ConnectionInfo {
  /** The address the connection comes from; "" on a Unix socket. */
  readonly address: string;
  readonly port: number;
  /** Our end of it: `host:port` or `unix:/path`. */
  readonly listener: string;
}

/** The client of a session. */
export interface ClientInfo extends ConnectionInfo {
  /** `https` where TLS ends here. */
  readonly scheme: "http" | "https";
  /** What was agreed on with the client, and who it is as far as it showed; null without TLS. */
  readonly tls: TlsDigest | null;
}

/** A response made by a filter. */
export interface ResponseInit {
  readonly status: number;
  /** Default: the status's standard phrase. */
  readonly reason?: string;
  readonly headers?: HeadersInit;
  /**
   * Text and bytes get a `Content-Length`; an iterable is sent as it comes, with backpressure. Default: no body.
   */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | null;
}

/** Moments of a session, milliseconds of `performance.now()`; 0: not reached. Taken only where somebody wants them. */
export interface Timings {
  start: number;
  /** The connection to the server stood. */
  connected: number;
  /** The response's head was there. */
  firstByte: number;
  end: number;
}

const NO_TIMINGS: Timings = Object.freeze({ start: 0, connected: 0, firstByte: 0, end: 0 });

/**
 * Has a say in repeated attempts: whoever knows which servers are left and how many retries there are already. It isn't
 * asked when an idle connection that died is replaced. It must not throw.
 */
export interface RetryGate {
  /** Whether another attempt may begin, on another server where there is one. Counted until `leave`. */
  enter(session: Session<unknown>): boolean;
  /** A repeated attempt is over, or never began. */
  leave(): void;
}

/** @internal what a session can ask of the engine that runs it */
export interface SessionEngine {
  readonly client: ClientInfo;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly upstreamReused: boolean;
  readonly upstreamTls: TlsDigest | null;
  respond(init: ResponseInit): void;
  readBody(limit: number): Promise<Buffer>;
  streamBody(): AsyncIterable<Buffer>;
  closeAfterResponse(): void;
  limitCall(milliseconds: number): void;
  readonly grpcStatus: number | null;
  readonly cache: SessionCache;
  wait(milliseconds: number): Promise<void>;
  injectFaults(faults: ResponseFaults): void;
  reset(): void;
  readonly signal: AbortSignal;
  tapBody(tap: BodyTap): void;
}

/** Gets a request's body as it comes from the client, beside the server. It can't slow anybody down, and must not throw. */
export interface BodyTap {
  /** A piece, borrowed: good until the call returns. */
  onBytes(bytes: Buffer, start: number, end: number): void;
  /** That was all. */
  onEnd(): void;
  /** The session ended before all of it came. */
  onAbort(): void;
}

/** @internal something that a filter keeps with a session, and that has to know when it is over */
export interface SessionAttendant {
  /** A response that no server made is about to be sent. Must not throw. */
  onOwnResponse(headers: HttpHeaders): void;
  /** The session is over, well or not. Comes once; must not throw. */
  onSessionEnd(): void;
}

/** @internal what a session goes through beside the filters of its proxy: it depends on the route. */
export interface BodyFilters {
  /** In the order in which the bytes meet them: before those of the proxy. */
  readonly requestBody: readonly ChunkFilter[];
  /** Behind those of the proxy. */
  readonly responseBody: readonly ChunkFilter[];
  /** The same in two, for where a cache stands in between: what it gets, and what its clients do. */
  readonly upstreamResponseBody: readonly ChunkFilter[];
  readonly clientResponseBody: readonly ChunkFilter[];
  /** The same for the session that fetches for a cache what this one asked for. */
  forFetch(session: Session<unknown>): BodyFilters;
}

/** @internal a `BodyFilter` */
export type ChunkFilter = (session: never, chunk: Buffer | null, endOfStream: boolean) => unknown;

/**
 * One downstream request with its response: what every phase gets. It may be kept as long as one likes; once the session
 * is over, changing it has no effect.
 */
export class Session<C = undefined> {
  /** The request as the client sent it. Changes made before `upstreamPeer` go upstream too. */
  readonly request: RequestHead;
  /** The response: the server's, or the one made here. Null until there is one. */
  response: ResponseHead | null = null;
  /** The program's own, made by `newContext`. */
  context!: C;
  /** The server chosen last. */
  peer: HttpPeer | null = null;
  /** Attempts to reach a server so far, this one included. */
  tries = 0;
  /** @internal by which rules it may be answered from a cache; null: not at all. To be set before the cache is asked. */
  cacheRules: CacheRules | null = null;
  /** What ended the session, if it ended badly. */
  error: ProxyError | null = null;
  timings: Timings = NO_TIMINGS;
  /** @internal what goes with the session from one phase to another. One: who comes second takes the place. */
  attendant: SessionAttendant | null = null;
  /** @internal the plugins that it goes through, the listener's before those of its route */
  pluginRow: PluginRow | null = null;
  /** @internal what its bodies go through; null: nothing. To be set before `upstreamPeer`. */
  plugins: SessionPlugins | null = null;
  /** @internal what it goes through beside the filters of its proxy, and what comes of that for its bodies; null: nothing */
  bodyFilters: BodyFilters | null = null;
  /** @internal how its response is coded on the way to the client; null: it stays as it is. To be set before there is one. */
  coding: SessionCoding | null = null;
  /** When this request is repeated. The proxy's, unless a phase before `upstreamPeer` sets another one. */
  retryPolicy: RetryPolicy;
  /** Who is asked before the request is repeated; null: nobody. */
  retryGate: RetryGate | null = null;
  /** @internal what counts the traffic of its route, and of its upstream; null: nothing does */
  routeTraffic: TrafficRow | null = null;
  /** @internal */
  upstreamTraffic: TrafficRow | null = null;
  /** @internal where its path is counted */
  pathMark = 0;
  /** @internal bytes of it that are counted already */
  notedIn = 0;
  /** @internal */
  notedOut = 0;

  readonly #engine: SessionEngine;

  /** @internal */
  constructor(engine: SessionEngine, request: RequestHead, retryPolicy: RetryPolicy) {
    this.#engine = engine;
    this.request = request;
    this.retryPolicy = retryPolicy;
  }

  /** The client's connection. */
  get client(): ClientInfo {
    return this.#engine.client;
  }

  /** Bytes of the request's body so far. */
  get bytesReceived(): number {
    return this.#engine.bytesReceived;
  }

  /** Bytes of the response's body so far. */
  get bytesSent(): number {
    return this.#engine.bytesSent;
  }

  /** True when the server was reached over a connection that had been used before. */
  get upstreamReused(): boolean {
    return this.#engine.upstreamReused;
  }

  /**
   * What is known of the TLS of the server's connection: version, cipher, the protocol agreed on, whether a session was taken
   * up again, the server's certificate. Null without TLS, and before a server was reached.
   */
  get upstreamTls(): TlsDigest | null {
    return this.#engine.upstreamTls;
  }

  /** True once a response was begun, here or by the server. */
  get responded(): boolean {
    return this.response !== null;
  }

  /**
   * Answers the request here; nothing goes upstream. To be called once, in a phase before the response.
   * @returns true, so that `return session.respond(…)` ends a `requestFilter`
   * @throws Error when there is a response already; TypeError or RangeError when a header or the status isn't allowed
   */
  respond(init: ResponseInit): true {
    if (this.response !== null) throw new Error("This session has a response already");
    this.#engine.respond(init);
    return true;
  }

  /**
   * Reads the whole body of the request, to decide by it. It still goes upstream afterwards.
   * @param limit bytes; more is answered with 413
   */
  readBody(limit: number = 1024 * 1024): Promise<Buffer> {
    return this.#engine.readBody(limit);
  }

  /**
   * The body of the request as it comes, for a session that is answered here: nothing is left to send upstream. To be read
   * once; whoever reads slowly slows the client down. It may be read on while the response is sent, but not after its end.
   * Fails with ProxyError when the rest of the body doesn't come.
   * @throws Error when the body was read or sent already
   */
  streamBody(): AsyncIterable<Buffer> {
    return this.#engine.streamBody();
  }

  /**
   * Gives a copy of the request's body to somebody else than the server, from the next piece on. To be called before
   * any of it has come: at the latest in the first `upstreamPeer`. One for each session; another takes its place.
   */
  tapBody(tap: BodyTap): void {
    this.#engine.tapBody(tap);
  }

  /** Aborted when the session is over, however it ended: for work that is only worth something to it. */
  get signal(): AbortSignal {
    return this.#engine.signal;
  }

  /**
   * Gives a gRPC call so many milliseconds from now, unless its client gave it fewer (`grpc-timeout`); then it ends with
   * DEADLINE_EXCEEDED. Servers are told what is left. Nothing happens to other requests.
   * @throws RangeError for NaN
   */
  limitCall(milliseconds: number): void {
    this.#engine.limitCall(milliseconds);
  }

  /** How a gRPC call ended, by gRPC's numbers; null while that isn't known, and for other requests. */
  get grpcStatus(): number | null {
    return this.#engine.grpcStatus;
  }

  /** What it has to do with a cache, and by which it can be turned off. */
  get cache(): SessionCache {
    return this.#engine.cache;
  }

  /** Closes the client's connection after this response. */
  closeAfterResponse(): void {
    this.#engine.closeAfterResponse();
  }

  /** Resolves after so many milliseconds. When the session ends before, it never does, and nothing is left of it. */
  wait(milliseconds: number): Promise<void> {
    return this.#engine.wait(milliseconds);
  }

  /**
   * Makes the response a bad one, whoever makes it: the server, a filter, or the proxy for an error. For tests of clients.
   * @throws Error when there is a response already
   */
  injectFaults(faults: ResponseFaults): void {
    if (this.response !== null) throw new Error("This session has a response already");
    this.#engine.injectFaults(faults);
  }

  /**
   * Ends the session by a reset of the client's connection, whatever was said on it before.
   * @returns true, so that `return session.reset()` ends a `requestFilter`
   */
  reset(): true {
    this.#engine.reset();
    return true;
  }
}
