import { ALLOW, type Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import type { PeerTlsOptions } from "../upstream/peer-tls.ts";

/** A TCP or UDP proxy: one address to listen on, servers to relay to. Plain data. Times in milliseconds, 0 switches off. */
export interface StreamProxySettings {
  /** Unique among all proxies and listeners. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  /** As `parseAddress` takes it. */
  readonly listen: string;
  /**
   * Servers, as `parseAddress` takes them. One is tried after the other until a connection stands. At least one, unless
   * clients speak TLS and nothing of it is opened: then those are refused that ask for names without servers of their own.
   */
  readonly upstreams: readonly string[];
  readonly connectTimeout: number;
  /** Without a byte in either direction a connection is closed, a UDP session forgotten. */
  readonly idleTimeout: number;
  /** Connections or UDP sessions at a time, for each thread. */
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** Whether clients begin with a PROXY protocol header (v1 or v2), which tells the address they come from. */
  readonly acceptProxyProtocol: boolean;
  /** The version of the PROXY protocol header that servers get; null for none. */
  readonly sendProxyProtocol: 1 | 2 | null;
  /** What clients' TLS is opened by, and which of it is passed on as it is. Null: bytes are relayed, whatever they are. */
  readonly tls: TlsListenerSettings | null;
  /** How TLS is spoken with servers; null: it isn't. What is passed on unopened goes to its servers as it is. */
  readonly upstreamTls: PeerTlsOptions | null;
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
  /** Names of plugins that bytes go through, the first of them next to the client. Nothing to UDP. */
  readonly plugins: readonly string[];
}

type StreamDefaults = Omit<StreamProxySettings, "name" | "listen" | "upstreams">;

const TCP_DEFAULTS: StreamDefaults = {
  protocol: "tcp",
  connectTimeout: 10_000,
  idleTimeout: 0,
  maxConnections: 0,
  maxConnectionsPerClient: 0,
  acceptProxyProtocol: false,
  sendProxyProtocol: null,
  tls: null,
  upstreamTls: null,
  toxics: [],
  mode: ALLOW,
  plugins: [],
};

/** What a proxy has unless it is told otherwise. */
export const STREAM_DEFAULTS: Readonly<Record<StreamProxySettings["protocol"], StreamDefaults>> = {
  tcp: TCP_DEFAULTS,
  // UDP has no end of a session, and anybody can send from any address.
  udp: { ...TCP_DEFAULTS, protocol: "udp", idleTimeout: 60_000, maxConnections: 10_000 },
};

/** One connection, or UDP session, as it stands. Plain data. */
export interface ConnectionState {
  /** Unique within the proxy. */
  readonly id: string;
  /** `address:port`; "" on a Unix socket. */
  readonly client: string;
  /** The server, once one was chosen; "" before. */
  readonly upstream: string;
  /** Bytes that came from the client, and from the server. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Milliseconds since it was accepted. */
  readonly age: number;
  /** Names of the toxics that apply to it, upstream and downstream. */
  readonly toxics: readonly string[];
  /** Absent without TLS. */
  readonly tls?: ConnectionTls;
}

/** What is known of a client's TLS. Plain data. */
export interface ConnectionTls {
  /** The name that it asks for, "" when it names none. */
  readonly serverName: string;
  /** "TLSv1.3" or "TLSv1.2"; "" while hands are shaken, and where it is passed on unopened. */
  readonly version: string;
}

/** Bytes that connections moved, by the direction that they went in. Plain data. */
export interface StreamTraffic {
  /** What came from clients, and what of it went to servers. */
  readonly receivedUp: number;
  readonly sentUp: number;
  /** What came from servers, and what of it went to clients. */
  readonly receivedDown: number;
  readonly sentDown: number;
}

/** Something that happened on a proxy, worth a line in an event log. Plain data. */
export interface StreamEvent {
  readonly kind: "opened" | "closed" | "refused" | "reset" | "timeout" | "connect-failed" | "toxic-failed";
  readonly proxy: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The connection it happened on, "" for none. */
  readonly connection: string;
  readonly client: string;
  /** One line for people: `idle for 500 ms`, `ECONNREFUSED 127.0.0.1:5432`. */
  readonly detail: string;
}
