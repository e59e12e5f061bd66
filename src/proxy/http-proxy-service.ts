import type { Socket } from "node:net";
import type { AlarmClock } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import type { Faults } from "../chaos/faults.ts";
import type { ServerSettings } from "../http1/server-options.ts";
import type { Http2Settings } from "../http2/server-options.ts";
import type { CertificateCallback } from "../net/tls/certificate-store.ts";
import { Connector } from "../upstream/connector.ts";
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from "../upstream/pool.ts";
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
  readonly maxConnections?: number;
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
 * @throws TypeError when a phase is no function, or is called almost like one that there is
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
  readonly #services = new Map<string, HttpService<C>>();
  /** Null without TLS. */
  readonly #handshakes: HttpHandshakes | null;
  #proxy: HttpProxy<C> | null = null;

  constructor(options: HttpProxyServiceOptions<C>) {
    checkPhases(options.phases);
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
    const { counters, observer, reporter } = context;
    this.#proxy = new HttpProxy(phases, {
      connector: connector ?? new Connector({ ...DEFAULT_POOL_OPTIONS, ...pool }),
      counters,
      observer,
      reporter,
      ...(forwarding === undefined ? {} : { forwarding: { ...NO_FORWARDING, ...forwarding } }),
      ...(retries === undefined ? {} : { retries }),
      ...(retryBufferSize === undefined ? {} : { retryBufferSize }),
      ...(requestTimeout === undefined ? {} : { requestTimeout }),
      ...(grpcTimeout === undefined ? {} : { grpcTimeout }),
      grpcWeb: grpcWeb === true ? {} : grpcWeb || null,
      ...(allowConnect === undefined ? {} : { allowConnect }),
      ...(alarms === undefined ? {} : { alarms }),
      ...(random === undefined ? {} : { random }),
    });
    await this.#handshakes?.start(context);
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
    const limits = { maxConnections, maxConnectionsPerClient, connectionFilter };
    const options = { settings, http2, ...limits, faults, handshakes: this.#handshakes };
    const service = new HttpService(this.#proxy!, listener, options);
    this.#services.set(listener, service);
    return service;
  }

  async drain(): Promise<void> {
    const services = [...this.#services.values()];
    await Promise.all([...services.map((service) => service.drain()), this.#handshakes?.drain()]);
    this.#proxy?.connector.close();
  }

  destroy(): void {
    this.#handshakes?.destroy();
    for (const service of this.#services.values()) service.destroy();
    this.#proxy?.connector.close();
  }
}

/** @throws as `toTlsSettings` does */
function toHandshakes<C>(name: string, options: HttpProxyServiceOptions<C>): HttpHandshakes | null {
  const {
    tls = null,
    certificateCallback: callback = null,
    http2 = true,
    faults = null,
    maxConnectionsPerClient = 0,
  } = options;
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

/** What clients with TLS may agree on, the best first. */
function protocolsOf(http2: boolean | Partial<Http2Settings>): readonly string[] {
  if (http2 === false) return ["http/1.1"];
  return http2 !== true && http2.only === true ? ["h2"] : ["h2", "http/1.1"];
}
