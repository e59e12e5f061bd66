import { ClientOptions, type ClientSettings, DEFAULT_CLIENT_SETTINGS } from "../http1/client-options.ts";
import {
  DEFAULT_HTTP2_CLIENT_SETTINGS,
  Http2ClientOptions,
  type Http2ClientSettings,
} from "../http2/client-options.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import type { AttemptWatcher } from "./attempt-watcher.ts";
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
  /** What the server speaks: `h2c` is HTTP/2 without TLS, which it must know beforehand. Default `http1`. */
  readonly protocol?: "http1" | "h2c";
  /** For `h2c`: silence after which a PING asks whether the server is still there. Default 0: never. */
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
  /** @internal set by the pool that keeps this peer's connections */
  idle: unknown = null;
  readonly #text: string;
  #key: string | null = null;

  /**
   * @param address `host:port`, `[v6]:port` or `unix:/path`, or a server that a group has chosen: it hears of the requests
   * @throws RangeError when the address can't be read
   */
  constructor(address: string | Address | Server, options: PeerOptions = NO_OPTIONS) {
    this.address = typeof address === "string" ? parseOnce(address) : address;
    this.#text = typeof address === "string" ? address : formatAddress(address);
    this.options = options;
    this.watcher = typeof address === "object" && "watcher" in address ? address.watcher : null;
  }

  /** The address as it was given. */
  toString(): string {
    return this.#text;
  }

  /** @internal true when one connection carries many requests at once */
  get isShared(): boolean {
    return this.options.protocol === "h2c";
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
    this.#key ??= this.options === NO_OPTIONS ? this.#text : `${this.#text} ${JSON.stringify(this.options)}`;
    return this.#key;
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
  };
  const key = `${settings.firstByteTimeout} ${settings.readTimeout} ${settings.writeTimeout}`;
  return clients.getOrInsertComputed(key, () => new ClientOptions(settings));
}

const http2Clients = new Map<string, Http2ClientOptions>();

function http2ClientFor(options: PeerOptions): Http2ClientOptions {
  const { firstByteTimeout, readTimeout, writeTimeout, pingInterval, streams } =
    DEFAULT_HTTP2_CLIENT_SETTINGS;
  const settings: Http2ClientSettings = {
    firstByteTimeout: options.firstByteTimeout ?? firstByteTimeout,
    readTimeout: options.readTimeout ?? readTimeout,
    writeTimeout: options.writeTimeout ?? writeTimeout,
    pingInterval: options.pingInterval ?? pingInterval,
    streams,
  };
  return http2Clients.getOrInsertComputed(
    Object.values(settings).join(" "),
    () => new Http2ClientOptions(settings),
  );
}
