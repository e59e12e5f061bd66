import { Counter } from "../base/counters.ts";
import { ProxyError } from "../base/errors.ts";
import type { UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { Transport } from "../net/transport.ts";
import type { AttemptWatcher } from "../upstream/attempt-watcher.ts";
import type { ConnectAttempt, ConnectCallback } from "../upstream/connector.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { ConnectStream } from "./connect-method.ts";
import { Flow } from "./flow.ts";
import type { HttpProxy } from "./http-proxy.ts";

/** How often servers that turn out to have no room are chosen in a row, before the session is refused. */
const MAX_REFUSALS = 8;

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
  /** Hears of the attempt that is under way; null when nobody wants to, and between two attempts. */
  #watcher: AttemptWatcher | null = null;
  #beganAt = 0;
  #refusals = 0;
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
    this.#refusals = 0;
    this.#askForPeer();
  }

  #askForPeer(): void {
    this.call(this.proxy.plan.upstreamPeer, this.#connect, undefined);
  }

  #connect(peer: HttpPeer): void {
    const { session, proxy } = this;
    if (!(peer instanceof HttpPeer)) {
      this.fail(new ProxyError("FILTER_FAILED", "upstreamPeer returned no peer"));
      return;
    }
    session.peer = peer;
    if (peer.watcher !== null && !this.#beginWatch(peer.watcher)) return;
    const idle = this.#needsFreshConnection || this.isConnect ? null : proxy.connector.take(peer);
    if (idle !== null) {
      proxy.counters.add(Counter.upstreamReuses);
      this.#begin(idle);
      return;
    }
    this.suspend();
    this.#attempt = proxy.connector.connect(peer, this);
  }

  /** False when the server has no room any more: another one is chosen, or none was found for too long. */
  #beginWatch(watcher: AttemptWatcher): boolean {
    if (watcher.onBegin()) {
      this.#watcher = watcher;
      if (watcher.isTimed) this.#beganAt = performance.now();
      return true;
    }
    if (++this.#refusals < MAX_REFUSALS) this.#askForPeer();
    else this.fail(new ProxyError("UPSTREAM_OVERLOADED"));
    return false;
  }

  /** The final head is there. */
  protected noteResponse(status: number): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    watcher.onResponse(status, watcher.isTimed ? performance.now() - this.#beganAt : 0);
  }

  /** The attempt is over; nothing happens when it was already, or there was none. */
  protected endAttempt(error: ProxyError | null): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    this.#watcher = null;
    watcher.onEnd(error);
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
    this.endAttempt(error);
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
    this.dropUpstream(null);
    this.#needsFreshConnection = true;
    this.holdForNextServer();
    this.choosePeer();
  }

  /** Gives up what is under way. */
  protected dropUpstream(error: ProxyError | null): void {
    this.endAttempt(error);
    this.#attempt?.cancel();
    this.#attempt = null;
    this.upstream?.abort();
    this.upstream = null;
  }
}
