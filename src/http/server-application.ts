import type { RequestHead } from "./heads.ts";
import type { DownstreamSink, DownstreamStream } from "./streams.ts";

/** Hears the rest of one request. */
export interface RequestSink extends DownstreamSink {
  /** Called once, right after the sink was made; the head's bytes are borrowed until this returns. */
  start(): void;
}

/** What answers the requests of clients' connections, whatever these speak. */
export interface ServerApplication<Connection> {
  /** True once the listener shuts down: responses close their connection. */
  readonly draining: boolean;
  /** True while it has time for that: clients between requests aren't closed on, for their next one may be on its way. */
  readonly isPatient?: boolean;
  onRequest(stream: DownstreamStream, head: RequestHead, connection: Connection): RequestSink;
  /**
   * Something that is no request, or is past a limit, was refused.
   * @param problem says in capitals what it is
   * @param status of the answer; 0: there was none but a reset
   */
  onRefused(connection: Connection, problem: string, status: number): void;
  onHeadTimeout(connection: Connection): void;
  onClosed(connection: Connection): void;
}

/** What answers the requests of an HTTP/1 listener. */
export interface Http1Application<Connection> extends ServerApplication<Connection> {
  /**
   * The first bytes of a connection ask for another major version than 1. Whoever knows it takes the transport over, with
   * these bytes, and the connection has no part in it any more.
   * @returns false for nobody: they are refused
   */
  onOtherVersion?(connection: Connection, bytes: Buffer, start: number, end: number): boolean;
}
