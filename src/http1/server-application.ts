import type { RequestHead } from "../http/heads.ts";
import type { DownstreamSink, DownstreamStream } from "../http/streams.ts";
import type { Transport } from "../net/transport.ts";
import type { HeadProblem } from "./head-limits.ts";

/** A client's connection as the application sees it. */
export interface ClientSide extends DownstreamStream {
  readonly transport: Transport;
  /** The client's address; "" on a Unix socket. */
  readonly remoteAddress: string;
  /** Requests begun on this connection. */
  readonly requestCount: number;
  /** True when the current request was made in HTTP/1.1. */
  readonly isHttp11: boolean;
  /** What the application remembers of this connection. */
  note: unknown;
}

/** Hears the rest of one request. */
export interface RequestSink extends DownstreamSink {
  /** Called once, right after the sink was made; the head's bytes are borrowed until this returns. */
  start(): void;
}

/** What answers the requests of a connection. */
export interface ServerApplication {
  /** True once the listener shuts down: responses close their connection. */
  readonly draining: boolean;
  onRequest(connection: ClientSide, head: RequestHead): RequestSink;
  /** Something that is no request, or is past a limit, was answered with `status`; the connection is closing. */
  onRefused(connection: ClientSide, problem: HeadProblem, status: number): void;
  onHeadTimeout(connection: ClientSide): void;
  onClosed(connection: ClientSide): void;
}
