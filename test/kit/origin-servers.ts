import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { Server } from "node:net";
import type { TlsOptions } from "node:tls";
import type { OriginRequest, OriginResponse } from "./origin-routes.ts";

export interface ServerKind {
  readonly tls?: TlsOptions;
  readonly http2?: boolean;
}

type Listener = (request: OriginRequest, response: OriginResponse) => void;

/** Node gives up on its own after these times; in a test only the test and the proxy shall end a connection. */
const patientServer: http.ServerOptions = {
  keepAliveTimeout: 0,
  requestTimeout: 0,
  headersTimeout: 0,
  maxHeaderSize: 256 * 1024,
  noDelay: true,
};

/** A Node server of the wanted protocol that listens nowhere yet. */
export function createServerFor(kind: ServerKind, listener: Listener): Server {
  const { tls, http2: speaksHttp2 = false } = kind;
  if (speaksHttp2 && tls !== undefined) {
    return http2.createSecureServer({ allowHTTP1: true, ...tls }, listener);
  }
  if (speaksHttp2) return http2.createServer(listener);
  if (tls !== undefined) return https.createServer({ ...patientServer, ...tls }, listener);
  return http.createServer(patientServer, listener);
}
