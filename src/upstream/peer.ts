import {
  ClientOptions,
  type ClientSettings,
  DEFAULT_CLIENT_SETTINGS,
  type TransferCodings,
} from "../http1/client-options.ts";
import {
  DEFAULT_HTTP2_CLIENT_SETTINGS,
  Http2ClientOptions,
  type Http2ClientSettings,
} from "../http2/client-options.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import type { AttemptWatcher } from "./attempt-watcher.ts";
import { type ConnectProxy, parseConnectProxy } from "./connect-proxy.ts";
import { PeerTls, type PeerTlsOptions } from "./peer-tls.ts";
import type { Server } from "./server.ts";

/** How to reach a server. Times in milliseconds; 0 switches a timeout off. */
export interface PeerOptions {
  /** Until a connection stands. Default 5000. */
  readonly connectTimeout?: number;
  /** From the end of the request to the first byte of the response. Default 60000. */
  readonly firstByteTimeout?: number;
  /** Between two reads of the response. Default 60000. */
  readonly readTimeout?: number;
  /** How long the server may take nothing of what waits for it. Default 60000. */
  readonly writeTimeout?: number;
  /** TCP keep-alive probes after that much idleness. Default 60000. */
  readonly keepAlive?: number;
  /** Local address to connect from. */
  readonly localAddress?: string;
  /** Connections are only shared by peers of the same group. Default "". */
  readonly group?: string;
  /** TLS, and how the server is verified. `true`: by the address's host and Node's authorities. Default: none. */
  readonly tls?: boolean | PeerTlsOptions;
  /** With `tls: true`: the name to ask for, which the certificate must be for. The same as `tls: { sni }`. */
  readonly sni?: string;
  /**
   * What the server speaks. `auto` (ALPN) offers HTTP/2 and HTTP/1.1, and takes what the server chooses; without TLS it is
   * HTTP/1. `h2` is HTTP/2 over TLS and nothing else, `h2c` HTTP/2 without TLS, which the server must know beforehand.
   * Default `auto` with TLS, `http1` without.
   */
  readonly protocol?: "http1" | "h2" | "h2c" | "auto";
  /**
   * The proxy to connect through by CONNECT: `http://host:port`, with `user:password@` before the host if it wants to know.
   * Names are looked up by the proxy. Default: none.
   */
  readonly proxy?: string;
  /**
   * For HTTP/1, and broken servers only: `any` takes responses with a `Transfer-Encoding` that nobody knows, where nothing else says how
   * long they are. Their bodies are what comes until the server closes the connection, as it comes; the field goes. Default `chunked`:
   * such a response is refused.
   */
  readonly transferCodings?: TransferCodings;
  /** For HTTP/2: silence after which a PING asks whether the server is still there. Default 0: never. */
  readonly pingInterval?: number;
}

const DEFAULT_CONNECT_TIMEOUT = 5_000;
const DEFAULT_KEEP_ALIVE = 60_000;

/** Parsed addresses by their text: programs make a peer for every request. */
const parsed = new Map<string, Address>();
const PARSED_LIMIT = 4096;

function parseOnce(text: string): Address {
  let address = parsed.get(text);
  if (address === undefined) {
    address = parseAddress(text);
    if (parsed.size >= PARSED_LIMIT) parsed.clear();
    parsed.set(text, address);
  }
  return address;
}

/** One server to send a request to, and all that a connection to it depends on. */
export class HttpPeer {
  readonly address: Address;
  readonly options: PeerOptions;
  /** Hears what becomes of requests to this peer; null: nobody does. */
  watcher: AttemptWatcher | null;
  /** @internal what its connections carry: requests one by one, many at once, or what the server chooses by ALPN */
  readonly speaks: "http1" | "http2" | "either";
  /** @internal the proxy to connect through */
  readonly proxy: ConnectProxy | null;
  /** @internal set by the pool that keeps this peer's connections */
  idle: unknown = null;
  /** @internal the same of connections that carry many requests */
  shared: unknown = null;
  readonly #text: string;
  #key: string | null = null;
  #tls: PeerTls | null = null;

  /**
   * @param address `host:port`, `[v6]:port` or `unix:/path`, or a server that a group has chosen: it hears of the requests
   * @throws RangeError when the address or the proxy can't be read, or TLS and protocol don't go together
   */
  constructor(address: string | Address | Server, options: PeerOptions = NO_OPTIONS) {
    this.address = typeof address === "string" ? parseOnce(address) : address;
    this.#text = typeof address === "string" ? address : formatAddress(address);
    this.options = options;
    this.speaks = spokenBy(options);
    this.proxy = options.proxy === undefined ? null : parseConnectProxy(options.proxy);
    this.watcher = typeof address === "object" && "watcher" in address ? address.watcher : null;
  }

