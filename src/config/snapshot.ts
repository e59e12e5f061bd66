import type { TrafficSettings } from "../base/traffic/traffic-settings.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import type { Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type {
  FilterSettings,
  LimitSettings,
  RedisSettings,
  RouteSettings,
  UpstreamSettings,
} from "../filters/settings.ts";
import type { ServerSettings } from "../http1/server-options.ts";
import type { Http2Settings } from "../http2/server-options.ts";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import type { PluginSettings } from "../plugins/plugin-settings.ts";
import type { ForwardingPolicy } from "../proxy/forwarding.ts";
import type { GrpcWebSettings } from "../proxy/grpc/web-cors.ts";
import type { RetryPolicy } from "../proxy/retries.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import type { PoolOptions } from "../upstream/pool.ts";
import type { ConfigProblem } from "./config-error.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export const ACCESS_LOG_FORMATS = ["combined", "json"] as const;

export interface AccessLogSettings {
  readonly format: (typeof ACCESS_LOG_FORMATS)[number];
  /** A file, or "stdout". */
  readonly path: string;
}

/** One HTTP listener with everything that answers on it. Times in milliseconds; 0 switches a timeout or a limit off. */
export interface ListenerSettings {
  /** Unique; the address unless it was given. */
  readonly name: string;
  /** As `parseAddress` takes it. */
  readonly bind: string;
  readonly protocol: "http";
  readonly server: ServerSettings;
  /** How clients may speak HTTP/2; false: not at all. */
  readonly http2: Http2Settings | false;
  /** Null: clients connect without TLS. Files are as they are found from the working directory. */
  readonly tls: TlsListenerSettings | null;
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly requestTimeout: number;
  /** The longest a gRPC call may take, milliseconds; 0: as long as its client says. */
  readonly grpcTimeout: number;
  /** How calls of gRPC-Web are translated; null: they aren't. */
  readonly grpcWeb: GrpcWebSettings | null;
  /** `via`: null for no such field, "" for the usual pseudonym. */
  readonly forwarding: ForwardingPolicy;
  readonly allowConnect: boolean;
  /** In order; the first that matches takes the request. None: 404. */
  readonly routes: readonly RouteSettings[];
  /** Names of plugins that all its requests and their responses go through. */
  readonly plugins: readonly string[];
  /** Names of filters that all its sessions go through. */
  readonly filters: readonly string[];
  /** Faults on clients' connections, from the start. */
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
}

export interface ChaosSettings {
  /** What faults draw their lots from; null for another seed each time. */
  readonly seed: string | null;
  /** The file of a scenario to play, as it is found from the working directory; null for none. */
  readonly scenario: string | null;
}

export interface AdminSettings {
  /** `host:port`, as `parseAddress` takes it; never all interfaces but where that is written. */
  readonly bind: string;
  /** Null: whoever reaches the address is let in. */
  readonly token: string | null;
}

/** A user or a group: a name, or its number. */
export type Account = string | number;

/** How the process itself runs. What stands here counts when it starts. */
export interface ProcessSettings {
  /** The path at which a successor takes over; null: it doesn't, unless this process starts it. */
  readonly upgradeSocket: string | null;
  /** True: in the background. */
  readonly daemon: boolean;
  /** Where it goes, as it is found from where it was started; null: it stays. */
  readonly workingDirectory: string | null;
  /** Rights that files it makes don't have; null: as it was started. */
  readonly umask: number | null;
  /** Who it is once everything is open; null: who started it. */
  readonly user: Account | null;
  /** Null: that of the user. */
  readonly group: Account | null;
  /** Milliseconds that it goes on as before when it is asked to end, while it says already that it isn't ready. */
  readonly shutdownDelay: number;
  /** Where it tells how it is, as `parseAddress` takes it; null: the admin API alone does. */
  readonly health: string | null;
}

/**
 * A whole configuration, checked and in normal form: frozen plain data that can be posted to another thread. Every short
 * form of the file has become its long form, every default its value, every reference is known to lead somewhere.
 */
export interface Snapshot {
  /** Null: as many as there are processors. 0: everything runs in the main thread. */
  readonly threads: number | null;
  readonly pidFile: string | null;
  /** A file; null for standard error. */
  readonly errorLog: string | null;
  readonly logLevel: LogLevel;
  readonly accessLog: AccessLogSettings | null;
  /** Milliseconds that requests under way get when the proxy shuts down. */
  readonly gracePeriod: number;
  readonly process: ProcessSettings;
  /** Idle connections to servers, for each thread. */
  readonly pool: PoolOptions;
  /** That of programs; upstreams have their own. */
  readonly retries: RetryPolicy;
  readonly listeners: readonly ListenerSettings[];
  /** TCP and UDP listeners. Their names are none of `listeners`. */
  readonly proxies: readonly StreamProxySettings[];
  readonly chaos: ChaosSettings;
  /** Null: there is no admin API. */
  readonly admin: AdminSettings | null;
  /** What is counted of the traffic. It counts when the process starts. */
  readonly stats: TrafficSettings;
  /** The proxy's own zone; null: it has none. */
  readonly zone: string | null;
  /** Where limits count that don't say so themselves; null: in this process. */
  readonly redis: RedisSettings | null;
  readonly upstreams: readonly UpstreamSettings[];
  /** All that any route has, each once, by their names. */
  readonly limits: readonly LimitSettings[];
  /** Those that a route uses, by their names. */
  readonly caches: readonly CacheSettings[];
  /** Those that a listener or route uses. */
  readonly plugins: readonly PluginSettings[];
  /** Those that a listener or route uses. */
  readonly filters: readonly FilterSettings[];
  /** What isn't wrong but is hardly meant: an upstream that nobody uses, a route that is never reached. */
  readonly warnings: readonly ConfigProblem[];
}
