import { lookup } from "node:dns/promises";
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { within } from "../../base/within.ts";
import { nodeHttp } from "../../http/node-http.ts";
import { formatHostPort } from "../../net/address.ts";
import { AccessGuard, type AccessRules } from "./access.ts";
import {
  ApiFault,
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
  answer,
  emptyAnswer,
  textAnswer,
} from "./api-message.ts";
import { IncomingRequest } from "./incoming-request.ts";
import { refuseConnection, refuseRequest, sendResponse } from "./outgoing-response.ts";
import { cleanPath, encodePath, parseTarget, type RequestTarget } from "./request-target.ts";

/** A request that was answered, for a log. */
export interface ServedRequest {
  readonly client: string;
  readonly method: string;
  readonly url: string;
  readonly userAgent: string;
  readonly status: number;
  /** Milliseconds. */
  readonly duration: number;
}

/** Milliseconds. */
export interface AdminTimeouts {
  /** Until the last byte of a request has arrived. */
  readonly read: number;
  /** Until a handler has answered. */
  readonly handle: number;
  /** Until the last byte of an answer has left. */
  readonly write: number;
  /** Between two requests of a connection. */
  readonly idle: number;
}

export interface AdminServerOptions extends Partial<AccessRules> {
  /** Default 127.0.0.1; "" for all interfaces. */
  readonly host?: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Asked one after the other until one answers. */
  readonly handlers: readonly ApiHandler[];
  /** Asked before them, and before anybody is asked who he is. */
  readonly openHandlers?: readonly ApiHandler[];
  readonly timeouts?: Partial<AdminTimeouts>;
  /** Bytes of a request's body. Default 16 MiB. */
  readonly bodyLimit?: number;
  readonly onServed?: (request: ServedRequest) => void;
  /** A handler threw what isn't for clients to know. */
  readonly onError?: (error: unknown) => void;
}

const TIMEOUTS: AdminTimeouts = { read: 15_000, handle: 25_000, write: 30_000, idle: 60_000 };
const BODY_LIMIT = 16 * 1024 * 1024;
/** How often Node looks for connections that exceed their time, milliseconds. */
const CHECK_INTERVAL = 1_000;

/** How Node's HTTP server takes connections. */
const AS_HTTP = { allowHalfOpen: true, noDelay: true };

const TIMEOUT_PAGE = "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>";

