import { Counter } from "../base/counters.ts";
import { notPromised, ProxyError, toProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner } from "../base/timeouts.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { RequestSink } from "../http/server-application.ts";
import type { DownstreamStream, UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { filtersRequestBody, filtersResponseBody } from "./body-filters.ts";
import { sentLength } from "./body-length.ts";
import { NO_CACHE, type SessionCache } from "./caching/session-cache.ts";
import { Failover } from "./failover.ts";
import { Hold } from "./flow.ts";
import { beginsCall, type CallOwner, GrpcCall } from "./grpc/grpc-call.ts";
import { failureAnswer, failureTrailers, toCallAnswer } from "./grpc/grpc-failure.ts";
import type { HttpProxy } from "./http-proxy.ts";
import { errorAnswer, makeOwnResponse, sendOwnResponse } from "./own-response.ts";
import type { Plan } from "./plan.ts";
import { ResponseBody } from "./response-body.ts";
import { type ResponseInit, Session, type SessionEngine } from "./session.ts";
import type { MeteredClient } from "./traffic/session-meter.ts";
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
export class Exchange<C>
  extends Failover<C>
  implements RequestSink, UpstreamSink, SessionEngine, DeadlineOwner, CallOwner
{
  readonly session: Session<C>;
  readonly downstream: DownstreamStream;
  readonly client: MeteredClient;
  readonly proxy: HttpProxy<C>;
  /** Of the request as it came, whatever filters make of it. */
  readonly #protocol: string;
  readonly isConnect: boolean;
  /** The phases that a response goes through: not all of them where a cache stands in between. */
  protected responsePlan: Plan<C>;
  protected readonly isHead: boolean;
  #state: number = State.Preparing;
  #upstreamRequest: RequestHead | null = null;
  #responseBody: ResponseBody<C> | null = null;
  #tunnel: Tunnel | null = null;
  /** True once the response's head makes the connection something else than HTTP. */
  #switches = false;
  #headSent = false;
  #bytesReceived = 0;
  #bytesSent = 0;
  #deadline: Deadline | null = null;
  #resets = false;
  #over: AbortController | null = null;

  constructor(
    proxy: HttpProxy<C>,
    downstream: DownstreamStream,
    request: RequestHead,
    client: MeteredClient,
  ) {
    super();
    this.proxy = proxy;
    this.downstream = downstream;
    this.client = client;
    this.responsePlan = proxy.plan;
    this.#protocol = request.protocol;
    this.isConnect = request.method === "CONNECT";
    this.isHead = request.method === "HEAD";
    this.session = new Session(this, request, proxy.retries);
  }

  // ── phases before the request is sent ──────────────────────────────────────────────────────────────────────────

  start(): void {
    this.#begin();
    // Later phases, logs and a repetition on another connection all need the head when its slab is long overwritten.
    if (!this.isDone || this.proxy.keepsSessions) this.session.request.source.retain();
  }

  #begin(): void {
    const { proxy, session } = this;
    const { plan } = proxy;
    proxy.counters.add(Counter.requests);
    proxy.counters.add(Counter.requestsActive);
    this.open();
    if (proxy.meter !== null) proxy.meter.begin(session as Session<unknown>, this.client);
    this.limit();
    if (beginsCall(session.request)) this.grpc = new GrpcCall(proxy.alarms, this);
    if (plan.newContext !== null && !this.#makeContext(plan.newContext)) return;
    const refusal = proxy.refusalOf(session.request);
    // What follows it may be meant for what it asked for; on a stream that is the stream's affair.
    if (refusal !== null) this.keepAlive = this.#protocol === "HTTP/2";
    const problem = refusal ?? this.#beginCall();
    if (problem !== null) this.fail(problem);
    else this.call(plan.earlyRequestFilter, this.#filterRequest, undefined);
  }

  /** Its time begins. */
  protected open(): void {
    const { proxy, session } = this;
    if (proxy.isTimed) session.timings = { start: proxy.now(), connected: 0, firstByte: 0, end: 0 };
  }

  /** It has so much time from now on. */
  protected limit(): void {
    const { requestTimeout } = this.proxy;
    if (requestTimeout.duration === 0) return;
    this.#deadline = new Deadline(this);
    requestTimeout.set(this.#deadline);
  }

  #beginCall(): ProxyError | null {
    return this.grpc === null ? null : this.grpc.begin(this.session.request, this.proxy.grpcTimeout);
  }

  #makeContext(newContext: (session: Session<C>) => C): boolean {
    try {
      this.session.context = notPromised(newContext(this.session), "newContext");
      return true;
    } catch (thrown) {
      this.fail(toProxyError(thrown));
      return false;
    }
  }

  #filterRequest(): void {
    this.call(this.proxy.plan.requestFilter, this.afterRequestFilter, undefined);
  }

  /** Nobody has answered the request yet. */
  protected afterRequestFilter(): void {
    this.goUpstream();
  }

  protected goUpstream(): void {
    this.call(this.proxy.plan.proxyUpstreamFilter, this.#afterUpstreamFilter, undefined);
  }

  #afterUpstreamFilter(goesOn: unknown): void {
    if (this.isStreamed) {
      this.fail(new ProxyError("FILTER_FAILED", "the body was streamed here, but the request not answered"));
    } else if (goesOn === false) this.fail(new ProxyError("NOT_PROXIED"));
    else this.choosePeer();
  }

  protected onServer(): void {
    const { upstreamRequestFilter } = this.proxy.plan;
    if (upstreamRequestFilter === null || this.isConnect) {
      this.#sendRequest();
      return;
    }
    // A second attempt may have chosen another one meanwhile, and this one's request isn't for it.
    this.session.peer = this.peer;
    this.#upstreamRequest = this.session.request.fork();
    this.call(upstreamRequestFilter, this.#sendRequest, this.#upstreamRequest);
  }

  #sendRequest(): void {
    const upstream = this.upstream!;
    this.#state = State.Relaying;
    this.#switches = this.isConnect;
    const head = this.#upstreamRequest ?? this.session.request;
    // A server of HTTP/1 would have a connection held up by each call that says nothing.
    if (this.grpc !== null && upstream.mayRefuse) this.downstream.allowPauses?.();
    this.sendBodyTo(upstream, this.sendHeadTo(upstream, head, this.peer!));
    this.releaseRequest(Hold.NotReady);
  }

  /** @returns how the body is framed that is to follow */
  protected sendHeadTo(upstream: UpstreamStream, head: RequestHead, peer: HttpPeer): BodyLength {
    const { plan, forwarding } = this.proxy;
    const { plugins } = this.session;
    const sent = plugins === null ? head : plugins.toSend(head);
    const isFiltered = filtersRequestBody(this.session, plan) || plugins?.transformsRequest === true;
    const length = sentLength(sent.body, sent.touchedHeaders, isFiltered);
    const additions = forwarding.additions(sent, this.client, this.#protocol, peer);
    upstream.sendHead(this.grpc === null ? sent : this.grpc.toSend(sent), length, additions);
    return length;
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────

  onInformational(head: ResponseHead): void {
    if (head.status === 101) {
      this.#switches = true;
      this.onResponseHead(head);
      return;
    }
    this.proxy.counters.add(Counter.responses1xx);
    this.hasInformed = true;
    this.downstream.sendInformational(head);
  }

  protected onAnswer(head: ResponseHead): void {
    const { proxy, session } = this;
    // A second attempt may have been quicker than the phases before the first.
    this.#state = State.Relaying;
    // A CONNECT that was sent on may have been refused.
    if (head.status >= 300) this.#switches = false;
    session.response = head;
    if (proxy.isTimed) session.timings.firstByte = proxy.now();
    if (proxy.keepsResponses || session.bodyFilters !== null) head.source.retain();
    this.#prepareDecoder(head);
    this.call(this.responsePlan.upstreamResponseFilter, this.filterResponse, head);
  }

  #prepareDecoder(head: ResponseHead): void {
    const { session } = this;
    this.openDecoder = session.coding === null ? null : session.coding.decode(session.request, head);
  }

  /** The answer of somebody who isn't a server of this session: what servers' answers go through is behind it. */
  protected takeAnswer(from: UpstreamStream, head: ResponseHead): void {
    const { proxy, session } = this;
    this.#state = State.Relaying;
    this.responsePlan = proxy.plans.behindCache;
    this.flowFrom(from);
    session.response = head;
    if (proxy.isTimed) session.timings.firstByte = proxy.now();
    if (proxy.keepsResponses || session.bodyFilters !== null) head.source.retain();
    this.#prepareDecoder(head);
    this.filterResponse();
  }

  protected filterResponse(): void {
    this.call(this.responsePlan.responseFilter, this.#sendResponseHead, this.session.response!);
  }

  #sendResponseHead(): void {
    const plan = this.responsePlan;
    const head = this.session.response!;
    if (head.status < 200 && !(this.#switches && head.status === 101)) {
      this.fail(new ProxyError("FILTER_FAILED", `${head.status} is no status of a final response`));
      return;
    }
    // A call that ends with its head has no body that a filter could make longer.
    const isPlugged = this.session.plugins?.prepareResponse(head, this.isHead) === true;
    const isEmptyCall = this.grpc !== null && head.body === 0;
    const isDecoded = this.openDecoder !== null && head.body !== "none";
    const isFiltered = isPlugged || isDecoded || (!isEmptyCall && filtersResponseBody(this.session, plan));
    const length = sentLength(head.body, head.touchedHeaders, isFiltered);
    this.#headSent = true;
    this.grpc?.noteResponse(head, length);
    this.sendHead(head, length);
    if (this.#switches) {
      if (head.status === 101 || (this.isConnect && head.status < 300)) this.#openTunnel();
      // A filter made another answer of it.
      else this.endBody(null);
      return;
    }
    if (plan.looksAtResponseBody || isFiltered)
      this.#responseBody = new ResponseBody(
        ...([this, plan, isFiltered ? length : "none", isPlugged] as const),
        isDecoded ? this.openDecoder : null,
      );
    this.releaseResponse(Hold.Filter);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    if (this.#responseBody === null) this.sendBody(bytes, start, end);
    else this.#responseBody.take(bytes, start, end);
  }

  onResponseEnd(trailers: HttpHeaders | null): void {
    this.upstream = null;
    this.endAttempt(null);
    if (this.#responseBody === null) this.endBody(trailers);
    else this.#responseBody.end(trailers);
  }

  /** @internal the last of the response goes to the client */
  endResponse(trailers: HttpHeaders | null): void {
    if (this.#state === State.Done) return;
    this.grpc?.noteEnd(trailers);
    // A server that answered before it had the whole request gets no more of it.
    this.dropUpstream(null);
    this.stopBodies();
    // Before the client's connection hears of it: it may begin the next request at once.
    this.#conclude(this.session.error);
    this.downstream.sendEnd(trailers);
  }

  #openTunnel(): void {
    const { downstream, proxy } = this;
    const upstream = this.upstream!;
    this.#state = State.Tunnel;
    this.upstream = null;
    this.#deadline?.clear();
    proxy.counters.add(Counter.tunnels);
    proxy.counters.add(Counter.tunnelsActive);
    this.#tunnel = new Tunnel(
      (sink) => upstream.toByteStream(sink),
      (sink) => downstream.toByteStream(sink),
      (error, isFar) => this.#endTunnel(error, isFar),
    );
    if (proxy.meter !== null) this.#tunnel.meter = proxy.meter.follow(this.session, this.client);
  }

  #endTunnel(error: Error | null, isFar: boolean): void {
    this.proxy.counters.add(Counter.tunnelsActive, -1);
    if (this.#state === State.Done) return;
    const code = isFar ? "UPSTREAM_RESET" : "DOWNSTREAM_CLOSED";
    this.session.error = error === null ? null : new ProxyError(code, error.message, { cause: error });
    this.#conclude(this.session.error);
  }

  // ── answers of our own ─────────────────────────────────────────────────────────────────────────────────────────

  respond(init: ResponseInit): void {
    const { session } = this;
    const response = makeOwnResponse(this.grpc === null ? init : toCallAnswer(init));
    if (this.#state === State.Done) return;
    this.generation++;
    this.dropUpstream(null);
    this.stopBodies();
    this.#state = State.Answering;
    this.#headSent = true;
    session.response = response.head;
    this.grpc?.noteAnswer(response.head);
    session.attendant?.onOwnResponse(response.head.headers);
    this.releaseBody();
    sendOwnResponse(this, response, this.isHead);
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  reset(): void {
    this.#resets = true;
    this.fail(new ProxyError("FAULT_INJECTED"));
  }

  get signal(): AbortSignal {
    this.#over ??= new AbortController();
    if (this.#state === State.Done) this.#over.abort();
    return this.#over.signal;
  }

  /** @internal ends the session badly: an answer if none was begun, else a cut. */
  fail(error: ProxyError): void {
    if (this.#state === State.Done) return;
    const { session, proxy } = this;
    const isSecond = session.error !== null;
    this.generation++;
    this.dropUpstream(error);
    this.stopBodies();
    session.error ??= error;
    if (this.#headSent || error.status === 0) this.#breakOff();
    else if (isSecond) this.#answerDefault();
    else {
      session.response = null;
      this.call(proxy.plan.failToProxy, this.#answerDefault, error);
    }
  }

  #answerDefault(): void {
    const { session } = this;
    const error = session.error!;
    if (error.status === 0) this.cut();
    else session.respond(this.grpc === null ? errorAnswer(error) : failureAnswer(error));
  }

  /** A call that was begun can still be told how it ended. */
  #breakOff(): void {
    const error = this.session.error!;
    if (this.grpc?.canEnd !== true || error.status === 0 || this.#state !== State.Relaying) {
      this.cut();
      return;
    }
    const trailers = failureTrailers(error);
    this.grpc.noteEnd(trailers);
    this.#conclude(error);
    this.downstream.sendEnd(trailers);
  }

  /** Ends the session so that nobody can take what the client got for a whole response. */
  protected cut(): void {
    const { session, downstream } = this;
    if (!this.#headSent) session.response = null;
    this.#tunnel?.abort();
    this.#conclude(session.error);
    if (this.#resets) downstream.reset();
    else downstream.abort();
  }

  protected override startOver(isFresh: boolean): void {
    this.#state = State.Preparing;
    this.session.response = null;
    this.#upstreamRequest = null;
    super.startOver(isFresh);
  }

  onDownstreamError(error: Error): void {
    const failure = toProxyError(error);
    this.failStream(failure);
    // An answer of our own doesn't depend on the rest of the request: it is finished, and the connection closed.
    if (this.#state === State.Answering && failure.status !== 0) return;
    this.fail(failure);
  }

  onDeadline(): void {
    this.fail(new ProxyError("REQUEST_TIMEOUT"));
  }

  onCallDeadline(): void {
    this.fail(new ProxyError("DEADLINE_EXCEEDED"));
  }

  limitCall(milliseconds: number): void {
    if (this.#state !== State.Done) this.grpc?.limit(milliseconds);
  }

  get cache(): SessionCache {
    return NO_CACHE;
  }

  get grpcStatus(): number | null {
    return this.grpc === null || this.grpc.status === -1 ? null : this.grpc.status;
  }

  protected stopBodies(): void {
    this.stopBody();
    this.#responseBody?.stop();
  }

  /** Nothing that still comes concerns this session. */
  #conclude(error: ProxyError | null): void {
    this.#bytesReceived = this.bytesReceived;
    this.#bytesSent = this.bytesSent;
    this.#state = State.Done;
    this.generation++;
    this.#deadline?.clear();
    this.grpc?.stop();
    this.stopSending();
    this.session.plugins?.close();
    // A tunnel is an attempt until it closes.
    this.endAttempt(error);
    this.failStream(error);
    this.endWaiting();
    this.#over?.abort();
    this.finish(error);
  }

  protected finish(error: ProxyError | null): void {
    this.proxy.finish(this.session, this.client, error);
  }

  protected suspend(): void {
    this.session.response?.source.retain();
    if (this.#state === State.Preparing) {
      if (!this.isReadHere) this.holdRequest(Hold.NotReady);
    } else if (this.#state === State.Relaying && !this.#headSent) this.holdResponse(Hold.Filter);
  }

  // ── what the session tells ─────────────────────────────────────────────────────────────────────────────────────

  get bytesReceived(): number {
    if (this.#state === State.Done) return this.#bytesReceived;
    return this.#tunnel === null ? this.downstream.bytesReceived : this.#tunnel.bytesUp;
  }

  get bytesSent(): number {
    if (this.#state === State.Done) return this.#bytesSent;
    return this.#tunnel === null ? this.downstream.bytesSent : this.#tunnel.bytesDown;
  }

  protected get isPreparing(): boolean {
    return this.#state === State.Preparing;
  }

  protected get isHeadSent(): boolean {
    return this.#headSent;
  }

  get isDone(): boolean {
    return this.#state === State.Done;
  }
}
