import { Counter } from "../base/counters.ts";
import { ProxyError } from "../base/errors.ts";
import { TrafficCount } from "../base/traffic/traffic-row.ts";
import type { UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport } from "../net/transport.ts";
import type { ConnectCallback, PendingStream, StreamCallback } from "../upstream/connect-attempt.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { ConnectStream } from "./connect-method.ts";
import { countConnection } from "./connection-counts.ts";
import type { HttpProxy } from "./http-proxy.ts";
import { ResponseSide } from "./response-side.ts";

/** How often servers that turn out to have no room are chosen in a row, before the session is refused. */
const MAX_REFUSALS = 8;

/** How a session gets a server: chooses one, and takes an idle connection to it or makes one. */
export abstract class Attempts<C>
  extends ResponseSide<C>
  implements ConnectCallback, StreamCallback, UpstreamSink
{
  abstract override readonly proxy: HttpProxy<C>;
  /** Whether the client asked for a tunnel, whatever filters make of its request. */
  abstract readonly isConnect: boolean;
  /** True when the server was reached over a connection that had been used before. */
  upstreamReused = false;
  /** What is known of the TLS of the server's connection; null without, and before there is one. */
  upstreamTls: TlsDigest | null = null;
  /** The server of the attempt that is under way, or was last. */
  protected peer: HttpPeer | null = null;
  #connecting: PendingStream | null = null;
  #refusals = 0;
  #needsFreshConnection = false;

  abstract onConnectFailed(error: ProxyError): void;
  abstract onInformational(...of: Parameters<UpstreamSink["onInformational"]>): void;
  abstract onResponseHead(...of: Parameters<UpstreamSink["onResponseHead"]>): void;
  abstract onResponseBody(...of: Parameters<UpstreamSink["onResponseBody"]>): void;
  abstract onResponseEnd(...of: Parameters<UpstreamSink["onResponseEnd"]>): void;
  abstract onUpstreamError(error: Error): void;

  /** A connection stands and the phase that wanted to know of it is done. */
  protected abstract onServer(): void;

  /** A server was chosen, and the attempt to have it answer begins. */
  protected abstract onAttempt(): void;

  protected choosePeer(): void {
    this.session.tries++;
    this.#refusals = 0;
    this.#askForPeer();
  }

  #askForPeer(): void {
    this.call(this.proxy.plan.upstreamPeer, this.#take, undefined);
  }

  #take(peer: HttpPeer): void {
    if (!(peer instanceof HttpPeer)) {
      this.fail(new ProxyError("FILTER_FAILED", "upstreamPeer returned no peer"));
      return;
    }
    this.session.peer = peer;
    this.peer = peer;
    if (this.beginAttempt(peer)) this.#connect(peer);
    else if (++this.#refusals < MAX_REFUSALS) this.#askForPeer();
    else this.fail(new ProxyError("UPSTREAM_OVERLOADED"));
  }

  #connect(peer: HttpPeer): void {
    const { proxy } = this;
    this.onAttempt();
    const isPlain = this.isConnect && peer.speaks !== "http2";
    const idle = this.#needsFreshConnection || isPlain ? null : proxy.connector.take(peer, this.#switches);
    if (idle !== null) {
      proxy.counters.add(Counter.upstreamReuses);
      this.#begin(idle);
      return;
    }
    this.suspend();
    this.#connecting = isPlain
      ? proxy.connector.connect(peer, this)
      : proxy.connector.openStream(peer, this, this.#switches);
  }

  /** For a CONNECT, unless it is sent on: a server of HTTP/2 has one of its own for it. */
  onConnected(transport: Transport): void {
    this.onStream(new ConnectStream(transport, this.peer!), true);
  }

  /** Whether the request is to make another protocol of its connection. */
  get #switches(): boolean {
    return this.session.request.upgrade !== null;
  }

  onStream(stream: UpstreamStream, isNew: boolean): void {
    this.#connecting = null;
    countConnection(this.proxy.counters, stream, isNew);
    if (isNew) this.session.upstreamTraffic?.add(TrafficCount.connections);
    this.#begin(stream);
  }

  #begin(upstream: UpstreamStream): void {
    const { proxy, session } = this;
    this.upstream = upstream;
    upstream.begin(this);
    this.upstreamReused = upstream.reused;
    this.upstreamTls = upstream.tls as TlsDigest | null;
    if (proxy.isTimed) session.timings.connected = proxy.now();
    this.call(proxy.plan.connectedToUpstream, this.onServer, this.peer!);
  }

  /** True while a connection is awaited. */
  protected get isConnecting(): boolean {
    return this.#connecting !== null;
  }

  /**
   * Everything as it was before a server was chosen.
   * @param isFresh whether the next one has to be reached over a connection that nobody had before
   */
  protected startOver(isFresh: boolean): void {
    this.generation++;
    this.proxy.counters.add(Counter.retries);
    this.dropUpstream(null);
    this.#needsFreshConnection = isFresh;
    this.holdForNextServer();
  }

  /** Gives up what is under way. */
  protected dropUpstream(error: ProxyError | null): void {
    this.endAttempt(error);
    this.dropConnection();
  }

  protected dropConnection(): void {
    this.#connecting?.cancel();
    this.#connecting = null;
    this.upstream?.abort();
    this.upstream = null;
  }
}
