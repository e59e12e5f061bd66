import { isThenable, ProxyError, toProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner } from "../base/timeouts.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { DownstreamStream, UpstreamSink } from "../http/streams.ts";
import type { ClientConnection } from "../http1/client-connection.ts";
import type { RequestSink } from "../http1/server-application.ts";
import type { ConnectAttempt, ConnectCallback } from "../upstream/connector.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { sentLength } from "./body-length.ts";
import type { ForwardingNote } from "./forwarding.ts";
import type { HttpProxy } from "./http-proxy.ts";
import { makeOwnResponse, sendOwnResponse } from "./own-response.ts";
import type { MaybePromise } from "./phases.ts";
import { RequestBody } from "./request-body.ts";
import { ResponseBody } from "./response-body.ts";
import { mayRetry } from "./retries.ts";
import { type ClientInfo, type ResponseInit, Session, type SessionEngine } from "./session.ts";
import { Tunnel } from "./tunnel.ts";

const State = {
  /** Phases before the request is sent, waiting for a connection included. */
  Preparing: 0,
  /** The request is out; the response is awaited or under way. */
  Relaying: 1,
  /** A response of our own is being sent. */
  Answering: 2,
  Tunnel: 3,
  Done: 4,
} as const;

/** Why a direction stands still; it flows again when no reason is left. */
export const Hold = {
  /** Nobody can take it yet. */
  NotReady: 1,
  /** The other side is slower. */
  Blocked: 2,
  /** A filter takes its time. */
  Filter: 4,
} as const;

/** The client of an exchange, as its connection's owner knows it. */
export interface ExchangeClient extends ClientInfo {
  readonly forwarding: ForwardingNote;
}

/**
 * Runs one session: takes the request through its phases to a server and the response back.
 *
 *     start → filters → upstreamPeer → connect → upstream filters → send ⇄ relay → finish
 *                 │          ▲            │              │                    ▲
 *                 │          └── retry ◀──┴──────────────┘                    │
 *                 └────────────── answered here, or failed ───────────────────┘
 *
 * Everything is synchronous until something has to be waited for: a connection, or a phase that returned a promise. A
 * request whose phases are synchronous and whose connection stands creates no promise and no closure.
 */
export class Exchange<C> implements RequestSink, UpstreamSink, ConnectCallback, SessionEngine, DeadlineOwner {
  readonly session: Session<C>;
  readonly downstream: DownstreamStream;
  readonly client: ExchangeClient;
  readonly proxy: HttpProxy<C>;
  /** @internal */
  upstream: ClientConnection | null = null;
  readonly #isHttp11: boolean;
  #state: number = State.Preparing;
  #attempt: ConnectAttempt | null = null;
  #upstreamRequest: RequestHead | null = null;
  #requestBody: RequestBody<C> | null = null;
  #responseBody: ResponseBody<C> | null = null;
  #requestHolds = 0;
  #responseHolds = 0;
  #requestEnded = false;
  #headSent = false;
  #keepAlive = true;
  #upstreamReused = false;
  #needsFreshConnection = false;
  /** Moves on when a retry or failure makes what is still awaited meaningless. */
  #generation = 0;
  #deadline: Deadline | null = null;

  constructor(
    proxy: HttpProxy<C>,
    downstream: DownstreamStream,
    request: RequestHead,
    client: ExchangeClient,
    isHttp11: boolean,
  ) {
    this.proxy = proxy;
    this.downstream = downstream;
    this.client = client;
    this.#isHttp11 = isHttp11;
    this.session = new Session(this, request);
  }

  // ── phases before the request is sent ──────────────────────────────────────────────────────────────────────────

