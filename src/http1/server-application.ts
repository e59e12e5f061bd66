import type { RequestHead } from "../http/heads.ts";
import type { DownstreamSink } from "../http/streams.ts";
import type { HeadProblem } from "./head-limits.ts";
import type { ServerConnection } from "./server-connection.ts";

/** Hears the rest of one request. */
export interface RequestSink extends DownstreamSink {
  /** Called once, right after the sink was made; the head's bytes are borrowed until this returns. */
  start(): void;
}

/** What answers the requests of a connection. */
export interface ServerApplication {
  /** True once the listener shuts down: responses close their connection. */
  readonly draining: boolean;
  onRequest(connection: ServerConnection, head: RequestHead): RequestSink;
  /** Something that is no request was answered with `status`; the connection is closing. */
  onRefused(connection: ServerConnection, problem: HeadProblem, status: number): void;
  onHeadTimeout(connection: ServerConnection): void;
  onClosed(connection: ServerConnection): void;
}
