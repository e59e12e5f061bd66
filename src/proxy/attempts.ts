import { Counter } from "../base/counters.ts";
import { ProxyError } from "../base/errors.ts";
import type { UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { Transport } from "../net/transport.ts";
import type { ConnectAttempt, ConnectCallback } from "../upstream/connector.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { ConnectStream } from "./connect-method.ts";
import { Flow } from "./flow.ts";
import type { HttpProxy } from "./http-proxy.ts";

/**
 * How a session gets a server: chooses one, takes an idle connection to it or makes one, and starts over when that
 * fails and the program wants another try.
 */
export abstract class Attempts<C> extends Flow<C> implements ConnectCallback, UpstreamSink {
  abstract readonly proxy: HttpProxy<C>;
  /** Whether the client asked for a tunnel, whatever filters make of its request. */
  abstract readonly isConnect: boolean;
  /** True when the server was reached over a connection that had been used before. */
  upstreamReused = false;
  #attempt: ConnectAttempt | null = null;
  #needsFreshConnection = false;

  abstract onInformational(...of: Parameters<UpstreamSink["onInformational"]>): void;
  abstract onResponseHead(...of: Parameters<UpstreamSink["onResponseHead"]>): void;
  abstract onResponseBody(...of: Parameters<UpstreamSink["onResponseBody"]>): void;
  abstract onResponseEnd(...of: Parameters<UpstreamSink["onResponseEnd"]>): void;
  abstract onUpstreamError(error: Error): void;

  /** A connection stands and the phase that wanted to know of it is done. */
  protected abstract onServer(): void;

  protected choosePeer(): void {
    this.session.tries++;
    this.call(this.proxy.plan.upstreamPeer, this.#connect, undefined);
  }

  #connect(peer: HttpPeer): void {
    const { session, proxy } = this;
    if (!(peer instanceof HttpPeer)) {
      this.fail(new ProxyError("FILTER_FAILED", "upstreamPeer returned no peer"));
      return;
    }
    session.peer = peer;
    const idle = this.#needsFreshConnection || this.isConnect ? null : proxy.connector.take(peer);
    if (idle !== null) {
      proxy.counters.add(Counter.upstreamReuses);
      this.#begin(idle);
      return;
    }
    this.suspend();
    this.#attempt = proxy.connector.connect(peer, this);
  }

  onConnected(transport: Transport): void {
    const { proxy, session } = this;
    const peer = session.peer!;
    this.#attempt = null;
    proxy.counters.add(Counter.upstreamConnects);
    this.#begin(this.isConnect ? new ConnectStream(transport, peer) : proxy.connector.adopt(transport, peer));
  }

  onConnectFailed(error: ProxyError): void {
    const { proxy, session } = this;
    this.#attempt = null;
    proxy.counters.add(Counter.upstreamConnectFailures);
    if (!this.tell("failToConnect", proxy.plan.failToConnect, error)) return;
    if (error.retry === "yes" && session.tries < proxy.retries.maxTries) this.retry();
    else this.fail(error);
  }

  #begin(upstream: UpstreamStream): void {
    const { proxy, session } = this;
    this.upstream = upstream;
    upstream.begin(this);
    this.upstreamReused = upstream.reused;
    if (proxy.isTimed) session.timings.connected = performance.now();
    this.call(proxy.plan.connectedToUpstream, this.onServer, session.peer!);
  }

  /** Back to `upstreamPeer`, on a connection that nobody had before. */
  protected retry(): void {
    this.generation++;
    this.proxy.counters.add(Counter.retries);
    this.dropUpstream();
    this.#needsFreshConnection = true;
    this.holdForNextServer();
    this.choosePeer();
  }

  protected dropUpstream(): void {
    this.#attempt?.cancel();
    this.#attempt = null;
    this.upstream?.abort();
    this.upstream = null;
  }
}
