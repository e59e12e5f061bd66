import type { Socket } from "node:net";
import { Counter, type Counters } from "../base/counters.ts";
import { TimeoutQueue } from "../base/timeouts.ts";
import type { TrafficBook } from "../base/traffic/traffic-book.ts";
import { TrafficCount } from "../base/traffic/traffic-row.ts";
import type { Faults } from "../chaos/faults.ts";
import { formatHostPort, plainAddress } from "../net/address.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import type { ProxiedAddresses } from "../net/proxy-protocol.ts";
import { resetSocket } from "../net/reset-socket.ts";
import type { ClientHello } from "../net/tls/client-hello.ts";
import type { PluginRow } from "../plugins/plugin-row.ts";
import { ClientCounts } from "./client-counts.ts";
import type { ConnectionState, StreamEvent, StreamTraffic } from "./stream-proxy.ts";
import { type RelayHost, type RelaySettings, type RelayStart, TcpRelay } from "./tcp-relay.ts";
import { StreamMeter } from "./traffic/stream-meter.ts";
import { UpstreamRotation } from "./upstream-rotation.ts";

export interface StreamServiceOptions {
  /** What is done to its connections; null for nothing, ever. */
  readonly faults: Faults | null;
  /** What bytes go through, but those that are passed on unopened; absent: nothing. */
  readonly plugins?: PluginRow | null;
  /** Hears what a plugin did wrong. It must not throw. */
  readonly onPluginFailed?: (error: Error) => void;
  /** Hears what happens. It must not throw. */
  readonly onEvent?: (event: StreamEvent) => void;
  /** Hears what a connection has moved when it is over. It must not throw. */
  readonly onTraffic?: (traffic: StreamTraffic) => void;
}

/** What relays need of the thread that they run in. */
export interface RelayContext {
  readonly counters: Counters;
  /** Where traffic is counted; absent: nowhere. */
  readonly traffic?: TrafficBook | null;
  /** 0 for the first thread, and when there is only one. */
  readonly thread: number;
}

/** The connections of one listener in one thread that are relayed as they are, with their limits, faults and events. */
export class TcpRelays implements RelayHost {
  readonly settings: RelaySettings;
  readonly faults: Faults | null;
  readonly idle: TimeoutQueue;
  readonly #onEvent: ((event: StreamEvent) => void) | null;
  readonly #onTraffic: ((traffic: StreamTraffic) => void) | null;
  readonly #onPluginFailed: ((error: Error) => void) | null;
  readonly #plugins: PluginRow | null;
  readonly #relays = new Map<string, TcpRelay>();
  #clients: ClientCounts;
  readonly #leaveFaults: (() => void) | undefined;
  readonly #rotations = new WeakMap<readonly string[], UpstreamRotation>();
  meter: StreamMeter | null = null;
  #context: RelayContext | null = null;
  #opened = 0;
  #onEmpty: (() => void) | null = null;

