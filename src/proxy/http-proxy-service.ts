import type { Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { AlarmClock } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import type { TrafficBook } from "../base/traffic/traffic-book.ts";
import type { Faults } from "../chaos/faults.ts";
import type { ServerSettings } from "../http1/server-options.ts";
import { checkHttp2Settings } from "../http2/check-settings.ts";
import type { Http2Settings } from "../http2/server-options.ts";
import type { CertificateCallback } from "../net/tls/certificate-store.ts";
import { Connector } from "../upstream/connector.ts";
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from "../upstream/pool.ts";
import type { ClientCounts } from "./client-counts.ts";
import { type ForwardingPolicy, NO_FORWARDING } from "./forwarding.ts";
import type { GrpcWebSettings } from "./grpc/web-cors.ts";
import { HttpProxy } from "./http-proxy.ts";
import { HttpService } from "./http-service.ts";
import type { ProxyPhases } from "./phases.ts";
import { checkPhases } from "./plan.ts";
import type { RetryPolicy } from "./retries.ts";
import type { Service, ServiceContext } from "./service.ts";
import { HttpHandshakes } from "./tls/http-handshakes.ts";
import { type TlsOptions, toTlsSettings } from "./tls/tls-options.ts";
import { SessionMeter } from "./traffic/session-meter.ts";

export interface HttpProxyServiceOptions<C> {
  /** Default "http". */
  readonly name?: string;
  /**
   * Addresses to listen on: `host:port`, `:port`, `[v6]:port`, `unix:/path`. Port 0 lets the kernel choose. Default: those
   * the program is run with.
   */
  readonly listen?: readonly string[];
  readonly phases: ProxyPhases<C>;
  readonly dependsOn?: readonly string[];
  /** Limits and timeouts of clients' connections. */
  readonly settings?: Partial<ServerSettings>;
  /** How clients may speak HTTP/2, within the same limits; false: not at all. Default true. */
  readonly http2?: boolean | Partial<Http2Settings>;
  /** TLS towards clients, on all addresses: `{ cert, key }` is enough. Default null: none. */
  readonly tls?: TlsOptions | null;
  /** Chooses certificates before `tls` does, which may then do without any; null: `tls` shall choose. */
  readonly certificateCallback?: CertificateCallback;
  /** Open connections; more are closed as they come. Default 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** Open connections from one client address. Default 0: no limit. Holds for each thread. */
  readonly maxConnectionsPerClient?: number;
  /** Decides by address, before a byte is read, whether a client may connect. */
  readonly connectionFilter?: (address: string) => boolean;
  /** What servers are told about clients. Default: nothing, `mode` is `off`. */
  readonly forwarding?: Partial<ForwardingPolicy>;
  readonly retries?: Partial<RetryPolicy>;
  /** Bytes of a request body that are kept for a repetition. Default 65536. */
  readonly retryBufferSize?: number;
  /** Milliseconds a request may take as a whole. Default 0: no limit. */
  readonly requestTimeout?: number;
  /** Milliseconds a gRPC call may take, whatever its client allows (`grpc-timeout`). Default 0: as many as that. */
  readonly grpcTimeout?: number;
  /**
   * Translates calls of gRPC-Web, as browsers make them, to gRPC. True, or whose pages may call across origins. Default
   * false: they go through as they are.
   */
  readonly grpcWeb?: boolean | Partial<GrpcWebSettings>;
  readonly allowConnect?: boolean;
  /** @internal whether sessions may be answered from a cache though no phase says so. Default: no, and nobody looks */
  readonly caches?: boolean;
  /** @internal whether phases may keep a session that they have answered at once, to look at it later. Default: yes */
  readonly keepsSessions?: boolean;
  /** Idle connections to servers. */
  readonly pool?: Partial<PoolOptions>;
  /** Connections shared with other services of the thread, instead of a pool of its own. */
  readonly connector?: Connector;
  /** Faults that are laid on clients' connections. */
  readonly faults?: Faults;
  /** @internal what sessions that wait, or may take only so long, go by, instead of the clock of this thread */
  readonly alarms?: AlarmClock;
  /** @internal what makes waits differ, instead of chance */
  readonly random?: Random;
}

/**
 * A service that runs an HTTP proxy program on its listeners.
 * @throws TypeError when a phase is no function, or is called almost like one that there is; TypeError or RangeError for
 *   settings of HTTP/2 that aren't any
 */
export function httpProxy<C>(options: HttpProxyServiceOptions<C>): Service {
  return new HttpProxyService(options);
}

class HttpProxyService<C> implements Service {
  readonly name: string;
  readonly listen: readonly string[];
  readonly takesBinds: boolean;
  readonly dependsOn: readonly string[];
  readonly pausesAccepted = true;
  readonly #options: HttpProxyServiceOptions<C>;
  /** One for each listener, made when the first connection comes. */
  #services = new Map<string, HttpService<C>>();
  /** Null without TLS. */
  #handshakes: HttpHandshakes | null;
  /** What clients have open, by listener, whatever settings they began with. */
  #clients = new Map<string, ClientCounts>();
  /** Those of connections that began when other settings held for them. */
  #earlier = new Set<HttpService<C>>();
  /** What their handshakes go through, and what was passed on unopened. */
  #earlierHandshakes = new Set<HttpHandshakes>();
  /** Whose place it is to take; null: nobody's, or it is taken. */
  #predecessor: HttpProxyService<C> | null = null;
  #proxy: HttpProxy<C> | null = null;
  #context: ServiceContext | null = null;
  #traffic: TrafficBook | null = null;

  constructor(options: HttpProxyServiceOptions<C>) {
    checkPhases(options.phases);
    if (typeof options.http2 === "object") checkHttp2Settings(options.http2);
    this.name = options.name ?? "http";
    this.listen = options.listen ?? [];
    this.takesBinds = options.listen === undefined;
    this.dependsOn = options.dependsOn ?? [];
    this.#options = options;
    this.#handshakes = toHandshakes(this.name, options);
  }

  async start(context: ServiceContext): Promise<void> {
    const { phases, forwarding, retries, retryBufferSize, requestTimeout, allowConnect, pool, connector } =
      this.#options;
    const { alarms, random, grpcTimeout, grpcWeb = false } = this.#options;
    const { counters, observer, reporter, traffic = null } = context;
    this.#traffic = traffic;
    if (this.listen.length <= 1) traffic?.row("listener", this.name);
    this.#proxy = new HttpProxy(phases, {
      connector: connector ?? new Connector({ ...DEFAULT_POOL_OPTIONS, ...pool }),
      counters,
      observer,
      reporter,
      meter: traffic === null ? null : new SessionMeter(traffic),
      ...(forwarding === undefined ? {} : { forwarding: { ...NO_FORWARDING, ...forwarding } }),
      ...(retries === undefined ? {} : { retries }),
      ...(retryBufferSize === undefined ? {} : { retryBufferSize }),
      ...(requestTimeout === undefined ? {} : { requestTimeout }),
      ...(grpcTimeout === undefined ? {} : { grpcTimeout }),
      grpcWeb: grpcWeb === true ? {} : grpcWeb || null,
      ...(allowConnect === undefined ? {} : { allowConnect }),
      caches: this.#options.caches ?? false,
      keepsSessions: this.#options.keepsSessions ?? true,
      ...(alarms === undefined ? {} : { alarms }),
      ...(random === undefined ? {} : { random }),
    });
    const same = this.#sameHandshakes();
    if (same === null) await this.#handshakes?.start(context);
    else {
      this.#handshakes?.destroy();
      this.#handshakes = same;
    }
    this.#context = context;
  }

  accept(socket: Socket, listener: string): void {
    const service = this.#services.get(listener) ?? this.#serve(listener);
    service.accept(socket);
  }

  #serve(listener: string): HttpService<C> {
    const {
      settings = {},
      http2 = true,
      maxConnections = 0,
      maxConnectionsPerClient = 0,
      connectionFilter = null,
      faults = null,
    } = this.#options;
    const besides = (): number => this.#earlier.values().reduce((sum, { size }) => sum + size, 0);
    const limits = { maxConnections, maxConnectionsPerClient, connectionFilter, besides };
    // Of several listeners of a program each has a row of its own.
    const name = this.listen.length > 1 ? `${this.name} ${listener}` : this.name;
    const traffic = this.#traffic?.row("listener", name) ?? null;
    const options = { settings, http2, ...limits, faults, handshakes: this.#handshakes, traffic };
    const clientsBefore = this.#clients.get(listener) ?? null;
    const service = new HttpService(this.#proxy!, listener, { ...options, clientsBefore });
    this.#services.set(listener, service);
    this.#clients.set(listener, service.clients);
    return service;
  }

  // ── another's place ────────────────────────────────────────────────────────────────────────────────────────────

  succeed(predecessor: Service): boolean {
    if (!(predecessor instanceof HttpProxyService)) return false;
    this.#predecessor = predecessor as HttpProxyService<C>;
    return true;
  }

  /** What handshakes go through stays where nothing about it has changed: files needn't be read again. */
  #sameHandshakes(): HttpHandshakes | null {
    const before = this.#predecessor;
    if (before === null || before.#handshakes === null || this.#handshakes === null) return null;
    return hasSameHandshakes(before, before.#options, this, this.#options) ? before.#handshakes : null;
  }

  takeOver(): void {
    const before = this.#predecessor!;
    this.#predecessor = null;
    this.#earlier = before.#earlier;
    this.#earlierHandshakes = before.#earlierHandshakes;
    this.#clients = before.#clients;
    this.#proxy!.fills = before.#proxy!.fills;
    const services = before.#services;
    before.#services = new Map();
    for (const service of [...services.values(), ...this.#earlier]) service.proxy = this.#proxy!;
    const isSame = this.#handshakes === before.#handshakes;
    if (isSame) this.#handshakes?.setContext(this.#context!);
    if (isSame && hasSameConnections(before, before.#options, this, this.#options)) this.#services = services;
    else void this.#outlive([...services.values()], isSame ? null : before.#handshakes);
    before.#handshakes = null;
  }

  /** Connections go on with the settings that they began with, until none is left. */
  async #outlive(services: readonly HttpService<C>[], handshakes: HttpHandshakes | null): Promise<void> {
    const [earlier, passing] = [this.#earlier, this.#earlierHandshakes];
    for (const service of services) earlier.add(service);
    if (handshakes !== null) passing.add(handshakes);
    await Promise.all(services.map((service) => service.whenEmpty()));
    if (handshakes !== null) {
      await handshakes.drain();
      handshakes.destroy();
      passing.delete(handshakes);
    }
    for (const service of services) {
      service.destroy();
      earlier.delete(service);
    }
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A pool that was given is its giver's to close. */
  #closePool(): void {
    if (this.#options.connector === undefined) this.#proxy?.connector.close();
  }

  get #all(): HttpService<C>[] {
    return [...this.#services.values(), ...this.#earlier];
  }

  /** Kept when what was passed on has ended. */
  async #passed(): Promise<void> {
    const all = [...this.#earlierHandshakes].map((handshakes) => handshakes.drain());
    await Promise.all([...all, this.#handshakes?.drain()]);
  }

  async retire(): Promise<void> {
    this.#closePool();
    await Promise.all([...this.#all.map((service) => service.retire()), this.#passed()]);
    await this.#proxy?.fills.done();
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#all.map((service) => service.drain()), this.#passed()]);
    await this.#proxy?.fills.done();
    this.#closePool();
  }

  destroy(): void {
    // It may have been about to share those of its predecessor.
    const shared = this.#predecessor === null ? null : this.#predecessor.#handshakes;
    if (this.#handshakes !== shared) this.#handshakes?.destroy();
    for (const handshakes of this.#earlierHandshakes) handshakes.destroy();
    for (const service of this.#all) service.destroy();
    this.#proxy?.fills.giveUp();
    this.#closePool();
  }
}

/** What handshakes depend on beside their settings. */
type Called = Pick<Service, "name">;

function hasSameHandshakes<C>(
  before: Called,
  were: HttpProxyServiceOptions<C>,
  after: Called,
  are: HttpProxyServiceOptions<C>,
): boolean {
  const names = ["certificateCallback", "faults", "maxConnectionsPerClient"] as const;
  return (
    before.name === after.name &&
    isDeepStrictEqual(protocolsOf(were.http2 ?? true), protocolsOf(are.http2 ?? true)) &&
    isDeepStrictEqual(tlsOf(were), tlsOf(are)) &&
    names.every((name) => were[name] === are[name])
  );
}

/** Whether connections that begin now are like those that there are. */
function hasSameConnections<C>(
  before: Called,
  were: HttpProxyServiceOptions<C>,
  after: Called,
  are: HttpProxyServiceOptions<C>,
): boolean {
  return (
    hasSameHandshakes(before, were, after, are) &&
    were.connectionFilter === are.connectionFilter &&
    were.maxConnections === are.maxConnections &&
    isDeepStrictEqual(were.settings, are.settings) &&
    isDeepStrictEqual(were.http2, are.http2)
  );
}

/** @throws as `toTlsSettings` does */
function toHandshakes<C>(name: string, options: HttpProxyServiceOptions<C>): HttpHandshakes | null {
  const {
    certificateCallback: callback = null,
    http2 = true,
    faults = null,
    maxConnectionsPerClient = 0,
  } = options;
  const tls = tlsOf(options);
  if (tls === null && callback === null) return null;
  const settings = toTlsSettings(tls ?? {}, callback !== null);
  return new HttpHandshakes({
    name,
    settings,
    alpn: protocolsOf(http2),
    callback,
    faults,
    maxConnectionsPerClient,
  });
}

/**
 * What is wanted of TLS. A session that is taken up again doesn't hold what stood between its client's certificate and the
 * authority: where servers are told of that, none is, for they shouldn't hear of it now and then (RFC 9440 §3.3).
 */
function tlsOf<C>({ tls = null, forwarding }: HttpProxyServiceOptions<C>): TlsOptions | null {
  const isTold = forwarding?.clientCertificate === "headers" && (tls?.clientCertificates ?? null) !== null;
  return isTold ? { ...tls, sessionTimeout: 0 } : tls;
}

/** What clients with TLS may agree on, the best first. */
function protocolsOf(http2: boolean | Partial<Http2Settings>): readonly string[] {
  if (http2 === false) return ["http/1.1"];
  return http2 !== true && http2.only === true ? ["h2"] : ["h2", "http/1.1"];
}
