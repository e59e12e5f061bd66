import { Alarm } from "../base/alarms.ts";
import { Counter, type Counters } from "../base/counters.ts";
import type { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { TrafficCount } from "../base/traffic/traffic-row.ts";
import type { Faults, FaultyConnection } from "../chaos/faults.ts";
import { layFaults } from "../chaos/faulty-wire.ts";
import type { ByteSink, ByteStream } from "../http/streams.ts";
import { formatHostPort, plainAddress } from "../net/address.ts";
import { encodeProxyHeader, type ProxiedAddresses } from "../net/proxy-protocol.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { type PluginDirection, TO_CLIENT, TO_UPSTREAM } from "../plugins/plugin.ts";
import type { PluginRow, PluginRowConnection } from "../plugins/plugin-row.ts";
import { ConnectAttempt, type ConnectCallback } from "../upstream/connect-attempt.ts";
import { type Protocols, UNNAMED } from "../upstream/peer-tls.ts";
import { kindOfCut } from "./kind-of-cut.ts";
import { PluggedStream } from "./plugged-stream.ts";
import { type ProxyHeaderListener, ProxyHeaderReader } from "./proxy-header-reader.ts";
import { RelayEnd, type RelayEndOwner } from "./relay-end.ts";
import { RelayedTls } from "./relayed-tls.ts";
import type { ConnectionState, StreamEvent, StreamProxySettings, StreamTraffic } from "./stream-proxy.ts";
import type { MeteredStream, StreamMeter } from "./traffic/stream-meter.ts";
import { Tunnel } from "./tunnel.ts";
import type { UpstreamRotation, UpstreamServer } from "./upstream-rotation.ts";

/** What connections are limited by, and how they meet servers: part of a TCP proxy's settings. */
export type RelaySettings = Pick<
  StreamProxySettings,
  "name" | "connectTimeout" | "idleTimeout" | "maxConnectionsPerClient" | "sendProxyProtocol"
>;

/** How a connection begins that is to be relayed. */
export interface RelayStart {
  /** Where it leads: to the first of these that answers. */
  readonly servers: UpstreamRotation;
  /** Milliseconds to wait before a server is connected to. */
  readonly delay: number;
  /** True when it begins with a PROXY protocol header that is still to be read. */
  readonly readsHeader: boolean;
  /** What such a header told that was read already. */
  readonly proxied: ProxiedAddresses | null;
  /** What came already, for the server. */
  readonly early: Buffer | null;
  /** The name that a client with TLS asks for, "" when it names none; null without TLS. */
  readonly serverName: string | null;
  /** What its bytes go through; absent: nothing. */
  readonly plugins?: PluginRow | null;
}

/** What a connection needs of its proxy. */
export interface RelayHost {
  readonly settings: RelaySettings;
  readonly faults: Faults | null;
  readonly counters: Counters;
  readonly idle: TimeoutQueue;
  /** Counts its traffic; null: nobody does. */
  readonly meter: StreamMeter | null;
  /** Counts the connection as one of its client's, whose address is known now; why it may not stand, or null. */
  countClient(relay: TcpRelay): string | null;
  tell(kind: StreamEvent["kind"], relay: TcpRelay, detail: string): void;
  /** A plugin did something wrong, which ends the connection. */
  onPluginFailed(error: Error): void;
  onRelayClosed(relay: TcpRelay): void;
}

/** How long a client may take to send its PROXY protocol header. */
const headerTimeout = new TimeoutQueue(10_000);
/** How long the rest of a connection may stand once the other side is gone and everything is sent. */
const lingering = new TimeoutQueue(2_000);
/** How long it may take nothing of what is still to be sent. */
const finishing = new TimeoutQueue(60_000);

/**
 * One client's connection, from its accept to the end of both sides.
 *
 *     header? ──▶ delay? ──▶ connects ──▶ relays ──▶ lingers ──▶ closed
 *                               └── no server ─────────┘
 */
export class TcpRelay
  implements TransportHandler, ConnectCallback, DeadlineOwner, ProxyHeaderListener, RelayEndOwner
{
  readonly id: string;
  /** The address it comes from, without the port; "" on a Unix socket. */
  clientAddress: string;
  /** True once it counts as one of its client's connections. */
  isCounted = false;
  /** Counts what it moves; null: nobody does, or it isn't known yet whose it is. */
  metered: MeteredStream | null = null;
  readonly #host: RelayHost;
  readonly #near: Transport;
  readonly #servers: UpstreamRotation;
  /** Null without TLS. */
  readonly #tls: RelayedTls | null;
  readonly #since: number = performance.now();
  readonly #deadline: Deadline = new Deadline(this);
  #clientPort: number;
  #far: Transport | null = null;
  #tunnel: Tunnel | null = null;
  #links: FaultyConnection | null = null;
  readonly #plugins: PluginRow | null;
  #plugged: PluginRowConnection | null = null;
  #proxied: ProxiedAddresses | null;
  /** What came before there was a server, for the server. */
  #early: Buffer | null;
  #delay: Alarm | null = null;
  #attempt: ConnectAttempt | null = null;
  #untried: readonly UpstreamServer[] = [];
  #server: UpstreamServer | null = null;
  #readsHeader: boolean;
  /** Milliseconds to wait before connecting. */
  readonly #wait: number;
  /** True once one side is gone, or no server could be reached. */
  #lingers = false;
  /** True once somebody was told why it ends. */
  #isExplained = false;
  #reason = "";
  /** What both sides had taken when a deadline was looked at last. */
  #taken = 0;

  constructor(
    host: RelayHost,
    id: string,
    start: RelayStart,
    adopt: (handler: TransportHandler) => Transport,
  ) {
    this.#host = host;
    this.id = id;
    this.#servers = start.servers;
    this.#wait = start.delay;
    this.#readsHeader = start.readsHeader;
    this.#proxied = start.proxied;
    this.#early = start.early;
    this.#plugins = start.plugins ?? null;
    this.#near = adopt(this);
    this.#tls = start.serverName === null ? null : new RelayedTls(start.serverName, this.#near.tls);
    const { socket } = this.#near;
    this.clientAddress = plainAddress(socket.remoteAddress ?? "");
    this.#clientPort = socket.remotePort ?? 0;
    if (start.proxied !== null) this.#believe(start.proxied);
  }

  /** `address:port`, "" on a Unix socket. */
  get client(): string {
    return this.clientAddress === "" ? "" : formatHostPort(this.clientAddress, this.#clientPort);
  }

  get state(): ConnectionState {
    const links = this.#links;
    return {
      id: this.id,
      client: this.client,
      upstream: this.#server?.text ?? "",
      bytesUp: this.#tunnel?.bytesUp ?? 0,
      bytesDown: this.#tunnel?.bytesDown ?? 0,
      age: performance.now() - this.#since,
      toxics: links === null ? [] : [...links.upstream.active, ...links.downstream.active],
      ...(this.#tls === null ? {} : { tls: this.#tls.state }),
    };
  }

  get traffic(): StreamTraffic {
    const far = this.#far;
    return {
      receivedUp: this.#near.socket.bytesRead,
      sentUp: far?.takenBytes ?? 0,
      receivedDown: far?.socket.bytesRead ?? 0,
      sentDown: this.#near.takenBytes,
    };
  }

  // ── before there is a server ───────────────────────────────────────────────────────────────────────────────────

  /** Leads the connection to a server, after its delay, as soon as it is known whose it is. */
  start(): void {
    if (!this.#readsHeader) {
      this.#proceed();
      return;
    }
    this.#near.handler = new ProxyHeaderReader(this);
    headerTimeout.set(this.#deadline);
  }

  onProxyHeader(addresses: ProxiedAddresses | null, early: Buffer): void {
    this.#readsHeader = false;
    this.#deadline.clear();
    this.#near.handler = this;
    this.#proxied = addresses;
    if (early.length > 0) this.#early = early;
    if (addresses !== null) this.#believe(addresses);
    this.#proceed();
  }

  #believe({ source }: ProxiedAddresses): void {
    this.clientAddress = source.address;
    this.#clientPort = source.port;
  }

  onProxyHeaderMissing(reason: string): void {
    this.#host.counters.add(Counter.downstreamErrors);
    this.refuse(`PROXY protocol: ${reason}`);
  }

  #proceed(): void {
    const host = this.#host;
    // Nothing is read before it can be passed on.
    this.#near.pause();
    const problem = host.countClient(this);
    if (problem !== null) {
      this.refuse(problem);
      return;
    }
    this.metered = host.meter?.open(this.clientAddress) ?? null;
    if (host.faults?.isActive === true) this.layFaults();
    this.#untried = this.#servers.candidates(performance.now());
    if (this.#wait === 0 || host.faults === null) this.#connect();
    else {
      this.#delay = new Alarm(host.faults.clock, () => this.#connect());
      this.#delay.set(host.faults.clock.now() + this.#wait);
    }
  }

  /** Closes it without having led it anywhere. */
  refuse(reason: string): void {
    this.#host.counters.add(Counter.connectionsRefused);
    this.#host.meter?.row.add(TrafficCount.connectionsRefused);
    this.#explain("refused", reason);
    this.#near.destroy();
  }

  /** Lays the proxy's faults on it, unless it has them, or doesn't relay anything yet that they could act on. */
  layFaults(): void {
    const { faults } = this.#host;
    if (faults === null || this.#readsHeader) return;
    this.#links ??= layFaults(faults, this.#near, (toxic, isReset) => this.#onCut(toxic, isReset));
  }

  #connect(): void {
    const [server, ...others] = this.#untried;
    if (server === undefined) {
      this.#giveUp();
      return;
    }
    this.#untried = others;
    this.#server = server;
    this.#attempt = new ConnectAttempt(server.peer, this, this.#protocols, this.#makeHeader());
  }

  onConnectFailed(error: ProxyError): void {
    const { counters } = this.#host;
    const server = this.#server!;
    this.#attempt = null;
    server.noteFailure(performance.now());
    counters.add(Counter.upstreamConnectFailures);
    if (error.code === "UPSTREAM_CONNECT_TIMEOUT") counters.add(Counter.timeouts);
    this.#host.tell(
      "connect-failed",
      this,
      describeConnectError(error, server.text, server.peer.connectTimeout),
    );
    this.#connect();
  }

  /** The client is told by the end of our direction. It may have sent something, and must not take that for a reset. */
  #giveUp(): void {
    this.metered?.onFailed();
    this.#server = null;
    this.#near.end();
    this.#near.resume();
    this.#linger();
  }

  // ── the relay ──────────────────────────────────────────────────────────────────────────────────────────────────

  onConnected(far: Transport): void {
    const { counters, idle } = this.#host;
    this.#attempt = null;
    if (this.#near.closed) {
      far.destroy();
      return;
    }
    this.#far = far;
    this.#server!.noteSuccess();
    counters.add(Counter.upstreamConnects);
    this.metered?.onConnected(this.#server!.text);
    const problem = this.#openPlugins();
    this.#tunnel = new Tunnel(
      (sink) => this.#openEnd(far, TO_CLIENT, sink),
      (sink) => this.#openEnd(this.#near, TO_UPSTREAM, sink),
      () => this.#finish(),
    );
    this.#tunnel.meter = this.metered;
    if (problem !== null) {
      this.#onPluginEnd(problem);
      return;
    }
    idle.set(this.#deadline);
    this.#host.tell("opened", this, `to ${this.#server!.text}${this.#tls === null ? "" : `, ${this.#tls}`}`);
    this.#sendEarly();
    this.#near.resume();
  }

  /** @returns what is wrong, if a plugin can't be used */
  #openPlugins(): Error | null {
    try {
      this.#plugged = this.#plugins === null ? null : this.#plugins.open(this.client);
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  /** @param direction the one that goes on from this end */
  #openEnd(transport: Transport, direction: PluginDirection, sink: ByteSink): ByteStream {
    const open = (inner: ByteSink): ByteStream => new RelayEnd(this, transport, inner);
    const plugged = this.#plugged;
    if (plugged === null) return open(sink);
    return new PluggedStream(plugged, direction, sink, open, (error) => this.#onPluginEnd(error));
  }

  /** @param error what a plugin did wrong; null: it wants the connection to be closed */
  #onPluginEnd(error: Error | null): void {
    if (error === null) {
      this.#reason ||= "closed by a plugin";
      for (const side of [this.#near, this.#far]) side?.finish();
      this.#linger();
      return;
    }
    this.#host.counters.add(Counter.internalErrors);
    this.#explain("reset", error.message);
    this.#host.onPluginFailed(error);
    for (const side of [this.#near, this.#far]) side?.reset();
    this.destroy();
  }

  /** What was agreed on with the client has to be what its server speaks. */
  get #protocols(): Protocols {
    const alpn = this.#near.tls?.alpn ?? "";
    return alpn === "" ? UNNAMED : [alpn];
  }

  /** What a server is told of the client before anything else, before TLS too. */
  #makeHeader(): Buffer | null {
    const version = this.#host.settings.sendProxyProtocol;
    if (version === null) return null;
    return encodeProxyHeader(version, this.#proxied ?? this.#ownAddresses(), "tcp", this.#tls?.proxyFields);
  }

  #ownAddresses(): ProxiedAddresses | null {
    const { localAddress, localPort = 0 } = this.#near.socket;
    if (localAddress === undefined || this.clientAddress === "") return null;
    return {
      source: { address: this.clientAddress, port: this.#clientPort },
      destination: { address: plainAddress(localAddress), port: localPort },
    };
  }

  #sendEarly(): void {
    const early = this.#early;
    this.#early = null;
    if (early === null) return;
    const upstream = this.#links?.upstream;
    if (upstream !== undefined && !upstream.isClear) upstream.push(early, 0, early.length);
    else this.#near.handler.onData(early, 0, early.length);
  }

  /** @internal bytes came in */
  onActivity(): void {
    if (!this.#lingers) this.#host.idle.set(this.#deadline);
  }

  /** @internal everything that waited on one side was sent */
  onDrained(): void {
    if (this.#lingers) this.#linger();
  }

  /** @internal one side is gone */
  onEndClosed(transport: Transport, error: Error | null): void {
    const isFar = transport === this.#far;
    if (error !== null && !this.#isExplained) {
      this.#host.counters.add(isFar ? Counter.upstreamErrors : Counter.downstreamErrors);
      this.#explain("reset", `by ${isFar ? this.#server!.text : "the client"}: ${codeOf(error)}`);
    }
    this.#linger();
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends it with a reset on both sides. */
  cut(): void {
    this.#explain("reset", "cut");
    this.#near.reset();
    this.#far?.reset();
    this.destroy();
  }

  /** Ends it now, whatever still waits. */
  destroy(): void {
    for (const side of [this.#near, this.#far]) if (side !== null) close(side);
  }

  #onCut(toxic: string, isReset: boolean): void {
    const detail = `by toxic ${toxic}`;
    const kind = kindOfCut(this.#host.faults, toxic, isReset);
    if (kind === "closed") this.#reason ||= detail;
    else this.#explain(kind, detail);
    if (isReset) this.#far?.reset();
    else this.#linger();
  }

  onDeadline(queue: TimeoutQueue): void {
    const { idle } = this.#host;
    if (queue === headerTimeout) this.#expire(`no PROXY protocol header within ${queue.duration} ms`);
    else if (this.#isTaking()) queue.set(this.#deadline);
    else if (queue === idle) this.#expire(`idle for ${idle.duration} ms`);
    else this.destroy();
  }

  #expire(detail: string): void {
    this.#host.counters.add(Counter.timeouts);
    this.#explain("timeout", detail);
    // A message that is cut must not pass for a whole one.
    for (const side of [this.#near, this.#far]) if (side?.hasUnsent === true) side.reset();
    this.destroy();
  }

  /** True while somebody takes what waits for him, however slowly: since this was asked last. */
  #isTaking(): boolean {
    const near = this.#near;
    const far = this.#far;
    const before = this.#taken;
    this.#taken = near.takenBytes + (far?.takenBytes ?? 0);
    return (near.hasUnsent || far?.hasUnsent === true) && this.#taken > before;
  }

  /** One side is over: the other may finish, but not for ever. */
  #linger(): void {
    this.#lingers = true;
    const hasUnsent = this.#near.hasUnsent || this.#far?.hasUnsent === true;
    (hasUnsent ? finishing : lingering).set(this.#deadline);
  }

  #explain(kind: StreamEvent["kind"], detail: string): void {
    if (this.#isExplained) return;
    this.#isExplained = true;
    this.#reason = detail;
    this.#host.tell(kind, this, detail);
  }

  #finish(): void {
    const { bytesUp, bytesDown } = this.#tunnel!;
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(3);
    const reason = this.#reason === "" ? "" : `, ${this.#reason}`;
    this.#host.tell("closed", this, `${bytesUp} B up, ${bytesDown} B down in ${seconds} s${reason}`);
    this.#forget();
  }

  #forget(): void {
    this.#deadline.clear();
    this.#delay?.clear();
    this.#attempt?.cancel();
    this.#plugged?.close();
    this.#host.onRelayClosed(this);
  }

  // ── the client's side while it is not relayed: nothing is read before, nobody wants what comes after ────────────

  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}

  onClose(): void {
    this.#forget();
  }
}

/** Also one that is closing already, which its own `destroy` leaves to finish. */
function close(transport: Transport): void {
  transport.destroy();
  transport.socket.destroy();
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

function describeConnectError(error: ProxyError, server: string, timeout: number): string {
  if (error.code === "UPSTREAM_CONNECT_TIMEOUT") return `${server} did not answer within ${timeout} ms`;
  const isOfTls = !error.code.startsWith("UPSTREAM_CONNECT_");
  if (isOfTls) return `${server}: ${error.message}`;
  return `${error.cause instanceof Error ? codeOf(error.cause) : error.message} ${server}`;
}
