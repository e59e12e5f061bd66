import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import type { UpstreamStream } from "../http/streams.ts";
import { Http2ClientConnection, type Http2ConnectionKeeper } from "../http2/client-connection.ts";
import type { Http2ClientStream } from "../http2/client-stream.ts";
import type { Transport } from "../net/transport.ts";
import {
  ConnectAttempt,
  type ConnectCallback,
  connectTimeout,
  type PendingStream,
  type StreamCallback,
} from "./connect-attempt.ts";
import type { HttpPeer } from "./peer.ts";
import { EITHER, HTTP2_ONLY } from "./peer-tls.ts";
import type { PoolOptions } from "./pool.ts";

/** Connections of a thread to one peer: further requests wait for room on them. */
const MAX_CONNECTIONS = 32;

/** Who takes over when a server that may choose doesn't choose HTTP/2. */
export interface Http1Fallback {
  /** `waiting` are all that wait for `peer`; they are the callee's from now on, as is the connection. */
  onHttp1(transport: Transport, peer: HttpPeer, waiting: readonly Waiter[]): void;
}

/** What the connections of all peers have in common. */
interface SharedMeans {
  readonly options: PoolOptions;
  readonly fallback: Http1Fallback;
  readonly idleTimeout: TimeoutQueue;
  onOpened(): void;
  onClosed(): void;
  onIdle(entry: SharedConnection): void;
  onBusy(): void;
  /** There is nothing any more to be remembered of this peer. */
  forget(connections: PeerConnections): void;
  readonly isClosed: boolean;
}

/**
 * Connections that carry many requests at once, by the whole identity of the peer. The first with room gets the next
 * request, so that there are few and what isn't needed any more becomes idle.
 */
export class SharedPool implements SharedMeans {
  readonly options: PoolOptions;
  readonly fallback: Http1Fallback;
  readonly idleTimeout: TimeoutQueue;
  /** Connections that stand, and those of them that are idle. */
  open = 0;
  idle = 0;
  isClosed = false;
  readonly #peers = new Map<string, PeerConnections>();

  constructor(options: PoolOptions, fallback: Http1Fallback) {
    this.options = options;
    this.fallback = fallback;
    const { idleTimeout } = options;
    this.idleTimeout = new TimeoutQueue(idleTimeout === 0 ? Number.MAX_SAFE_INTEGER : idleTimeout);
  }

  /** A stream on a connection with room, if there is one and nobody waits for it. */
  take(peer: HttpPeer): Http2ClientStream | null {
    return this.#connectionsOf(peer).take();
  }

  /** A stream on the next connection with room, which may have to be made. */
  join(peer: HttpPeer, callback: StreamCallback): Waiter {
    return this.#connectionsOf(peer).join(peer, callback);
  }

  /** True when a connection with room is to a server that lets requests switch protocols (RFC 8441). */
  switchesProtocols(peer: HttpPeer): boolean {
    return this.#peers.get(peer.key)?.switchesProtocols === true;
  }

  /** A connection that was made for a single request turned out to be one for many. */
  adopt(transport: Transport, peer: HttpPeer): void {
    this.#connectionsOf(peer).adopt(transport, peer);
  }

  /** Closes idle connections now, others with their last stream. */
  close(): void {
    this.isClosed = true;
    for (const connections of this.#peers.values()) connections.retire();
  }

  onOpened(): void {
    this.open++;
  }

  onClosed(): void {
    this.open--;
  }

  onIdle(entry: SharedConnection): void {
    const { size } = this.options;
    if (size === 0 || this.isClosed) {
      entry.connection.retire();
      return;
    }
    if (this.idle >= size) (this.idleTimeout.oldest as SharedConnection | null)?.onDeadline();
    this.idle++;
    entry.isIdle = true;
    this.idleTimeout.set(entry.deadline);
  }

  onBusy(): void {
    this.idle--;
  }

  forget(connections: PeerConnections): void {
    connections.isListed = false;
    this.#peers.delete(connections.key);
  }

  /** Remembered in the peer, so that one that is used again needs no look-up. */
  #connectionsOf(peer: HttpPeer): PeerConnections {
    const known = peer.shared;
    if (known instanceof PeerConnections && known.means === this && known.isListed) return known;
    const { key } = peer;
    const connections = this.#peers.getOrInsertComputed(key, () => new PeerConnections(key, this));
    peer.shared = connections;
    return connections;
  }
}

/** The connections to one peer, those in the making, and who waits for room. */
class PeerConnections implements Http2ConnectionKeeper {
  readonly key: string;
  readonly means: SharedMeans;
  /** False once the pool has forgotten it. */
  isListed = true;
  readonly #entries: SharedConnection[] = [];
  #connecting = 0;
  #waiting: Waiter[] = [];
  #peer: HttpPeer | null = null;
  /** Streams that a connection to this peer carries, by the last one that said. */
  #capacity = 0;
  #servesSoon = false;

