import { EventEmitter, once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Server, Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { patience, withDeadline } from "./deadline.ts";
import { findRoute, type OriginHandler, type OriginRequest, type OriginResponse } from "./origin-routes.ts";
import { createServerFor } from "./origin-servers.ts";
import { formatAddress, type ListenOptions, listen } from "./ports.ts";

export interface OriginOptions extends ListenOptions {
  /** Answers "/", and stands in the field `x-origin` of every response; tells one origin of a group from another. */
  readonly name?: string;
  readonly tls?: TlsOptions;
  /** HTTP/2: in clear text (prior knowledge), or by ALPN beside HTTP/1 when `tls` is given. */
  readonly http2?: boolean;
}

/** One request as the origin saw it. */
export interface RequestRecord {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as on the wire. */
  readonly rawHeaders: readonly string[];
  /** Numbers connections by their first request, from 0: two requests with one number came over one connection. */
  readonly connection: number;
  /** True when the whole response was handed to the kernel, false when the exchange broke off before. */
  readonly finished: Promise<boolean>;
}

/** A working HTTP server with the routes that tests need (see origin-routes.ts), and a record of what came. */
export class Origin implements AsyncDisposable {
  readonly host: string;
  readonly name: string;
  readonly server: Server;
  readonly requests: RequestRecord[] = [];
  /** How many connections were accepted since the start. */
  connectionCount = 0;
  /** 0 on a Unix socket. */
  port = 0;

  readonly #scheme: "http" | "https";
  readonly #routes = new Map<string, OriginHandler>();
  readonly #sockets = new Set<Socket>();
  readonly #numbers = new Map<object, number>();
  readonly #events = new EventEmitter();
  readonly #held: (() => void)[] = [];

  constructor(options: OriginOptions) {
    this.host = options.host ?? "127.0.0.1";
    this.name = options.name ?? "origin";
    this.#scheme = options.tls === undefined ? "http" : "https";
    this.server = createServerFor(options, (request, response) => this.#answer(request, response));
    this.server.on("connection", (socket: Socket) => this.#track(socket));
    this.#events.setMaxListeners(0);
  }

  get address(): string {
    return formatAddress(this.host, this.port);
  }

  get url(): string {
    return `${this.#scheme}://${this.address}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Answers this path, query aside, with a handler of the test instead of a built-in route. */
  handle(path: string, handler: OriginHandler): void {
    this.#routes.set(path, handler);
  }

  /** The request with this index, as soon as its head has come. */
  async request(index: number): Promise<RequestRecord> {
    for (;;) {
      const found = this.requests[index];
      if (found !== undefined) return found;
      await withDeadline(once(this.#events, "request"), patience, () => `request ${index} at ${this.name}`);
    }
  }

  /** Lets all requests to /held that have come so far be answered. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  /** Breaks all connections and listens no more; a second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, "close");
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #track(socket: Socket): void {
    this.connectionCount += 1;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #answer(request: OriginRequest, response: OriginResponse): void {
    this.#record(request, response);
    response.setHeader("x-origin", this.name);
    const url = new URL(request.url ?? "/", this.url);
    const handler = this.#routes.get(url.pathname) ?? findRoute(url.pathname);
    const hold = (answer: () => void): void => void this.#held.push(answer);
    Promise.try(handler, { request, response, url, name: this.name, hold }).catch(() => response.destroy());
  }

  #record(request: OriginRequest, response: OriginResponse): void {
    this.requests.push({
      method: request.method ?? "",
      url: request.url ?? "",
      httpVersion: request.httpVersion,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      connection: this.#numberOf(request),
      finished: watchEnd(response),
    });
    this.#events.emit("request");
  }

  #numberOf(request: OriginRequest): number {
    const connection = "stream" in request ? (request.stream.session ?? request) : request.socket;
    const number = this.#numbers.get(connection) ?? this.#numbers.size;
    this.#numbers.set(connection, number);
    return number;
  }
}

/** Node's HTTP/2 responses "finish" even when their stream was broken off, so there the stream is asked. */
function watchEnd(response: OriginResponse): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if ("stream" in response) {
    const { stream } = response;
    stream.once("close", () => resolve(stream.writableFinished && stream.rstCode === 0));
  } else {
    response.once("finish", () => resolve(true));
    response.once("close", () => resolve(false));
  }
  return promise;
}

export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const origin = new Origin(options);
  origin.port = await listen(origin.server, options);
  return origin;
}