  /** The address as it was given. */
  toString(): string {
    return this.#text;
  }

  /** True when connections to it are made with TLS. */
  get isSecure(): boolean {
    return isSecure(this.options);
  }

  get connectTimeout(): number {
    return this.options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT;
  }

  get keepAlive(): number {
    return this.options.keepAlive ?? DEFAULT_KEEP_ALIVE;
  }

  /**
   * The peer's whole identity: a connection serves peers with an equal key only, so nothing that makes two peers differ
   * may be missing here.
   */
  get key(): string {
    this.#key ??= this.options === NO_OPTIONS ? this.#text : this.#makeKey();
    return this.#key;
  }

  #makeKey(): string {
    const { tls } = this;
    if (tls === null) return `${this.#text} ${JSON.stringify(this.options)}`;
    return `${this.#text} ${JSON.stringify({ ...this.options, tls: null })} ${tls.key}`;
  }

  /** @internal null without TLS */
  get tls(): PeerTls | null {
    if (this.#tls !== null || !this.isSecure) return this.#tls;
    const { tls, sni } = this.options;
    const name = sni === undefined ? {} : { sni };
    this.#tls = new PeerTls(typeof tls === "object" ? { ...name, ...tls } : name);
    return this.#tls;
  }

  /** @internal the timeouts of its connections */
  get client(): ClientOptions {
    return this.options === NO_OPTIONS ? defaultClient() : clientFor(this.options);
  }

  /** @internal the same, of connections that carry many requests */
  get http2Client(): Http2ClientOptions {
    return http2ClientFor(this.options);
  }
}

const NO_OPTIONS: PeerOptions = Object.freeze({});

function isSecure({ tls }: PeerOptions): boolean {
  return tls !== undefined && tls !== false;
}

/** @throws RangeError for what can't be */
function spokenBy(options: PeerOptions): HttpPeer["speaks"] {
  const secure = isSecure(options);
  const { protocol = secure ? "auto" : "http1" } = options;
  switch (protocol) {
    case "http1":
      return "http1";
    case "auto":
      return secure ? "either" : "http1";
    case "h2":
      if (secure) return "http2";
      throw new RangeError("h2 is HTTP/2 over TLS, and there is no tls: without TLS it is called h2c");
    case "h2c":
      if (!secure) return "http2";
      throw new RangeError("h2c is HTTP/2 without TLS: with tls it is called h2");
    default:
      throw new RangeError(`There is no protocol ${String(protocol)}: there are http1, h2, h2c and auto`);
  }
}
const clients = new Map<string, ClientOptions>();

function defaultClient(): ClientOptions {
  return clientFor(NO_OPTIONS);
}

/** One set of queues for all peers with the same timeouts. */
function clientFor(options: PeerOptions): ClientOptions {
  const settings: ClientSettings = {
    ...DEFAULT_CLIENT_SETTINGS,
    firstByteTimeout: options.firstByteTimeout ?? DEFAULT_CLIENT_SETTINGS.firstByteTimeout,
    readTimeout: options.readTimeout ?? DEFAULT_CLIENT_SETTINGS.readTimeout,
    writeTimeout: options.writeTimeout ?? DEFAULT_CLIENT_SETTINGS.writeTimeout,
    transferCodings: options.transferCodings ?? DEFAULT_CLIENT_SETTINGS.transferCodings,
  };
  const { firstByteTimeout, readTimeout, writeTimeout, transferCodings } = settings;
  const key = `${firstByteTimeout} ${readTimeout} ${writeTimeout} ${transferCodings}`;
  return clients.getOrInsertComputed(key, () => new ClientOptions(settings));
}

const http2Clients = new Map<string, Http2ClientOptions>();

function http2ClientFor(options: PeerOptions): Http2ClientOptions {
  const { firstByteTimeout, readTimeout, writeTimeout, pingInterval } = DEFAULT_HTTP2_CLIENT_SETTINGS;
  const settings: Http2ClientSettings = {
    ...DEFAULT_HTTP2_CLIENT_SETTINGS,
    firstByteTimeout: options.firstByteTimeout ?? firstByteTimeout,
    readTimeout: options.readTimeout ?? readTimeout,
    writeTimeout: options.writeTimeout ?? writeTimeout,
    pingInterval: options.pingInterval ?? pingInterval,
  };
  return http2Clients.getOrInsertComputed(
    Object.values(settings).join(" "),
    () => new Http2ClientOptions(settings),
  );
}