  start(): void {
    const { proxy, session } = this;
    const { plan } = proxy;
    proxy.counters.add("requests");
    proxy.counters.add("requestsActive");
    if (proxy.isTimed) session.timings = { start: performance.now(), connected: 0, firstByte: 0, end: 0 };
    // Later phases, logs and a repetition on another connection all need the head when its slab is long overwritten.
    session.request.source.retain();
    if (proxy.requestTimeout.duration > 0) {
      this.#deadline = new Deadline(this);
      proxy.requestTimeout.set(this.#deadline);
    }
    if (plan.newContext !== null && !this.#makeContext(plan.newContext)) return;
    const refusal = proxy.refusalOf(session.request);
    if (refusal !== null) {
      this.#keepAlive = false;
      this.#fail(refusal);
    } else this.#call(plan.earlyRequestFilter, this.#filterRequest, undefined);
  }

  #makeContext(newContext: (session: Session<C>) => C): boolean {
    try {
      this.session.context = newContext(this.session);
      return true;
    } catch (thrown) {
      this.#fail(toProxyError(thrown));
      return false;
    }
  }

  #filterRequest(): void {
    this.#call(this.proxy.plan.requestFilter, this.#filterUpstream, undefined);
  }

  #filterUpstream(): void {
    if (this.session.responded) return;
    this.#call(this.proxy.plan.proxyUpstreamFilter, this.#afterUpstreamFilter, undefined);
  }

  #afterUpstreamFilter(goesOn: unknown): void {
    if (this.session.responded) return;
    if (goesOn === false) this.#fail(new ProxyError("NOT_PROXIED"));
    else this.#choosePeer();
  }

  #choosePeer(): void {
    this.session.tries++;
    this.#call(this.proxy.plan.upstreamPeer, this.#connect, undefined);
  }

  #connect(peer: HttpPeer): void {
    const { session, proxy } = this;
    if (session.responded) return;
    session.peer = peer;
    if (session.request.method === "CONNECT") {
      this.#suspend();
      proxy.connectTunnel(this, peer);
      return;
    }
    const connection = this.#needsFreshConnection ? null : proxy.connector.take(peer);
    if (connection !== null) {
      proxy.counters.add("upstreamReuses");
      this.onConnected(connection);
      return;
    }
    this.#suspend();
    this.#attempt = proxy.connector.connect(peer, this);
  }

  onConnected(connection: ClientConnection): void {
    const { proxy, session } = this;
    if (this.#attempt !== null) proxy.counters.add("upstreamConnects");
    this.#attempt = null;
    this.upstream = connection;
    connection.begin(this);
    this.#upstreamReused = connection.reused;
    if (proxy.isTimed) session.timings.connected = performance.now();
    this.#call(proxy.plan.connectedToUpstream, this.#filterUpstreamRequest, session.peer!);
  }

  onConnectFailed(error: ProxyError): void {
    const { proxy, session } = this;
    this.#attempt = null;
    proxy.counters.add("upstreamConnectFailures");
    if (!this.#tell(proxy.plan.failToConnect, error)) return;
    if (error.retry === "yes" && session.tries < proxy.retries.maxTries) this.#retry();
    else this.#fail(error);
  }

  #filterUpstreamRequest(): void {
    if (this.session.responded) return;
    const { upstreamRequestFilter } = this.proxy.plan;
    if (upstreamRequestFilter === null) {
      this.#sendRequest();
      return;
    }
    this.#upstreamRequest = this.session.request.fork();
    this.#call(upstreamRequestFilter, this.#sendRequest, this.#upstreamRequest);
  }

  #sendRequest(): void {
    const { session, proxy, upstream } = this;
    if (session.responded || upstream === null) return;
    const head = this.#upstreamRequest ?? session.request;
    const filters = proxy.plan.filtersRequestBody;
    const length = sentLength(head.body, head.touchedHeaders, filters);
    this.#state = State.Relaying;
    const additions = proxy.forwarding.additions(session.request, this.client, this.client.forwarding, this.#isHttp11);
    upstream.sendHead(head, length, additions);
    if (length !== "none" || this.#requestBody !== null) this.#beginRequestBody(length);
    if (this.#requestEnded) this.#endRequest(null);
    this.#releaseRequest(Hold.NotReady);
  }

  // ── the request's body ─────────────────────────────────────────────────────────────────────────────────────────

  #beginRequestBody(length: BodyLength): void {
    const { proxy } = this;
    this.#requestBody ??= new RequestBody(this, proxy.plan.requestBodyFilter);
    const mayRepeat = this.#upstreamReused || proxy.plan.errorWhileProxy !== null;
    this.#requestBody.begin(length, mayRepeat ? proxy.retryBufferSize : 0);
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    if (this.#state === State.Relaying || this.#state === State.Preparing) this.#requestBody?.take(bytes, start, end);
  }

  onRequestEnd(trailers: HttpHeaders | null): void {
    this.#requestEnded = true;
    if (this.#requestBody?.collected() === true) return;
    if (this.#state === State.Relaying) this.#endRequest(trailers);
  }

  #endRequest(trailers: HttpHeaders | null): void {
    if (this.#requestBody !== null) this.#requestBody.end(trailers);
    else this.upstream?.sendEnd(trailers);
  }

  readBody(limit: number): Promise<Buffer> {
    if (this.#state !== State.Preparing) return Promise.reject(new Error("The body is on its way already"));
    const { request } = this.session;
    if (request.expectsContinue) {
      request.headers.delete("expect");
      request.expectsContinue = false;
      this.downstream.sendInformational(ResponseHead.from({ status: 100 }));
    }
    this.#requestBody ??= new RequestBody(this, this.proxy.plan.requestBodyFilter);
    const body = this.#requestBody.collect(limit, request.body === "none" || request.body === 0);
    this.#releaseRequest(Hold.NotReady);
    return body;
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────

  onInformational(head: ResponseHead): void {
    this.proxy.counters.add("responses1xx");
    if (head.status === 101) this.onResponseHead(head);
    else this.downstream.sendInformational(head);
  }

  onResponseHead(head: ResponseHead): void {
    const { proxy, session } = this;
    session.response = head;
    if (proxy.isTimed) session.timings.firstByte = performance.now();
    if (proxy.isTimed || proxy.plan.logging !== null) head.source.retain();
    this.#call(proxy.plan.upstreamResponseFilter, this.#filterResponse, head);
  }

  #filterResponse(): void {
    this.#call(this.proxy.plan.responseFilter, this.#sendResponseHead, this.session.response!);
  }

  #sendResponseHead(): void {
    const head = this.session.response!;
    if (head.status === 101 && this.upstream !== null) {
      this.#becomeTunnel(head);
      return;
    }
    const { plan } = this.proxy;
    const length = sentLength(head.body, head.touchedHeaders, plan.filtersResponseBody);
    this.#headSent = true;
    this.downstream.sendHead(head, length, this.#keepAlive);
    if (plan.filtersResponseBody || plan.upstreamResponseTrailerFilter !== null || plan.responseTrailerFilter !== null) {
      this.#responseBody = new ResponseBody(this, plan, length);
    }
    this.#releaseResponse(Hold.Filter);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    if (this.#responseBody === null) this.downstream.sendBody(bytes, start, end);
    else this.#responseBody.take(bytes, start, end);
  }

  onResponseEnd(trailers: HttpHeaders | null): void {
    this.upstream = null;
    if (this.#responseBody === null) this.endResponse(trailers);
    else this.#responseBody.end(trailers);
  }

  /** @internal the last of the response goes to the client */
  endResponse(trailers: HttpHeaders | null): void {
    if (this.#state === State.Done) return;
    // A server that answered before it had the whole request gets no more of it.
    this.#dropUpstream();
    this.#conclude();
    this.downstream.sendEnd(trailers);
    this.proxy.finish(this, this.session.error);
  }

  #becomeTunnel(head: ResponseHead): void {
    const { downstream, proxy } = this;
    const upstream = this.upstream!;
    this.#headSent = true;
    downstream.sendHead(head, "none", true);
    this.openTunnel((sink) => upstream.toByteStream(sink));
    proxy.counters.add("tunnels");
  }

  /** @internal joins the client's connection to what `openFar` opens */
  openTunnel(openFar: ConstructorParameters<typeof Tunnel>[0]): void {
    const { downstream, proxy } = this;
    this.#state = State.Tunnel;
    this.upstream = null;
    this.#deadline?.clear();
    proxy.counters.add("tunnelsActive");
    new Tunnel(openFar, (sink) => downstream.toByteStream(sink), (error) => {
      proxy.counters.add("tunnelsActive", -1);
      this.#conclude();
      proxy.finish(this, error === null ? null : new ProxyError("DOWNSTREAM_CLOSED", undefined, { cause: error }));
    });
  }

  // ── answers of our own ─────────────────────────────────────────────────────────────────────────────────────────

  respond(init: ResponseInit): void {
    const { session } = this;
    const response = makeOwnResponse(init, session.request.method === "HEAD");
    this.#dropUpstream();
    this.#stopBodies();
    this.#state = State.Answering;
    this.#headSent = true;
    session.response = response.head;
    // What is left of the request's body is read and thrown away.
    this.#releaseRequest(Hold.NotReady | Hold.Blocked | Hold.Filter);
    sendOwnResponse(this, response, this.#keepAlive);
  }

  closeAfterResponse(): void {
    this.#keepAlive = false;
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal ends the session badly: an answer if none was begun, else a cut. */
  fail(error: ProxyError): void {
    this.#fail(error);
  }

  #fail(error: ProxyError): void {
    if (this.#state === State.Done) return;
    const { session, proxy } = this;
    const isSecond = session.error !== null;
    this.#generation++;
    this.#dropUpstream();
    this.#stopBodies();
    session.error ??= error;
    if (this.#headSent || error.status === 0) {
      this.#conclude();
      this.downstream.abort();
      proxy.finish(this, session.error);
    } else if (isSecond) this.#answerDefault();
    else {
      session.response = null;
      this.#call(proxy.plan.failToProxy, this.#answerDefault, error);
    }
  }

  #answerDefault(): void {
    const { session } = this;
    if (session.responded) return;
    const { status } = session.error!;
    const reason = ResponseHead.from({ status }).reason;
    const headers = { "Content-Type": "text/plain; charset=utf-8" };
    session.respond({ status, headers, body: `HTTP ${status} ${reason}\n` });
  }

  onUpstreamError(error: Error): void {
    const { proxy, session } = this;
    const failure = toProxyError(error);
    this.upstream = null;
    if (this.#state === State.Done) return;
    if (this.#headSent) {
      this.#fail(failure);
      return;
    }
    if (!this.#tell(proxy.plan.errorWhileProxy, failure)) return;
    const isReplayable = this.#requestBody === null || this.#requestBody.isReplayable;
    const reused = this.#upstreamReused;
    if (isReplayable && mayRetry(failure, session, reused, proxy.retries)) this.#retry();
    else this.#fail(failure);
  }

  /** Back to `upstreamPeer`, on a connection that nobody had before. */
  #retry(): void {
    this.#generation++;
    this.proxy.counters.add("retries");
    this.#dropUpstream();
    this.#state = State.Preparing;
    this.session.response = null;
    this.#upstreamRequest = null;
    this.#responseHolds = 0;
    this.#needsFreshConnection = true;
    this.#suspend();
    this.#choosePeer();
  }

  onDownstreamError(error: Error): void {
    this.#fail(toProxyError(error));
  }

  onDeadline(): void {
    this.#fail(new ProxyError("REQUEST_TIMEOUT"));
  }

  /** Runs a phase that looks at an error; false when it threw and the session failed by that. */
  #tell(phase: ((session: Session<C>, peer: HttpPeer, error: ProxyError) => void) | null, error: ProxyError): boolean {
    if (phase === null) return true;
    try {
      phase(this.session, this.session.peer!, error);
      return true;
    } catch (thrown) {
      this.#fail(toProxyError(thrown));
      return false;
    }
  }

  #dropUpstream(): void {
    this.#attempt?.cancel();
    this.#attempt = null;
    this.upstream?.abort();
    this.upstream = null;
  }

  #stopBodies(): void {
    this.#requestBody?.stop();
    this.#responseBody?.stop();
  }

  /** Nothing that still comes concerns this session. */
  #conclude(): void {
    this.#state = State.Done;
    this.#generation++;
    this.#deadline?.clear();
  }

  // ── flow ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Calls a phase, then `next` with its result: at once, or when its promise is kept. */
  #call<A, R>(
    phase: ((session: Session<C>, argument: A) => MaybePromise<R>) | null,
    next: (this: Exchange<C>, result: R) => void,
    argument: A,
  ): void {
    if (phase === null) {
      next.call(this, undefined as R);
      return;
    }
    let result: MaybePromise<R>;
    try {
      result = phase(this.session, argument);
    } catch (thrown) {
      this.#fail(toProxyError(thrown));
      return;
    }
    if (this.#state === State.Done) return;
    if (isThenable(result)) this.#await(result, next);
    else next.call(this, result);
  }

  #await<R>(promise: PromiseLike<R>, next: (this: Exchange<C>, result: R) => void): void {
    const generation = this.#generation;
    this.#suspend();
    promise.then(
      (result) => {
        if (generation === this.#generation) next.call(this, result);
      },
      (thrown: unknown) => {
        if (generation === this.#generation) this.#fail(toProxyError(thrown));
      },
    );
  }

  /** Something has to be waited for: what is borrowed is kept, and nothing more is read. */
  #suspend(): void {
    this.session.response?.source.retain();
    if (this.#state === State.Preparing && this.#requestBody?.isCollecting !== true) this.holdRequest(Hold.NotReady);
    if (this.#state === State.Relaying && !this.#headSent) this.holdResponse(Hold.Filter);
  }

  /** @internal */
  holdRequest(reason: number): void {
    if (this.#requestHolds === 0) this.downstream.pauseRequest();
    this.#requestHolds |= reason;
  }

  /** @internal */
  releaseRequest(reason: number): void {
    this.#releaseRequest(reason);
  }

  #releaseRequest(reason: number): void {
    if (this.#requestHolds === 0 || this.#state === State.Done) return;
    this.#requestHolds &= ~reason;
    if (this.#requestHolds === 0) this.downstream.resumeRequest();
  }

  /** @internal */
  holdResponse(reason: number): void {
    if (this.#responseHolds === 0) this.upstream?.pauseResponse();
    this.#responseHolds |= reason;
  }

  /** @internal */
  releaseResponse(reason: number): void {
    this.#releaseResponse(reason);
  }

  #releaseResponse(reason: number): void {
    if (this.#responseHolds === 0) return;
    this.#responseHolds &= ~reason;
    if (this.#responseHolds === 0) this.upstream?.resumeResponse();
  }

  onDownstreamBlocked(): void {
    this.holdResponse(Hold.Blocked);
  }

  onDownstreamDrained(): void {
    this.#releaseResponse(Hold.Blocked);
    this.#drained?.();
  }

  #drained: (() => void) | null = null;

  /** @internal resolves when the client has taken what waits for it, or is gone */
  whenDrained(): Promise<void> {
    if (!this.downstream.blocked || this.#state === State.Done) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = null;
        resolve();
      };
    });
  }

  onUpstreamBlocked(): void {
    this.holdRequest(Hold.Blocked);
  }

  onUpstreamDrained(): void {
    this.#releaseRequest(Hold.Blocked);
  }

  get bytesReceived(): number {
    return this.downstream.bytesReceived;
  }

  get bytesSent(): number {
    return this.downstream.bytesSent;
  }

  get upstreamReused(): boolean {
    return this.#upstreamReused;
  }

  get isDone(): boolean {
    return this.#state === State.Done;
  }
}
