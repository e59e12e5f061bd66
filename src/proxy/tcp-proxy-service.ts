import type { Socket } from "node:net";
import { Counter, type Counters } from "../base/counters.ts";
import { TimeoutQueue } from "../base/timeouts.ts";
import type { Faults } from "../chaos/faults.ts";
import { formatHostPort, plainAddress } from "../net/address.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import { ClientCounts } from "./client-counts.ts";
import type { Service, ServiceContext } from "./service.ts";
import type { ConnectionState, StreamEvent, StreamProxySettings, StreamTraffic } from "./stream-proxy.ts";
import { type RelayHost, TcpRelay } from "./tcp-relay.ts";
import { UpstreamRotation, type UpstreamServer } from "./upstream-rotation.ts";

export interface StreamServiceOptions {
  /** What is done to its connections; null for nothing, ever. */
  readonly faults: Faults | null;
  /** Hears what happens. It must not throw. */
  readonly onEvent?: (event: StreamEvent) => void;
  /** Hears what a connection has moved when it is over. It must not throw. */
  readonly onTraffic?: (traffic: StreamTraffic) => void;
}

/** Relays TCP connections, and those of Unix sockets, to servers: one thread's part of a proxy. */
export class TcpProxyService implements Service, RelayHost {
  readonly name: string;
  readonly listen: readonly string[];
  readonly pausesAccepted = true;
  readonly settings: StreamProxySettings;
  readonly faults: Faults | null;
  readonly idle: TimeoutQueue;
  readonly #onEvent: ((event: StreamEvent) => void) | null;
  readonly #onTraffic: ((traffic: StreamTraffic) => void) | null;
  readonly #relays = new Map<string, TcpRelay>();
  readonly #clients: ClientCounts;
  #upstreams: UpstreamRotation;
  #context: ServiceContext | null = null;
  #accepted = 0;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  /** @throws RangeError when an upstream's address can't be read; TypeError when there is none */
  constructor(settings: StreamProxySettings, { faults, onEvent, onTraffic }: StreamServiceOptions) {
    this.name = settings.name;
    this.listen = [settings.listen];
    this.settings = settings;
    this.faults = faults;
    this.idle = new TimeoutQueue(settings.idleTimeout);
    this.#onEvent = onEvent ?? null;
    this.#onTraffic = onTraffic ?? null;
    this.#clients = new ClientCounts(settings.maxConnectionsPerClient);
    this.#upstreams = new UpstreamRotation(settings.upstreams, settings.connectTimeout);
    faults?.whenActive(() => {
      for (const relay of this.#relays.values()) relay.layFaults();
    });
  }

  get counters(): Counters {
    return this.#context!.counters;
  }

  start(context: ServiceContext): void {
    this.#context = context;
  }

  /** Where connections lead that come from now on. @throws as the constructor does */
  setUpstreams(addresses: readonly string[]): void {
    this.#upstreams = new UpstreamRotation(addresses, this.settings.connectTimeout);
  }

  accept(socket: Socket, _listener: string): void {
    const { counters, signal } = this.#context!;
    const { maxConnections } = this.settings;
    counters.add(Counter.connectionsAccepted);
    if (this.#draining || signal.aborted) this.#refuse(socket, "shutting down", false);
    else if (maxConnections > 0 && this.#relays.size >= maxConnections)
      this.#refuse(socket, `connection limit of ${maxConnections} reached`, false);
    else {
      const admission = this.faults?.admit();
      if (admission?.refuse === true) this.#refuse(socket, "denied", true);
      else this.#open(socket, admission?.delay ?? 0);
    }
  }

  #refuse(socket: Socket, reason: string, isReset: boolean): void {
    this.counters.add(Counter.connectionsRefused);
    const { remoteAddress, remotePort = 0 } = socket;
    const client = remoteAddress === undefined ? "" : formatHostPort(plainAddress(remoteAddress), remotePort);
    this.#tell("refused", "", client, reason);
    // Only TCP knows resets.
    if (isReset && remoteAddress !== undefined) socket.resetAndDestroy();
    else socket.destroy();
  }

  #open(socket: Socket, delay: number): void {
    const id = `${this.#context!.thread}.${++this.#accepted}`;
    const relay = new TcpRelay(this, id, (handler) => adoptAccepted(socket, handler));
    this.#relays.set(id, relay);
    this.counters.add(Counter.connectionsOpen);
    relay.start(delay);
  }

  // ── for its connections ────────────────────────────────────────────────────────────────────────────────────────

  candidates(): readonly UpstreamServer[] {
    return this.#upstreams.candidates(performance.now());
  }

  countClient(relay: TcpRelay): string | null {
    if (this.#clients.add(relay.clientAddress)) {
      relay.isCounted = true;
      return null;
    }
    return `connection limit of ${this.settings.maxConnectionsPerClient} per client reached`;
  }

  tell(kind: StreamEvent["kind"], relay: TcpRelay, detail: string): void {
    if (this.#onEvent !== null) this.#tell(kind, relay.id, relay.client, detail);
  }

  #tell(kind: StreamEvent["kind"], connection: string, client: string, detail: string): void {
    this.#onEvent?.({ kind, proxy: this.name, time: Date.now(), connection, client, detail });
  }

  onRelayClosed(relay: TcpRelay): void {
    if (!this.#relays.delete(relay.id)) return;
    this.counters.add(Counter.connectionsOpen, -1);
    this.#onTraffic?.(relay.traffic);
    if (relay.isCounted) this.#clients.remove(relay.clientAddress);
    if (this.#relays.size === 0) this.#onEmpty?.();
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────────────────────

  connections(): ConnectionState[] {
    return [...this.#relays.values()].map(({ state }) => state);
  }

  /** Ends connections with a reset on both sides: the one of this id, or all. */
  cut(id?: string): void {
    if (id === undefined) for (const relay of this.#relays.values()) relay.cut();
    else this.#relays.get(id)?.cut();
  }

  /** Waits for the open connections to end by themselves. */
  drain(): Promise<void> {
    this.#draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#relays.size === 0) resolve();
    return promise;
  }

  destroy(): void {
    this.#draining = true;
    for (const relay of this.#relays.values()) relay.destroy();
  }
}
