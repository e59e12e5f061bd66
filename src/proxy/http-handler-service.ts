import { isThenable, ProxyError } from "../base/errors.ts";
import type { ServerSettings } from "../http1/server-options.ts";
import type { Http2Settings } from "../http2/server-options.ts";
import type { CertificateCallback } from "../net/tls/certificate-store.ts";
import { httpProxy } from "./http-proxy-service.ts";
import type { MaybePromise, ProxyPhases } from "./phases.ts";
import type { Service } from "./service.ts";
import type { ResponseInit, Session } from "./session.ts";
import type { TlsOptions } from "./tls/tls-options.ts";

/**
 * Answers a request: with what it returns, or by `session.respond(…)`; neither of both is a 404. What it throws is
 * reported and answered with 500, a `ProxyError` with its status. It may read the request's body with
 * `session.readBody()`, and stream the response's as an async iterable.
 */
export type HttpHandler = (session: Session) => MaybePromise<ResponseInit | undefined>;

export interface HttpHandlerServiceOptions {
  /** Default "http". */
  readonly name?: string;
  /** Addresses to listen on: `host:port`, `:port`, `[v6]:port`, `unix:/path`. Default: those the program is run with. */
  readonly listen?: readonly string[];
  readonly handler: HttpHandler;
  readonly dependsOn?: readonly string[];
  /** Limits and timeouts of clients' connections. */
  readonly settings?: Partial<ServerSettings>;
  /** How clients may speak HTTP/2, within the same limits; false: not at all. Default true. */
  readonly http2?: boolean | Partial<Http2Settings>;
  /** TLS towards clients, on all addresses: `{ cert, key }` is enough. Default null: none. */
  readonly tls?: TlsOptions | null;
  /** Chooses certificates before `tls` does, which may then do without any; null: `tls` shall choose. */
  readonly certificateCallback?: CertificateCallback;
  /** Open connections; more are closed as they come. Default 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** Open connections from one client address. Default 0: no limit. Holds for each thread. */
  readonly maxConnectionsPerClient?: number;
  /** Decides by address, before a byte is read, whether a client may connect. */
  readonly connectionFilter?: (address: string) => boolean;
  /** Milliseconds a request may take as a whole. Default 0: no limit. */
  readonly requestTimeout?: number;
}

/** A service that answers requests itself: a proxy whose every session is answered in `requestFilter`. */
export function httpService(options: HttpHandlerServiceOptions): Service {
  const { handler, ...rest } = options;
  return httpProxy({ ...rest, phases: toPhases(handler) });
}

function toPhases(handler: HttpHandler): ProxyPhases {
  return {
    requestFilter(session) {
      const answer = handler(session);
      if (isThenable(answer)) return answer.then((later) => finish(session, later));
      return finish(session, answer);
    },
    upstreamPeer() {
      throw new ProxyError("NOT_PROXIED");
    },
  };
}

function finish(session: Session, answer: ResponseInit | undefined): void {
  // A session that ended meanwhile (a client that left, a body over the limit) has its response or needs none.
  if (session.responded || session.error !== null) return;
  session.respond(
    answer ?? { status: 404, headers: { "Content-Type": "text/plain" }, body: "HTTP 404 Not Found\n" },
  );
}
