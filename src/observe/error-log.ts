import { type Logger, pino } from "pino";
import { describeThrown, type ErrorCode, type ProxyError } from "../base/errors.ts";
import type { LogLevel } from "../config/snapshot.ts";
import type { TlsFailure } from "../net/tls/tls-acceptor.ts";
import type { ErrorReporter } from "../proxy/http-proxy.ts";
import { ErrorFile } from "./error-file.ts";
import { RepeatedErrors } from "./repeated-errors.ts";

export interface ErrorLogOptions {
  readonly level: LogLevel;
  /** A file; null for standard error. */
  readonly path: string | null;
}

/**
 * The log of what happens to the proxy itself: JSON lines, written at once so that the last words of a crash are there.
 * On a terminal they are made readable.
 */
export async function createErrorLog(options: ErrorLogOptions, name: string): Promise<Logger> {
  const base = { name };
  if (options.path !== null) return pino({ level: options.level, base }, new ErrorFile(options.path));
  if (!process.stderr.isTTY)
    return pino({ level: options.level, base }, pino.destination({ fd: 2, sync: true }));
  const { default: pretty } = await import("pino-pretty");
  return pino(
    { level: options.level, base },
    pretty({ destination: 2, sync: true, ignore: "pid,hostname,name" }),
  );
}

/**
 * Has a log write where `next` does, and as much; no log is made of another one, for those would go on to write as much as before. `next`
 * isn't to be used any more.
 */
export function turnErrorLog(log: Logger, next: Logger): void {
  const [mine, other] = [log, next] as unknown as Record<symbol, ClosableStream>[];
  closeErrorLog(log);
  mine![pino.symbols.streamSym] = other![pino.symbols.streamSym]!;
  log.level = next.level;
}

/** Writes what waits and lets go of a log's file. It isn't to be used any more. */
export function closeErrorLog(log: Logger): void {
  const { [pino.symbols.streamSym]: stream } = log as unknown as Record<symbol, ClosableStream>;
  // Standard error stays.
  if (stream?.file != null) stream.end?.();
}

interface ClosableStream {
  /** Null on a descriptor that was given. */
  readonly file?: string | null;
  end?(): void;
}

/** What every request fails with while a server can't be reached. */
const OF_SERVER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "UPSTREAM_CONNECT_REFUSED",
  "UPSTREAM_CONNECT_TIMEOUT",
  "UPSTREAM_CONNECT_FAILED",
  "UPSTREAM_PROXY_REFUSED",
  "UPSTREAM_TLS_FAILED",
  "UPSTREAM_CERTIFICATE_UNTRUSTED",
  "UPSTREAM_CERTIFICATE_NAME",
  "UPSTREAM_CERTIFICATE_EXPIRED",
  "UPSTREAM_PROTOCOL",
]);

/** What every request fails with while a whole group is down, ordered out or full; the message names the group. */
const OF_GROUP: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "NO_HEALTHY_SERVER",
  "NO_PEER",
  "UPSTREAM_OVERLOADED",
]);

/**
 * Writes failed sessions to a log: a client's faults are its own, a server's are for whoever runs the proxy. Servers that
 * are down are told of once, not for every request.
 */
export class ErrorLogReporter implements ErrorReporter {
  #log: Logger;
  readonly #repeated: RepeatedErrors;

  constructor(log: Logger) {
    this.#log = log;
    this.#repeated = new RepeatedErrors((key, times) => {
      this.#log.warn({ more: times }, `${key} (${times} more)`);
    });
  }

  /** The log to write to from now on. */
  use(log: Logger): void {
    this.#log = log;
  }

  onSessionError(error: ProxyError, summary: string, server: string | null): void {
    const trouble = troubleOf(error, server);
    if (trouble !== null && !this.#repeated.isNews(trouble)) return;
    const level = error.source === "downstream" ? "debug" : error.code === "FILTER_FAILED" ? "error" : "warn";
    const { code, source, cause } = error;
    this.#log[level](
      {
        code,
        source,
        request: summary,
        ...(server === null ? {} : { server }),
        ...(cause === undefined ? {} : { cause: describe(cause) }),
      },
      error.message,
    );
  }

  onListenerError(listener: string, error: Error): void {
    this.#log.error({ listener, cause: describe(error) }, "A connection could not be accepted");
  }

  /** What strangers try on a port is worth a line to those only who look for it. */
  onHandshakeFailed(listener: string, client: string, { kind, reason, serverName }: TlsFailure): void {
    this.#log.debug({ listener, client, kind, sni: serverName, reason }, "A TLS handshake failed");
  }

  onServiceError(service: string, error: unknown): void {
    this.#log.error({ service, cause: describe(error) }, "A service failed");
  }
}

/** What is wrong with a server or a group, whatever the request; null for what went wrong with one request. */
function troubleOf(error: ProxyError, server: string | null): string | null {
  if (OF_GROUP.has(error.code)) return error.message;
  return OF_SERVER.has(error.code) ? `${error.message}, server ${server}` : null;
}

/** A filter's error with its stack, a socket's with its message. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return describeThrown(cause);
  return "syscall" in cause ? cause.message : (cause.stack ?? cause.message);
}
