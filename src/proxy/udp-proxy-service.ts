import type { RemoteInfo } from "node:dgram";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Counter, type Counters } from "../base/counters.ts";
import { TimeoutQueue } from "../base/timeouts.ts";
import { TrafficCount } from "../base/traffic/traffic-row.ts";
import type { Faults } from "../chaos/faults.ts";
import { formatHostPort, parseAddress, plainAddress } from "../net/address.ts";
import { type Endpoint, type ProxiedAddresses, parseProxyHeader } from "../net/proxy-protocol.ts";
import { type DatagramHandler, UdpSocket } from "../net/udp-socket.ts";
import { ClientCounts } from "./client-counts.ts";
import { SenderSockets } from "./sender-sockets.ts";
import type { Service, ServiceContext } from "./service.ts";
import type { ConnectionState, StreamEvent, StreamProxySettings, StreamTraffic } from "./stream-proxy.ts";
import type { StreamServiceOptions } from "./tcp-relays.ts";
import { StreamMeter } from "./traffic/stream-meter.ts";
import { type ClientAddress, type UdpHost, UdpSession } from "./udp-session.ts";
import { UpstreamRotation } from "./upstream-rotation.ts";

export interface UdpServiceOptions extends StreamServiceOptions {
  /** True when other threads serve the same address: the kernel gives each its share of the clients. Default false. */
  readonly reusePort?: boolean;
}

/** While it drains, a session is over after that much silence: datagrams have no end that could be waited for. */
const DRAIN_SILENCE = 2_000;

/** Milliseconds in which what waits in a socket's queue is read. */
const QUEUE_READ = 20;

/** Relays datagrams to servers, with a session for every client address: one thread's part of a proxy. */
export class UdpProxyService implements Service, UdpHost, DatagramHandler {
  readonly name: string;
  /** Nothing for a server to open: `open` does. */
  readonly listen: readonly string[] = [];
  settings: StreamProxySettings;
  readonly faults: Faults | null;
  sendsProxyProtocol: boolean;
  idle: TimeoutQueue;
  readonly #onEvent: ((event: StreamEvent) => void) | null;
  readonly #onTraffic: ((traffic: StreamTraffic) => void) | null;
  readonly #reusePort: boolean;
  readonly #sessions = new Map<string, UdpSession>();
  #clients: ClientCounts;
  readonly #leaveFaults: (() => void) | undefined;
  #upstreams: UpstreamRotation;
  #socket: UdpSocket | null = null;
  #context: ServiceContext | null = null;
  #meter: StreamMeter | null = null;
  #opened = 0;
  #draining = false;
  /** Those of the sessions that go on after others have taken over. */
  #ofSenders: SenderSockets | null = null;
  /** Answers for which there is no socket for a moment; null: there is one. */
  #held: [bytes: Buffer, to: Endpoint][] | null = null;
  #onEmpty: (() => void) | null = null;

