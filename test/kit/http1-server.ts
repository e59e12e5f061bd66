import { createServer, type Server } from "node:net";
import type { ProxyError } from "../../src/base/errors.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../../src/http/heads.ts";
import type { HeadersInit, HttpHeaders } from "../../src/http/http-headers.ts";
import type { RequestSink, ServerApplication } from "../../src/http/server-application.ts";
import { ServerConnection } from "../../src/http1/server-connection.ts";
import { ServerOptions, type ServerSettings } from "../../src/http1/server-options.ts";
import { until } from "./deadline.ts";
import { listen } from "./ports.ts";

/** A request as a connection hands it over; answers are up to the test. */
export class ServedRequest implements RequestSink {
  readonly connection: ServerConnection;
  readonly head: RequestHead;
  readonly method: string;
  readonly target: string;
  body = "";
  trailers: HttpHeaders | null = null;
  complete = false;
  /** What it was told, in order: start, end, blocked, drained, error codes. */
  readonly events: string[] = [];
  onBody: (() => void) | null = null;
  readonly #server: Http1Server;

  constructor(server: Http1Server, connection: ServerConnection, head: RequestHead) {
    this.#server = server;
    this.connection = connection;
    this.head = head;
    this.method = head.method;
    this.target = head.target;
  }

  start(): void {
    this.events.push("start");
    this.#server.handlers.onStart?.(this);
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.body += bytes.toString("latin1", start, end);
    this.onBody?.();
  }

  onRequestEnd(trailers: HttpHeaders | null): void {
    this.events.push("end");
    this.complete = true;
    this.trailers = trailers;
    this.#server.handlers.onComplete?.(this);
  }

  onDownstreamBlocked(): void {
    this.events.push("blocked");
  }

  onDownstreamDrained(): void {
    this.events.push("drained");
  }

  onDownstreamError(error: ProxyError): void {
    this.events.push(error.code);
    this.#server.handlers.onError?.(this, error);
  }

  /** A whole response; the date stands still. */
  answer(body: string | Buffer = "", options: AnswerOptions = {}): void {
    const bytes = Buffer.from(body as string, "latin1");
    this.sendHead(options.length ?? bytes.length, options);
    if (bytes.length > 0) this.connection.sendBody(bytes, 0, bytes.length);
    this.connection.sendEnd(options.trailers ?? null);
  }

  continueHead(): ResponseHead {
    return ResponseHead.from({ status: 100 });
  }

  sendHead(length: BodyLength, options: AnswerOptions = {}): void {
    const { status = 200, headers = {}, keepAlive = true } = options;
    const head = ResponseHead.from({ status, headers: { Date: "now", ...headers } });
    this.connection.sendHead(head, length, keepAlive);
  }
}

export interface AnswerOptions {
  readonly status?: number;
  readonly headers?: HeadersInit & object;
  readonly length?: BodyLength;
  readonly trailers?: HttpHeaders;
  readonly keepAlive?: boolean;
}

export interface Handlers {
  readonly onStart?: (request: ServedRequest) => void;
  readonly onComplete?: (request: ServedRequest) => void;
  readonly onError?: (request: ServedRequest, error: ProxyError) => void;
}

/** Server connections behind a port, with an application that records what they say. */
export class Http1Server implements ServerApplication<ServerConnection>, AsyncDisposable {
  port = 0;
  draining = false;
  readonly handlers: Handlers;
  readonly options: ServerOptions;
  readonly requests: ServedRequest[] = [];
  readonly refused: string[] = [];
  readonly connections: ServerConnection[] = [];
  headTimeouts = 0;
  closed = 0;
  readonly server: Server;

  constructor(handlers: Handlers, settings: Partial<ServerSettings>) {
    this.handlers = handlers;
    this.options = new ServerOptions(settings);
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      this.connections.push(new ServerConnection(socket, this.options, this));
    });
  }

  onRequest(connection: ServerConnection, head: RequestHead): RequestSink {
    const request = new ServedRequest(this, connection, head);
    this.requests.push(request);
    return request;
  }

  onRefused(_connection: ServerConnection, problem: string): void {
    this.refused.push(problem);
  }

  onHeadTimeout(): void {
    this.headTimeouts++;
  }

  onClosed(): void {
    this.closed++;
  }

  /** The request with this index, as soon as its head has come. */
  async request(index: number): Promise<ServedRequest> {
    await until(`request ${index} came`, () => this.requests.length > index);
    return this.requests[index]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const connection of this.connections) connection.destroy();
    await until("all connections are closed", () => this.closed === this.connections.length);
  }
}

export async function startHttp1Server(
  handlers: Handlers = {},
  settings: Partial<ServerSettings> = {},
): Promise<Http1Server> {
  const server = new Http1Server(handlers, settings);
  server.port = await listen(server.server);
  return server;
}
