import { Counter } from "../base/counters.ts";
import { ProxyError, toProxyError } from "../base/errors.ts";
import type { RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { PendingStream, StreamCallback } from "../upstream/connect-attempt.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { countConnectFailure, countConnection } from "./connection-counts.ts";
import type { HttpProxy } from "./http-proxy.ts";
import type { RetryGate, Session } from "./session.ts";
import { WatchedAttempt } from "./watched-attempt.ts";

/** Whose request is sent a second time. It hears all that comes once the hedge has won. */
export interface HedgeOwner<C> extends UpstreamSink {
  readonly session: Session<C>;
  readonly proxy: HttpProxy<C>;
  /** Sends all of the request, with `head` as its head. */
  sendCopy(server: UpstreamStream, head: RequestHead, peer: HttpPeer): void;
  /** The second server has answered: the owner takes it, or drops it. */
  onHedgeHead(head: ResponseHead): void;
  /** What a response says of its server. */
  statusOf(head: ResponseHead): number;
  /** There is no second attempt, or it failed. */
  onHedgeFailed(error: ProxyError): void;
}

/**
 * A second attempt beside one that takes its time, on another server. Until it has won it keeps what it hears to itself;
 * from then on it passes everything on, so that the relay knows one server only.
 *
 *     first   ──▶ ……………………………………………… (given up)
 *     hedge        └─ upstreamPeer ─▶ connect ─▶ send ─▶ head ══▶ the relay
 */
export class Hedge<C> extends WatchedAttempt implements StreamCallback, UpstreamSink {
  /** Who let it begin. */
  readonly gate: RetryGate | null;
  peer: HttpPeer | null = null;
  /** The server, once a connection to it stands. */
  upstream: UpstreamStream | null = null;
  isConnected = false;
  reused = false;
  /** When that was, where sessions take their timings. */
  connectedAt = 0;
  readonly #owner: HedgeOwner<C>;
  readonly #first: HttpPeer;
  #connecting: PendingStream | null = null;
  #hasWon = false;
  #isOver = false;

  constructor(owner: HedgeOwner<C>, first: HttpPeer, gate: RetryGate | null) {
    super();
    this.#owner = owner;
    this.#first = first;
    this.gate = gate;
  }

  /** True once a server was chosen: from then on the request may rely on this attempt alone. */
  get isUnderWay(): boolean {
    return this.peer !== null;
  }

  async start(): Promise<void> {
    const { session, proxy } = this.#owner;
    try {
      const peer = await proxy.plan.upstreamPeer(session);
      if (this.#isOver) return;
      // The same server, asked twice, would only be busier.
      const isOther = peer instanceof HttpPeer && peer.key !== this.#first.key;
      if (isOther && this.beginAttempt(peer)) this.#connect(peer);
      else this.fail(new ProxyError("NO_PEER"));
    } catch (thrown) {
      // That there is no second server is no fault of the first one's.
      this.fail(toProxyError(thrown));
    }
  }

  #connect(peer: HttpPeer): void {
    const { proxy, session } = this.#owner;
    this.peer = peer;
    session.peer = peer;
    const idle = proxy.connector.take(peer);
    if (idle === null) {
      this.#connecting = proxy.connector.openStream(peer, this);
      return;
    }
    proxy.counters.add(Counter.upstreamReuses);
    void this.#begin(idle, peer);
  }

  onStream(stream: UpstreamStream, isNew: boolean): void {
    const { counters } = this.#owner.proxy;
    this.#connecting = null;
    countConnection(counters, stream, isNew);
    void this.#begin(stream, this.peer!);
  }

  onConnectFailed(error: ProxyError): void {
    this.#connecting = null;
    countConnectFailure(this.#owner.proxy.counters, error);
    this.fail(error);
  }

  /** The phases between a connection and the request, then the request. */
  async #begin(upstream: UpstreamStream, peer: HttpPeer): Promise<void> {
    const { session, proxy } = this.#owner;
    const { connectedToUpstream, upstreamRequestFilter } = proxy.plan;
    this.upstream = upstream;
    upstream.begin(this);
    this.reused = upstream.reused;
    this.isConnected = true;
    if (proxy.isTimed) this.connectedAt = proxy.now();
    try {
      if (connectedToUpstream !== null) await connectedToUpstream(session, peer);
      if (this.#isOver) return;
      session.peer = peer;
      const head = upstreamRequestFilter === null ? session.request : session.request.fork();
      if (upstreamRequestFilter !== null) await upstreamRequestFilter(session, head);
      if (!this.#isOver) this.#owner.sendCopy(upstream, head, peer);
    } catch (thrown) {
      this.fail(toProxyError(thrown));
    }
  }

  fail(error: ProxyError): void {
    if (this.#isOver) return;
    this.stop(error);
    this.#owner.onHedgeFailed(error);
  }

  /** The request is answered by this attempt: `owner` has taken it over. */
  win(): void {
    this.#hasWon = true;
    this.#isOver = true;
  }

  /** Gives it up, and tells nobody but the watcher. */
  stop(error: ProxyError | null): void {
    this.#isOver = true;
    this.endAttempt(error);
    this.#connecting?.cancel();
    this.#connecting = null;
    this.upstream?.abort();
    this.upstream = null;
  }

  /** The client heard the first server's interim responses, if any; two servers' would make no sense to it. */
  onInformational(): void {}

  onResponseHead(head: ResponseHead): void {
    this.noteResponse(this.#owner.statusOf(head));
    this.#owner.onHedgeHead(head);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    if (this.#hasWon) this.#owner.onResponseBody(bytes, start, end);
  }

  onResponseEnd(trailers: HttpHeaders | null): void {
    if (this.#hasWon) this.#owner.onResponseEnd(trailers);
  }

  onUpstreamBlocked(): void {
    if (this.#hasWon) this.#owner.onUpstreamBlocked();
  }

  onUpstreamDrained(): void {
    if (this.#hasWon) this.#owner.onUpstreamDrained();
  }

  onUpstreamError(error: Error): void {
    if (this.#hasWon) this.#owner.onUpstreamError(error);
    else {
      this.upstream = null;
      this.fail(toProxyError(error));
    }
  }
}