  /** @throws RangeError when an upstream's address can't be read; TypeError when there is none, or version 1 of PROXY is wanted */
  constructor(
    settings: StreamProxySettings,
    { faults, onEvent, onTraffic, reusePort = false }: UdpServiceOptions,
  ) {
    if (settings.sendProxyProtocol === 1) throw new TypeError("PROXY protocol version 1 knows no datagrams");
    this.name = settings.name;
    this.settings = settings;
    this.faults = faults;
    this.sendsProxyProtocol = settings.sendProxyProtocol === 2;
    this.idle = idleQueue(settings.idleTimeout);
    this.#onEvent = onEvent ?? null;
    this.#onTraffic = onTraffic ?? null;
    this.#reusePort = reusePort;
    this.#clients = new ClientCounts(settings.maxConnectionsPerClient);
    this.#upstreams = new UpstreamRotation(settings.upstreams, settings.connectTimeout);
    this.#leaveFaults = faults?.whenActive(() => {
      for (const session of this.#sessions.values()) session.layFaults();
    });
  }

  get counters(): Counters {
    return this.#context!.counters;
  }

  start(context: ServiceContext): void {
    this.#context = context;
    const { traffic = null } = context;
    this.#meter = traffic === null ? null : new StreamMeter(traffic, this.name);
  }

  /** Begins to listen on `address`, as `parseAddress` takes it. Resolves with the bound one; rejects when it can't be had. */
  async open(address: string): Promise<string> {
    this.#socket = await UdpSocket.bind(parseAddress(address), this, { reusePort: this.#reusePort });
    return this.#socket.address;
  }

  /** Never called: there are no connections. */
  accept(socket: Socket): void {
    socket.destroy();
  }

  /** Where sessions lead that begin from now on. @throws as the constructor does */
  setUpstreams(addresses: readonly string[]): void {
    this.#upstreams = new UpstreamRotation(addresses, this.settings.connectTimeout);
  }

  /**
   * Sessions that begin from now on have these settings, whose address is the same; how long they may be silent counts for all, from
   * now on.
   * @throws as the constructor does
   */
  change(settings: StreamProxySettings): void {
    const { upstreams, connectTimeout, sendProxyProtocol, maxConnectionsPerClient } = settings;
    this.#upstreams = new UpstreamRotation(upstreams, connectTimeout);
    if (maxConnectionsPerClient !== this.settings.maxConnectionsPerClient)
      this.#clients = new ClientCounts(maxConnectionsPerClient, this.#clients);
    if (settings.idleTimeout !== this.settings.idleTimeout) this.#turnIdle(settings.idleTimeout);
    this.sendsProxyProtocol = sendProxyProtocol === 2;
    this.settings = settings;
  }

  /** All stand in one queue, in the order in which they fell silent: who makes room for another is found there. */
  #turnIdle(duration: number): void {
    const former = this.idle;
    this.idle = idleQueue(duration);
    for (let { oldest } = former; oldest !== null; { oldest } = former) (oldest as UdpSession).stayAlive();
  }

  // ── what clients send ──────────────────────────────────────────────────────────────────────────────────────────

  onDatagram(bytes: Buffer, from: RemoteInfo): void {
    if (this.settings.acceptProxyProtocol) this.#unwrap(bytes, from);
    else {
      const key = `${from.address} ${from.port}`;
      const session = this.#sessions.get(key) ?? this.#admit(key, from, null);
      session?.take(bytes);
    }
  }

  /** Every datagram has a header of its own; one sender may speak for many clients. */
  #unwrap(bytes: Buffer, from: RemoteInfo): void {
    const header = parseProxyHeader(bytes, 0, bytes.length);
    if (header.kind !== "complete" || header.version !== 2) {
      const problem = header.kind === "malformed" ? header.reason : "no whole header";
      this.counters.add(Counter.downstreamErrors);
      this.#refuse(from, `PROXY protocol: ${problem}`);
      return;
    }
    const { source } = header.addresses ?? {};
    const named = source === undefined ? "" : ` ${source.address} ${source.port}`;
    const key = `${from.address} ${from.port}${named}`;
    const session = this.#sessions.get(key) ?? this.#admit(key, from, header.addresses);
    session?.take(bytes.subarray(header.length));
  }

  #admit(key: string, from: RemoteInfo, addresses: ProxiedAddresses | null): UdpSession | null {
    this.counters.add(Counter.connectionsAccepted);
    this.#meter?.row.add(TrafficCount.connections);
    const source = addresses?.source ?? { address: plainAddress(from.address), port: from.port };
    const { maxConnections, maxConnectionsPerClient } = this.settings;
    if (this.#draining || this.#context!.signal.aborted) return this.#refuse(source, "shutting down");
    const admission = this.faults?.admit("datagrams");
    if (admission?.refuse === true) return this.#refuse(source, "denied");
    if (!this.#clients.add(source.address))
      return this.#refuse(source, `session limit of ${maxConnectionsPerClient} per client reached`);
    if (maxConnections > 0 && this.#sessions.size >= maxConnections)
      (this.idle.oldest as UdpSession | null)?.close("made room for another");
    return this.#open(key, from, source, addresses, admission?.delay ?? 0);
  }

  #open(
    key: string,
    from: RemoteInfo,
    source: Endpoint,
    addresses: ProxiedAddresses | null,
    delay: number,
  ): UdpSession {
    const session = new UdpSession(this, {
      id: `${this.#context!.thread}.${++this.#opened}`,
      key,
      from,
      client: formatHostPort(source.address, source.port),
      clientAddress: source.address,
      server: this.#upstreams.candidates(performance.now())[0]!,
      addresses: addresses ?? { source, destination: this.#ownEnd() },
      metered: this.#meter?.open(source.address) ?? null,
    });
    this.#sessions.set(key, session);
    this.counters.add(Counter.connectionsOpen);
    this.#meter?.row.add(TrafficCount.connectionsOpen);
    session.start(delay);
    return session;
  }

  /** On a socket for all interfaces there is no telling which one a datagram came to. */
  #ownEnd(): Endpoint {
    const { host, port } = this.#socket!;
    return { address: plainAddress(host), port };
  }

  #refuse({ address, port }: Endpoint, reason: string): null {
    this.counters.add(Counter.connectionsRefused);
    this.#meter?.row.add(TrafficCount.connectionsRefused);
    this.#tell("refused", "", formatHostPort(plainAddress(address), port), reason);
    return null;
  }

  /** What was sent to a client came back, or couldn't leave. */
  onDatagramError(): void {
    this.counters.add(Counter.downstreamErrors);
  }

  // ── for its sessions ───────────────────────────────────────────────────────────────────────────────────────────

  reply(bytes: Buffer, { address, port }: ClientAddress): boolean {
    const own = this.#ofSenders;
    if (own?.has({ address, port }) === true) return own.send(bytes, { address, port });
    if (this.#held !== null) return this.#held.push([bytes, { address, port }]) > 0;
    return this.#socket?.sendTo(bytes, address, port) ?? false;
  }

  tell(kind: StreamEvent["kind"], session: UdpSession, detail: string): void {
    this.#tell(kind, session.id, session.client, detail);
  }

  #tell(kind: StreamEvent["kind"], connection: string, client: string, detail: string): void {
    this.#onEvent?.({ kind, proxy: this.name, time: Date.now(), connection, client, detail });
  }

  onSessionClosed(session: UdpSession): void {
    if (!this.#sessions.delete(session.key)) return;
    this.counters.add(Counter.connectionsOpen, -1);
    this.#meter?.row.add(TrafficCount.connectionsOpen, -1);
    session.metered?.onClosed();
    this.#onTraffic?.(session.traffic);
    this.#clients.remove(session.clientAddress);
    if (this.#ofSenders !== null) this.#leaveSender(this.#ofSenders, session.from);
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }

  /** A sender may speak for several clients. */
  #leaveSender(own: SenderSockets, { address, port }: ClientAddress): void {
    const isSame = ({ from }: UdpSession): boolean => from.address === address && from.port === port;
    if (!this.#sessions.values().some(isSame)) own.leave({ address, port });
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────────────────────

  connections(): ConnectionState[] {
    return [...this.#sessions.values()].map(({ state }) => state);
  }

  /** Ends sessions: the one of this id, or all. */
  cut(id?: string): void {
    for (const session of [...this.#sessions.values()]) {
      if (id === undefined || session.id === id) session.cut();
    }
  }

  /** Others are about to listen on the address: what senders say to the sessions that they have goes on coming here. */
  async keepSessions(): Promise<void> {
    if (this.#socket === null || !this.#reusePort) return;
    this.#ofSenders ??= new SenderSockets({ address: this.#socket.host, port: this.#socket.port }, this);
    await this.#ofSenders.open(this.#senders);
    this.#ofSenders.keepOnly(this.#senders);
  }

  get #senders(): ClientAddress[] {
    return [...this.#sessions.values()].map(({ from }) => from);
  }

  /** Others listen on the address already: the shared socket is closed. Kept when no session is left. */
  async retire(): Promise<void> {
    await this.keepSessions();
    if (this.#socket === null || this.#ofSenders === null) return await this.drain();
    this.#held = [];
    await this.#leaveShared(this.#socket, this.#ofSenders);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#sessions.size === 0) resolve();
    await promise;
  }

  /** What waits in its queue is heard, and answered by sockets of the senders. */
  async #leaveShared(shared: UdpSocket, own: SenderSockets): Promise<void> {
    // Where it can't be, what still comes to it until it is closed is heard here too.
    await shared.deafen().catch(() => undefined);
    await delay(QUEUE_READ);
    this.#draining = true;
    await this.keepSessions();
    this.#socket = null;
    shared.close();
    const held = this.#held ?? [];
    this.#held = null;
    for (const [bytes, to] of held) this.reply(bytes, to);
    for (const session of [...this.#sessions.values()]) if (!own.has(session.from)) session.close("");
  }

  /** Takes no new sessions and waits until those that run have fallen silent. */
  drain(): Promise<void> {
    this.#draining = true;
    const { idleTimeout } = this.settings;
    this.idle = idleQueue(idleTimeout === 0 ? DRAIN_SILENCE : Math.min(idleTimeout, DRAIN_SILENCE));
    for (const session of this.#sessions.values()) session.stayAlive();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#sessions.size === 0) resolve();
    return promise;
  }

  destroy(): void {
    this.#draining = true;
    this.#leaveFaults?.();
    for (const session of [...this.#sessions.values()]) session.close("");
    this.#socket?.close();
    this.#ofSenders?.close();
  }
}

/** A queue that never falls due still tells who has been silent longest. */
function idleQueue(duration: number): TimeoutQueue {
  return new TimeoutQueue(duration === 0 ? Number.MAX_SAFE_INTEGER : duration);
}