  constructor(key: string, means: SharedMeans) {
    this.key = key;
    this.means = means;
  }

  take(): Http2ClientStream | null {
    return this.#waiting.length > 0 ? null : (this.#withRoom()?.takeStream() ?? null);
  }

  get switchesProtocols(): boolean {
    return this.#withRoom()?.connection.switchesProtocols === true;
  }

  #withRoom(): SharedConnection | null {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.connection.hasRoom) return entry;
    }
    return null;
  }

  join(peer: HttpPeer, callback: StreamCallback): Waiter {
    const waiter = new Waiter(this, callback);
    this.#peer = peer;
    this.#waiting.push(waiter);
    this.#cover();
    // After that of the connection that is made for it, which knows better what took so long.
    connectTimeout(peer.connectTimeout).set(waiter.deadline);
    this.#serveSoon();
    return waiter;
  }

  /** @internal */
  leave(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter);
    if (index !== -1) this.#waiting.splice(index, 1);
  }

  /**
   * One that has waited too long gets nothing, for the reason that is returned. A connection on which nothing may be sent is of no use
   * even if it stays: the server may mean it for that one alone.
   */
  onLate(waiter: Waiter): ErrorCode {
    this.leave(waiter);
    for (const { connection } of [...this.#entries]) if (connection.capacity === 0) connection.retire();
    const isReady = this.#entries.some(({ connection }) => connection.hasPeerSettings);
    return isReady ? "UPSTREAM_OVERLOADED" : "UPSTREAM_CONNECT_TIMEOUT";
  }

  retire(): void {
    for (const { connection } of [...this.#entries]) connection.retire();
  }

  // ── connections ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes connections for those that wait, as many as it takes by what is known of the server: a burst of requests
   * waits for the first one, and only what that can't carry has another made.
   */
  #cover(): void {
    const peer = this.#peer!;
    const capacity = this.#capacity === 0 ? peer.http2Client.settings.streams : this.#capacity;
    let room = this.#connecting * capacity;
    for (const { connection } of this.#entries) {
      // A server that lets nobody in now won't let in more connections either.
      if (connection.usable && connection.capacity === 0) return;
      if (connection.usable && !connection.hasPeerSettings) room += capacity - connection.active;
      else if (connection.hasRoom) room += connection.capacity - connection.active;
    }
    while (this.#waiting.length > room && this.#entries.length + this.#connecting < MAX_CONNECTIONS) {
      this.#connecting++;
      room += capacity;
      new ConnectAttempt(peer, new ConnectionMaker(this), peer.speaks === "either" ? EITHER : HTTP2_ONLY);
    }
  }

  /** @internal */
  onConnected(transport: Transport): void {
    const peer = this.#peer!;
    this.#connecting--;
    if (peer.speaks === "either" && transport.tls?.alpn !== "h2") {
      this.means.fallback.onHttp1(transport, peer, this.#takeWaiting());
      this.#forgetIfEmpty();
      return;
    }
    this.#add(transport);
    // The first is tried with one request, at once: it needn't wait for the server's settings.
    this.#serve();
  }

  #add(transport: Transport): void {
    const connection = new Http2ClientConnection(transport, this.#peer!.http2Client, this);
    this.#entries.push(new SharedConnection(connection, this.means));
    this.means.onOpened();
  }

  /** Takes a connection that is there, if it is needed: of many that came at once, the first will do. */
  adopt(transport: Transport, peer: HttpPeer): void {
    this.#peer = peer;
    const isNeeded = this.#entries.every(
      ({ connection }) => !connection.usable || connection.hasPeerSettings,
    );
    if (isNeeded && this.#withRoom() === null) this.#add(transport);
    else transport.destroy();
  }

  /** @internal */
  onConnectFailed(error: ProxyError): void {
    this.#connecting--;
    this.#failWaiting(error);
  }

  /** Those that wait have nothing to wait for, unless there is another connection. */
  #failWaiting(error: ProxyError): void {
    if (this.#connecting > 0 || this.#entries.some(({ connection }) => connection.usable)) return;
    for (const waiter of this.#takeWaiting()) waiter.fail(error);
    this.#forgetIfEmpty();
  }

  #takeWaiting(): Waiter[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  onRoomChanged(connection: Http2ClientConnection): void {
    if (connection.hasPeerSettings && connection.capacity > 0) this.#capacity = connection.capacity;
    const entry = this.#entries.find((other) => other.connection === connection);
    if (entry === undefined) return;
    if (!connection.usable) this.#remove(entry);
    else if (connection.active === 0 && this.#waiting.length === 0) entry.becomeIdle();
    // One that is lost before it was ready is no reason for another: `onClosed` decides.
    const wasReady = connection.usable || connection.hasPeerSettings;
    if (this.#waiting.length > 0 && wasReady) this.#serveSoon();
  }

  onClosed(connection: Http2ClientConnection, error: ProxyError): void {
    this.means.onClosed();
    const entry = this.#entries.find((other) => other.connection === connection);
    if (entry !== undefined) this.#remove(entry);
    // A server that never said a word of HTTP/2 won't the next time.
    if (!connection.hasPeerSettings) this.#failWaiting(toConnectError(error));
    this.#forgetIfEmpty();
  }

  #remove(entry: SharedConnection): void {
    entry.leaveIdle();
    this.#entries.splice(this.#entries.indexOf(entry), 1);
  }

  #forgetIfEmpty(): void {
    const isUsed = this.#entries.length > 0 || this.#connecting > 0 || this.#waiting.length > 0;
    if (!isUsed && this.isListed) this.means.forget(this);
  }

  // ── who waits ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Not within what a connection is about: a stream that ends mustn't have another begun in the middle of that. */
  #serveSoon(): void {
    if (this.#servesSoon) return;
    this.#servesSoon = true;
    process.nextTick(() => {
      this.#servesSoon = false;
      this.#serve();
    });
  }

  #serve(): void {
    for (let entry = this.#withRoom(); entry !== null && this.#waiting.length > 0; entry = this.#withRoom()) {
      const waiter = this.#waiting.shift()!;
      const isNew = entry.isNew;
      waiter.serve(entry.takeStream(), isNew);
    }
    if (this.#waiting.length > 0) this.#cover();
    else for (const entry of this.#entries) if (entry.connection.active === 0) entry.becomeIdle();
  }
}

/** An error of a connection as that of its making. */
function toConnectError(error: ProxyError): ProxyError {
  return new ProxyError("UPSTREAM_CONNECT_FAILED", error.message, { cause: error });
}

/** An attempt to connect whose connection is nobody's in particular. */
class ConnectionMaker implements ConnectCallback {
  readonly #connections: PeerConnections;

  constructor(connections: PeerConnections) {
    this.#connections = connections;
  }

  onConnected(transport: Transport): void {
    this.#connections.onConnected(transport);
  }

  onConnectFailed(error: ProxyError): void {
    this.#connections.onConnectFailed(error);
  }
}

/** A connection with its place in the pool. */
class SharedConnection implements DeadlineOwner {
  readonly connection: Http2ClientConnection;
  readonly deadline: Deadline = new Deadline(this);
  isIdle = false;
  /** True until it was used. */
  isNew = true;
  readonly #means: SharedMeans;

  constructor(connection: Http2ClientConnection, means: SharedMeans) {
    this.connection = connection;
    this.#means = means;
  }

  takeStream(): Http2ClientStream {
    this.isNew = false;
    if (this.isIdle) this.leaveIdle();
    return this.connection.takeStream();
  }

  becomeIdle(): void {
    if (!this.isIdle) this.#means.onIdle(this);
  }

  leaveIdle(): void {
    this.deadline.clear();
    if (!this.isIdle) return;
    this.isIdle = false;
    this.#means.onBusy();
  }

  /** Nobody needed it. */
  onDeadline(): void {
    this.connection.retire();
  }
}

/** Somebody who waits for a stream; it can be given up. */
export class Waiter implements DeadlineOwner, PendingStream {
  readonly deadline: Deadline = new Deadline(this);
  readonly #connections: PeerConnections;
  readonly #callback: StreamCallback;
  /** What it waits for instead, for its own connection. */
  #other: PendingStream | null = null;

  constructor(connections: PeerConnections, callback: StreamCallback) {
    this.#connections = connections;
    this.#callback = callback;
  }

  cancel(): void {
    this.deadline.clear();
    if (this.#other === null) this.#connections.leave(this);
    else this.#other.cancel();
  }

  onDeadline(): void {
    const code = this.#connections.onLate(this);
    this.#callback.onConnectFailed(new ProxyError(code, "no stream was free in time"));
  }

  /** @internal waits for something else from now on */
  waitFor(open: (callback: StreamCallback) => PendingStream): void {
    this.deadline.clear();
    this.#other = open(this.#callback);
  }

  /** @internal */
  serve(stream: UpstreamStream, isNew: boolean): void {
    this.deadline.clear();
    this.#callback.onStream(stream, isNew);
  }

  /** @internal */
  fail(error: ProxyError): void {
    this.deadline.clear();
    this.#callback.onConnectFailed(error.copy());
  }
}
