import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import type { ClientConnection, ConnectionKeeper } from "../http1/client-connection.ts";
import type { HttpPeer } from "./peer.ts";

export interface PoolOptions {
  /** Idle connections a thread keeps, over all peers. 0: none. */
  readonly size: number;
  /** Milliseconds after which an idle connection is closed; 0: never. */
  readonly idleTimeout: number;
}

export const DEFAULT_POOL_OPTIONS: PoolOptions = { size: 512, idleTimeout: 60_000 };

/** Idle connections of one peer, the one used last on top: the others get a chance to be closed for idleness. */
class Stack {
  readonly key: string;
  readonly entries: PooledConnection[] = [];
  /** False once the pool has forgotten it; whoever still refers to it looks the peer up anew. */
  isListed = true;

  constructor(key: string) {
    this.key = key;
  }
}

/** Peers that are remembered without having idle connections: programs may make up peers for ever. */
const EMPTY_STACKS = 1024;

/**
 * Idle connections to servers, by the whole identity of the peer. When it is full, the connection that has been idle
 * longest makes room. A server that closes an idle connection takes it out at once: idle connections keep reading.
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #stacks = new Map<string, Stack>();
  readonly #idleTimeout: TimeoutQueue;
  #size = 0;
  #sweepAt = EMPTY_STACKS;
  #closed = false;

  constructor(options: PoolOptions = DEFAULT_POOL_OPTIONS) {
    this.#options = options;
    this.#idleTimeout = new TimeoutQueue(
      options.idleTimeout === 0 ? Number.MAX_SAFE_INTEGER : options.idleTimeout,
    );
  }

  /** Idle connections now. */
  get size(): number {
    return this.#size;
  }

  /** Peers that are remembered. */
  get peers(): number {
    return this.#stacks.size;
  }

  /** The idle connection to `peer` that was used last, if there is one. */
  take(peer: HttpPeer): ClientConnection | null {
    const { entries } = this.#stackOf(peer);
    for (let entry = entries.pop(); entry !== undefined; entry = entries.pop()) {
      this.#size--;
      entry.isIdle = false;
      entry.deadline.clear();
      if (entry.connection.usable) return entry.connection;
      entry.connection.transport.destroy();
    }
    return null;
  }

  /** A keeper for a new connection to `peer`: it brings the connection here between requests. */
  keeperFor(peer: HttpPeer, onClosed: () => void): PooledConnection {
    return new PooledConnection(this, this.#stackOf(peer), onClosed);
  }

  /** Closes all idle connections, and from now on those that become idle. */
  close(): void {
    this.#closed = true;
    for (const { entries } of this.#stacks.values()) {
      for (const entry of [...entries]) entry.connection.transport.destroy();
    }
  }

  /** @internal */
  put(entry: PooledConnection): void {
    if (this.#options.size === 0 || this.#closed) {
      entry.connection.transport.destroy();
      return;
    }
    if (this.#size >= this.#options.size) (this.#idleTimeout.oldest as PooledConnection | null)?.discard();
    entry.isIdle = true;
    if (!entry.stack.isListed) entry.stack = this.#stackFor(entry.stack.key);
    entry.stack.entries.push(entry);
    this.#size++;
    this.#idleTimeout.set(entry.deadline);
  }

  /** @internal */
  remove(entry: PooledConnection): void {
    const { entries } = entry.stack;
    const index = entries.lastIndexOf(entry);
    if (index === -1) return;
    entries.splice(index, 1);
    this.#size--;
  }

  #stackOf(peer: HttpPeer): Stack {
    const known = peer.idle as PeerIdle | null;
    if (known !== null && known.pool === this && known.stack.isListed) return known.stack;
    const stack = this.#stackFor(peer.key);
    peer.idle = { pool: this, stack } satisfies PeerIdle;
    return stack;
  }

  #stackFor(key: string): Stack {
    const known = this.#stacks.get(key);
    if (known !== undefined) return known;
    if (this.#stacks.size >= this.#sweepAt) this.#sweep();
    const stack = new Stack(key);
    this.#stacks.set(key, stack);
    return stack;
  }

  /** Forgets the peers that have nothing here. */
  #sweep(): void {
    for (const stack of this.#stacks.values()) {
      if (stack.entries.length > 0) continue;
      stack.isListed = false;
      this.#stacks.delete(stack.key);
    }
    this.#sweepAt = this.#stacks.size + EMPTY_STACKS;
  }
}

/** Remembered in the peer, so that a peer that is used again needs no look-up. */
interface PeerIdle {
  readonly pool: ConnectionPool;
  readonly stack: Stack;
}

/** A connection's place in the pool, for as long as the connection lives. */
export class PooledConnection implements ConnectionKeeper, DeadlineOwner {
  connection!: ClientConnection;
  isIdle = false;
  readonly deadline: Deadline = new Deadline(this);
  stack: Stack;
  readonly #pool: ConnectionPool;
  readonly #onClosed: () => void;

  constructor(pool: ConnectionPool, stack: Stack, onClosed: () => void) {
    this.#pool = pool;
    this.stack = stack;
    this.#onClosed = onClosed;
  }

  onReusable(): void {
    this.#pool.put(this);
  }

  onClosed(): void {
    this.#leave();
    this.#onClosed();
  }

  onDeadline(): void {
    this.discard();
  }

  /** Closes it because nobody needed it. */
  discard(): void {
    this.#leave();
    this.connection.transport.destroy();
  }

  #leave(): void {
    this.deadline.clear();
    if (!this.isIdle) return;
    this.isIdle = false;
    this.#pool.remove(this);
  }
}
