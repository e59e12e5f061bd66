import { isThenable, ProxyError } from "../base/errors.ts";
import { type HttpProxyServiceOptions, httpProxy } from "./http-proxy-service.ts";
import type { MaybePromise, ProxyPhases } from "./phases.ts";
import type { Service } from "./service.ts";
import type { ResponseInit, Session } from "./session.ts";

/**
 * Answers a request: with what it returns, or by `session.respond(…)`; neither of both is a 404. What it throws is
 * reported and answered with 500, a `ProxyError` with its status. It may read the request's body with
 * `session.readBody()`, and stream the response's as an async iterable.
 */
export type HttpHandler = (session: Session) => MaybePromise<ResponseInit | undefined>;

/** Those of a proxy, as far as they are about clients. */
export interface HttpHandlerServiceOptions
  extends Pick<
    HttpProxyServiceOptions<undefined>,
    | "name"
    | "listen"
    | "dependsOn"
    | "settings"
    | "http2"
    | "tls"
    | "certificateCallback"
    | "maxConnections"
    | "maxConnectionsPerClient"
    | "connectionFilter"
    | "requestTimeout"
  > {
  readonly handler: HttpHandler;
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