/** The control plane's HTTP server. It listens on the loopback interface unless told otherwise. */
export class AdminServer {
  readonly #server: Server;
  readonly #options: AdminServerOptions;
  #guard: AccessGuard;
  readonly #timeouts: AdminTimeouts;
  readonly #streams = new Set<ServerResponse>();
  /** By which connections come of further sockets. */
  readonly #doors: NetServer[] = [];
  #isClosing = false;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    this.#guard = this.#guardBy(options.token ?? null);
    this.#server = nodeHttp.createServer(
      {
        headersTimeout: this.#timeouts.read,
        // A body is given up by who reads it; this is for bodies that nobody reads.
        requestTimeout: 2 * this.#timeouts.read,
        keepAliveTimeout: this.#timeouts.idle,
        connectionsCheckingInterval: CHECK_INTERVAL,
        requireHostHeader: false,
      },
      (message, response) => void this.#serve(message, response),
    );
    this.#server.on("clientError", (error, socket) => refuseConnection(socket as Socket, error));
  }

  /**
   * Starts; resolves with the bound address. Rejects with Node's error.
   * @param descriptors sockets that are bound already, all to the same address; absent: one is bound here
   */
  async listen([first, ...others]: readonly number[] = []): Promise<string> {
    this.#server.listen(first === undefined ? await this.#place() : { fd: first });
    for (const fd of others) {
      const door = createServer(AS_HTTP, (socket) => void this.#server.emit("connection", socket));
      this.#doors.push(door.listen({ fd }));
    }
    await Promise.all([this.#server, ...this.#doors].map((server) => once(server, "listening")));
    const bound = this.#server.address() as AddressInfo;
    return formatHostPort(bound.address, bound.port);
  }

  async #place(): Promise<{ port: number; host?: string }> {
    const { host = "127.0.0.1", port } = this.#options;
    // `localhost` is the IPv4 one where there are both, as clients expect that don't try both.
    return host === "" ? { port } : { port, host: (await lookup(host, { order: "ipv4first" })).address };
  }

  /** Requests have to bring another token from now on; null: none. */
  setToken(token: string | null): void {
    this.#guard = this.#guardBy(token);
  }

  #guardBy(token: string | null): AccessGuard {
    const { host, allowedHosts = [] } = this.#options;
    return new AccessGuard({ allowedHosts: host ? [...allowedHosts, host] : allowedHosts, token });
  }

  /** Takes no more connections, lets requests finish for at most `grace` milliseconds, then ends. */
  async close(grace: number = this.#timeouts.write): Promise<void> {
    const servers = [this.#server, ...this.#doors];
    const closed = Promise.all(servers.map((server) => once(server, "close")));
    this.#isClosing = true;
    for (const server of servers) server.close();
    for (const stream of this.#streams) stream.end();
    const late = setTimeout(() => this.#server.closeAllConnections(), grace);
    await closed;
    clearTimeout(late);
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const target = parseTarget(message.url ?? "");
    if (target === null) {
      refuseRequest(response);
      return;
    }
    if (message.headers.host === undefined && message.httpVersion === "1.1") {
      refuseRequest(response, ": missing required Host header");
      return;
    }
    const reply = await this.#answer(message, target);
    // What is left of a body that was given up would be taken for the next request.
    const isGivenUp = (reply.status === 413 || reply.status === 503) && !message.complete;
    const isStream = typeof reply.body !== "string";
    if (isGivenUp || isStream || this.#isClosing) response.shouldKeepAlive = false;
    if (isStream) this.#keepStream(response);
    sendResponse(response, reply, this.#timeouts.write);
    this.#options.onServed?.({
      client: formatHostPort(message.socket.remoteAddress ?? "", message.socket.remotePort ?? 0),
      method: message.method ?? "",
      url: message.url ?? "",
      userAgent: message.headers["user-agent"] ?? "",
      status: reply.status,
      duration: performance.now() - started,
    });
  }

  #keepStream(response: ServerResponse): void {
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  async #answer(message: IncomingMessage, target: RequestTarget): Promise<ApiResponse> {
    const limits = { size: this.#options.bodyLimit ?? BODY_LIMIT, time: this.#timeouts.read };
    const request = new IncomingRequest(message, target, limits);
    const { handlers, openHandlers = [] } = this.#options;
    try {
      const open = await this.#inTime(firstAnswer(openHandlers, request));
      if (open !== null) return open;
      const refusal = this.#guard.refuse(request) ?? redirectToClean(target);
      if (refusal !== null) return refusal;
      const reply = await this.#inTime(firstAnswer(handlers, request));
      return reply ?? textAnswer(404, "404 page not found");
    } catch (error) {
      return this.#failure(error, message);
    }
  }

  #inTime(reply: Promise<ApiResponse | null>): Promise<ApiResponse | null> {
    const { handle } = this.#timeouts;
    return within(handle, reply, () => answer(503, "text/html; charset=utf-8", TIMEOUT_PAGE));
  }

  #failure(error: unknown, message: IncomingMessage): ApiResponse {
    if (error instanceof ApiFault)
      return error.message === "" ? emptyAnswer(error.status) : textAnswer(error.status, error.message);
    // A client that left has nobody to be told, and nothing failed here.
    if (!message.destroyed) this.#options.onError?.(error);
    return textAnswer(500, "internal error");
  }
}

/** Null when none of them answers. */
async function firstAnswer(
  handlers: readonly ApiHandler[],
  request: ApiRequest,
): Promise<ApiResponse | null> {
  for (const handler of handlers) {
    const reply = await handler(request);
    if (reply !== null) return reply;
  }
  return null;
}

function redirectToClean({ path, search }: RequestTarget): ApiResponse | null {
  const clean = cleanPath(path);
  return clean === path ? null : emptyAnswer(301, { Location: encodePath(clean) + search });
}
