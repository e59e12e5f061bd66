import type { ProxyError } from "../../src/base/errors.ts";
import { type BodyLength, RequestHead, type ResponseHead } from "../../src/http/heads.ts";
import type { HttpHeaders } from "../../src/http/http-headers.ts";
import type { UpstreamSink } from "../../src/http/streams.ts";
import { ClientConnection, type ConnectionKeeper } from "../../src/http1/client-connection.ts";
import { ClientOptions, type ClientSettings } from "../../src/http1/client-options.ts";
import { connectTo } from "../../src/net/connect.ts";

/** What comes of one request. */
export class Outcome implements UpstreamSink {
  status = 0;
  reason = "";
  headers: Record<string, string> = {};
  /** Statuses of the interim responses. */
  readonly interim: number[] = [];
  body = "";
  trailers: HttpHeaders | null = null;
  error: ProxyError | null = null;
  /** Calls in order: head, end, error, blocked, drained; interim ones by their status. */
  readonly events: string[] = [];
  onInterim: (() => void) | null = null;
  onHead: (() => void) | null = null;
  onBody: (() => void) | null = null;
  onEnd: (() => void) | null = null;
  /** Settles with the end or the error. */
  readonly done: Promise<Outcome>;
  readonly #settle: (outcome: Outcome) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.done = promise;
    this.#settle = resolve;
  }

  onInformational(head: ResponseHead): void {
    this.interim.push(head.status);
    this.events.push(String(head.status));
    this.onInterim?.();
  }

  onResponseHead(head: ResponseHead): void {
    this.events.push("head");
    this.status = head.status;
    this.reason = head.reason;
    this.headers = head.headers.toJSON();
    this.onHead?.();
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.body += bytes.toString("latin1", start, end);
    this.onBody?.();
  }

  onResponseEnd(trailers: HttpHeaders | null): void {
    this.events.push("end");
    this.trailers = trailers;
    this.onEnd?.();
    this.#settle(this);
  }

  onUpstreamBlocked(): void {
    this.events.push("blocked");
  }

  onUpstreamDrained(): void {
    this.events.push("drained");
  }

  onUpstreamError(error: ProxyError): void {
    this.events.push("error");
    this.error = error;
    this.#settle(this);
  }
}

export interface RequestOptions {
  readonly method?: string;
  readonly target?: string;
  readonly body?: string;
  readonly length?: BodyLength;
  readonly trailers?: HttpHeaders;
  readonly upgrade?: string;
}

/** A connection to a server of the test, with a keeper that records. */
export class Http1Client implements ConnectionKeeper {
  readonly connection: ClientConnection;
  reusable = 0;
  closed = false;
  readonly gone: Promise<void>;
  readonly #close: () => void;

  constructor(settings: Partial<ClientSettings>) {
    this.connection = new ClientConnection(new ClientOptions(settings), this);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#close = resolve;
  }

  onReusable(): void {
    this.reusable++;
  }

  onClosed(): void {
    this.closed = true;
    this.#close();
  }

  /** Begins a request and leaves the rest to the test. */
  begin(): Outcome {
    const outcome = new Outcome();
    this.connection.begin(outcome);
    return outcome;
  }

  sendHead(options: RequestOptions = {}): void {
    const { method = "GET", target = "/", body = "", length = body === "" ? "none" : body.length } = options;
    const head = RequestHead.from({ method, target, headers: { Host: "a" } });
    this.connection.sendHead(head, length, {
      lines: "",
      dropped: 0,
      upgrade: options.upgrade ?? null,
      accept: null,
    });
  }

  /** Sends a whole request. */
  send(options: RequestOptions = {}): Outcome {
    const outcome = this.begin();
    this.sendHead(options);
    const bytes = Buffer.from(options.body ?? "", "latin1");
    if (bytes.length > 0) this.connection.sendBody(bytes, 0, bytes.length);
    this.connection.sendEnd(options.trailers ?? null);
    return outcome;
  }
}

export async function connectHttp1(
  port: number,
  settings: Partial<ClientSettings> = {},
): Promise<Http1Client> {
  const client = new Http1Client(settings);
  const { promise, resolve } = Promise.withResolvers<void>();
  const address = { kind: "tcp", host: "127.0.0.1", port } as const;
  client.connection.transport = connectTo(address, {}, client.connection, resolve);
  await promise;
  return client;
}