  constructor(settings: RelaySettings, options: StreamServiceOptions) {
    const { faults, onEvent, onTraffic } = options;
    this.settings = settings;
    this.faults = faults;
    this.#plugins = options.plugins ?? null;
    this.#onPluginFailed = options.onPluginFailed ?? null;
    this.idle = new TimeoutQueue(settings.idleTimeout);
    this.#onEvent = onEvent ?? null;
    this.#onTraffic = onTraffic ?? null;
    this.#clients = new ClientCounts(settings.maxConnectionsPerClient);
    this.#leaveFaults = faults?.whenActive(() => {
      for (const relay of this.#relays.values()) relay.layFaults();
    });
  }

  start(context: RelayContext): void {
    this.#context = context;
    const { traffic = null } = context;
    this.meter = traffic === null ? null : new StreamMeter(traffic, this.settings.name);
  }

  get counters(): Counters {
    return this.#context!.counters;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#relays.size;
  }

  /** Goes on counting where others for the same listener are. */
  continue(others: TcpRelays): void {
    this.#opened = others.#opened;
    this.#clients = new ClientCounts(this.settings.maxConnectionsPerClient, others.#clients);
  }

  /** A name for the next connection, unique within the listener. */
  nextId(): string {
    return `${this.#context!.thread}.${++this.#opened}`;
  }

  /** Relays a socket that was accepted, or the TLS socket over one. It counts as open from here to its end. */
  open(socket: Socket, start: RelayStart, id: string = this.nextId()): void {
    this.#relay(socket, { ...start, plugins: this.#plugins }, id);
  }

  #relay(socket: Socket, start: RelayStart, id: string): void {
    const relay = new TcpRelay(this, id, start, (handler) => adoptAccepted(socket, handler));
    this.#relays.set(id, relay);
    this.counters.add(Counter.connectionsOpen);
    this.meter?.row.add(TrafficCount.connectionsOpen);
    relay.start();
  }

  /**
   * Passes on, unopened, a connection with TLS to the first of `upstreams` that answers. As in `open` it counts as open
   * from here to its end: the caller forgets it.
   * @param upstreams as `parseAddress` takes them; servers are taken in turn wherever it is the same list
   * @param bytes what came of it already, the callee's from now on
   * @param proxied what a PROXY protocol header before that told
   * @throws RangeError when an address can't be read; TypeError when there is none
   */
  pass(
    socket: Socket,
    { serverName }: Pick<ClientHello, "serverName">,
    upstreams: readonly string[],
    bytes: Buffer,
    proxied: ProxiedAddresses | null,
    { delay = 0, id = this.nextId() }: { readonly delay?: number; readonly id?: string } = {},
  ): void {
    const { connectTimeout } = this.settings;
    const servers = this.#rotations.getOrInsertComputed(
      upstreams,
      () => new UpstreamRotation(upstreams, connectTimeout),
    );
    this.#relay(socket, { servers, delay, readsHeader: false, proxied, early: bytes, serverName }, id);
  }

  /** Closes a socket that isn't to be relayed. */
  refuse(socket: Socket, reason: string, isReset: boolean): void {
    this.counters.add(Counter.connectionsRefused);
    this.meter?.row.add(TrafficCount.connectionsRefused);
    this.report("refused", "", clientOf(socket), reason);
    if (isReset) resetSocket(socket);
    else socket.destroy();
  }

  // ── for the connections ────────────────────────────────────────────────────────────────────────────────────────

  countClient(relay: TcpRelay): string | null {
    if (this.#clients.add(relay.clientAddress)) {
      relay.isCounted = true;
      return null;
    }
    return `connection limit of ${this.settings.maxConnectionsPerClient} per client reached`;
  }

  tell(kind: StreamEvent["kind"], relay: TcpRelay, detail: string): void {
    if (this.#onEvent !== null) this.report(kind, relay.id, relay.client, detail);
  }

  /** Tells of what happened to a connection that is no relay, or not yet. */
  report(kind: StreamEvent["kind"], connection: string, client: string, detail: string): void {
    this.#onEvent?.({ kind, proxy: this.settings.name, time: Date.now(), connection, client, detail });
  }

  onPluginFailed(error: Error): void {
    this.#onPluginFailed?.(error);
  }

  onRelayClosed(relay: TcpRelay): void {
    if (!this.#relays.delete(relay.id)) return;
    this.counters.add(Counter.connectionsOpen, -1);
    this.meter?.row.add(TrafficCount.connectionsOpen, -1);
    relay.metered?.onClosed();
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
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#relays.size === 0) resolve();
    return promise;
  }

  destroy(): void {
    this.#leaveFaults?.();
    for (const relay of this.#relays.values()) relay.destroy();
  }
}

/** `address:port` of a socket's other end, "" on a Unix socket. */
export function clientOf({ remoteAddress, remotePort = 0 }: Socket): string {
  return remoteAddress === undefined ? "" : formatHostPort(plainAddress(remoteAddress), remotePort);
}
