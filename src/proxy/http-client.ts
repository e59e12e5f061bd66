import { TimeoutQueue } from "../base/timeouts.ts";
import { type BodyLength, RequestHead, type ResponseHead } from "../http/heads.ts";
import type { HeadersInit, HttpHeaders } from "../http/http-headers.ts";
import { Connector } from "../upstream/connector.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from "../upstream/pool.ts";
import { ClientExchange, type ExchangeMeans, type OutgoingRequest } from "./client-exchange.ts";
import { toBytes } from "./own-response.ts";

export interface HttpClientOptions {
  /** Idle connections that are kept. */
  readonly pool?: Partial<PoolOptions>;
  /**
   * Milliseconds that a response may stand still because nobody reads on; then it is given up and its connection closed.
   * Default 60000; 0: never.
   */
  readonly unreadTimeout?: number;
}

export interface ClientRequest {
  /** Default `GET`. `CONNECT` is not for this client: see `TcpConnector`. */
  readonly method?: string;
  /** Path and query. Default `/`. */
  readonly target?: string;
  /** `Host` is the peer's address unless it is given here. */
  readonly headers?: HeadersInit;
  /**
   * Text and bytes get a `Content-Length`. An iterable is sent as it comes, no faster than the server takes it: in chunks,
   * or within the `Content-Length` that the headers declare. Bytes must not be changed before the response is there.
   */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | null;
  /** Gives the request up at any time, its response's body included. For a timeout: `AbortSignal.timeout(…)`. */
  readonly signal?: AbortSignal;
}

/** A response whose head is there and whose body may still be coming. */
export interface ClientResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: HttpHeaders;
  /** To be asked for once the body has been read to its end; null when there were none. */
  readonly trailers: HttpHeaders | null;
  /** True when it came over a connection that had carried a request before. */
  readonly reused: boolean;
  /**
   * The body, to be read once, as it comes. Who reads slowly slows the server down. Whoever stops early (`break`) cancels
   * it. Fails with ProxyError when the server breaks off, or with the reason of the signal.
   */
  readonly body: AsyncIterable<Buffer>;
  /** The whole body. */
  bytes(): Promise<Buffer>;
  /** The whole body as UTF-8. */
  text(): Promise<string>;
  /** Nobody wants the body, or what is left of it. Its connection is closed, unless all of it was there already. */
  cancel(): void;
}

const UNREAD_TIMEOUT = 60_000;
/** Methods that mean something without a body: others say that theirs is empty (RFC 9110 §8.6). */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/**
 * An HTTP client over the proxy's own connections: pooled, with backpressure both ways.
 *
 * A response's body has to be read to its end or cancelled: its connection serves nobody else before. Up to 64 KiB come in
 * unread, which is the end of many a body; then the server has to wait, and after `unreadTimeout` it is given up.
 */
export class HttpClient implements Disposable {
  readonly #means: ExchangeMeans;

  constructor(options: HttpClientOptions = {}) {
    this.#means = {
      connector: new Connector({ ...DEFAULT_POOL_OPTIONS, ...options.pool }),
      unreadTimeout: new TimeoutQueue(options.unreadTimeout ?? UNREAD_TIMEOUT),
    };
  }

  /** Idle connections now. */
  get idleCount(): number {
    return this.#means.connector.pool.size + this.#means.connector.shared.idle;
  }

  /**
   * Sends a request, over an idle connection where there is one. Resolves with the response's head. A request that met an
   * idle connection just as the server closed it is sent once more, if its method is idempotent and its body no iterable.
   * @throws ProxyError when the server can't be reached, has no room or doesn't answer properly; the signal's reason; what the body's
   *   iterable throws; TypeError or RangeError for a method, target or header that isn't allowed
   */
  async request(peer: HttpPeer | string, request: ClientRequest = {}): Promise<ClientResponse> {
    const target = typeof peer === "string" ? new HttpPeer(peer) : peer;
    const exchange = new ClientExchange(toOutgoing(target, request), this.#means);
    exchange.start();
    return new Response(await exchange.response, exchange);
  }

  /** Closes idle connections. Requests under way go on; their connections are closed after them. */
  close(): void {
    this.#means.connector.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function toOutgoing(peer: HttpPeer, request: ClientRequest): OutgoingRequest {
  const { method = "GET", target = "/", headers = [], signal = null } = request;
  if (method === "CONNECT")
    throw new TypeError("A client's request can't be CONNECT: TcpConnector makes plain connections");
  const body = isStreamed(request.body) ? request.body : request.body == null ? null : toBytes(request.body);
  const head = RequestHead.from({ method, target, headers });
  if (!head.headers.has("host")) head.headers.set("Host", hostOf(peer));
  return { peer, head, length: lengthOf(method, body, head.headers), body, signal };
}

function lengthOf(method: string, body: OutgoingRequest["body"], headers: HttpHeaders): BodyLength {
  if (body === null) return BODILESS.has(method) ? "none" : 0;
  if (Buffer.isBuffer(body)) return body.length;
  const declared = headers.get("content-length");
  if (declared === null) return "unknown";
  if (!/^\d{1,15}$/.test(declared)) throw new RangeError(`Content-Length ${declared} is none`);
  return Number(declared);
}

/** A Unix socket has no authority: any name will do. */
function hostOf({ address, isSecure }: HttpPeer): string {
  if (address.kind === "unix") return "localhost";
  const host = address.host.includes(":") ? `[${address.host}]` : address.host || "localhost";
  return address.port === (isSecure ? 443 : 80) ? host : `${host}:${address.port}`;
}

function isStreamed(body: ClientRequest["body"]): body is AsyncIterable<string | Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

class Response implements ClientResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: HttpHeaders;
  readonly #exchange: ClientExchange;

  constructor(head: ResponseHead, exchange: ClientExchange) {
    this.status = head.status;
    this.reason = head.reason;
    this.headers = head.headers;
    this.#exchange = exchange;
  }

  get trailers(): HttpHeaders | null {
    return this.#exchange.trailers;
  }

  get reused(): boolean {
    return this.#exchange.reused;
  }

  get body(): AsyncIterable<Buffer> {
    return this.#exchange.body;
  }

  async bytes(): Promise<Buffer> {
    if (this.#exchange.body.used) throw new TypeError("This body was read already");
    return Buffer.concat(await Array.fromAsync(this.body));
  }

  async text(): Promise<string> {
    return (await this.bytes()).toString();
  }

  cancel(): void {
    this.#exchange.body.cancel();
  }
}
