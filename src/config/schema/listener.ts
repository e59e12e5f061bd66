import * as z from "zod";
import { ALLOW } from "../../chaos/mode.ts";
import type { Action } from "../../filters/settings.ts";
import { DEFAULT_SERVER_SETTINGS, type ServerSettings } from "../../http1/server-options.ts";
import type { ForwardingPolicy } from "../../proxy/forwarding.ts";
import type { ListenerSettings } from "../snapshot.ts";
import { bindAddress } from "./addresses.ts";
import { type CacheKeysDraft, cacheKeys } from "./cache.ts";
import { type CodingDraft, codingKeys } from "./coding.ts";
import type { FaultDraft } from "./fault.ts";
import { filterReferences } from "./filter.ts";
import { forwarded, via } from "./forwarded.ts";
import { grpcWeb } from "./grpc-web.ts";
import { http2 } from "./http2.ts";
import { type LimitReference, limitReferences } from "./limit.ts";
import { pluginReferences } from "./plugin.ts";
import { actionKeys, faults, type RouteDraft, route, toAction } from "./route.ts";
import { type StreamDraft, tcpListener, udpListener } from "./stream-listener.ts";
import { httpTls } from "./tls.ts";
import { chaosKeys } from "./toxics.ts";
import { duration, size } from "./units.ts";
import { choice, flag, integer, list, section, text } from "./values.ts";

const { head: HEAD } = DEFAULT_SERVER_SETTINGS;
const MOST = 2 ** 31 - 1;

const limits = section(
  "Limits",
  "How much clients may ask for. Numbers of connections are those of one thread.",
  {
    requests: limitReferences
      .optional()
      .describe(
        "How many requests all its routes let in together, in the forms that `limits` of a route has. They come before those of the route.",
      ),
    connections: integer(0, MOST)
      .default(0)
      .describe(
        "Open connections; more are closed at once. One of HTTP/2 counts once, whatever it carries (`http2.max_concurrent_streams`). 0: no limit.",
      ),
    connections_per_client: integer(0, MOST)
      .default(0)
      .describe("Open connections from one address. 0: no limit."),
    requests_per_connection: integer(0, MOST)
      .default(DEFAULT_SERVER_SETTINGS.requestsPerConnection)
      .describe("Requests a connection may carry before it is closed. 0: no limit."),
    body: size(0)
      .prefault(DEFAULT_SERVER_SETTINGS.bodyBytes)
      .describe("A request's body; more is answered with 413. 0: no limit."),
    request_line: size(64, 2 ** 20)
      .prefault(inKilobytes(HEAD.requestLine))
      .describe("The request line; more is answered with 414."),
    head: size(256, 2 ** 24)
      .prefault(inKilobytes(HEAD.bytes))
      .describe("A request's head as a whole; more is answered with 431."),
    headers: integer(1, 10_000)
      .default(HEAD.fields)
      .describe("Header fields of a request; more are answered with 431."),
    minimum_rate: size(0)
      .prefault(DEFAULT_SERVER_SETTINGS.minimumRate)
      .describe(
        "Bytes a second that a request's body has to come with, judged every five seconds. 0: it may be slow.",
      ),
  },
);

const timeouts = section("ListenerTimeouts", "How long clients may take. 0 switches a timeout off.", {
  head: duration
    .prefault(inSeconds(DEFAULT_SERVER_SETTINGS.headTimeout))
    .describe("From a request's first byte to the end of its head."),
  body: duration
    .prefault(inSeconds(DEFAULT_SERVER_SETTINGS.bodyTimeout))
    .describe("Between two pieces of a request's body."),
  keepalive: duration
    .prefault(inSeconds(DEFAULT_SERVER_SETTINGS.keepAliveTimeout))
    .describe("Between two requests on a connection."),
  write: duration
    .prefault(inSeconds(DEFAULT_SERVER_SETTINGS.writeTimeout))
    .describe("How long a client may take nothing of its response."),
  request: duration.prefault(0).describe("A request as a whole, from its head to the end of its response."),
  grpc: duration
    .prefault(0)
    .describe("The longest that a gRPC call may take, whatever time its client gives it (`grpc-timeout`)."),
});

function inKilobytes(bytes: number): string {
  return `${bytes / 1024}k`;
}

function inSeconds(milliseconds: number): string {
  return `${milliseconds / 1000}s`;
}

/** An HTTP listener whose routes may still be those of the whole document, and whose name may be open. */
export interface HttpDraft extends Omit<ListenerSettings, "name" | "routes">, CodingDraft, CacheKeysDraft {
  readonly name: string | null;
  /** What comes before the limits of every route. */
  readonly requestLimits: readonly LimitReference[];
  readonly routes: readonly RouteDraft[] | null;
}

/** An HTTP listener: where it listens, how it treats clients, and what it does with their requests. */
const httpListener: z.ZodType<HttpDraft> = section(
  "Listener",
  "A socket that HTTP clients connect to. What it does with their requests stands in `routes`; for a single route without conditions, `upstream`, `redirect` or `respond` may stand in the listener itself.",
  {
    bind: bindAddress.describe(
      "Where to listen: `host:port`, `:port` or a port for all interfaces, `[v6]:port`, `unix:/path`.",
    ),
    name: text("a name").optional().describe("What the listener is called. Default: its address."),
    protocol: choice(["http"]).default("http").describe("What is spoken."),
    ...actionKeys,
    faults: faults
      .optional()
      .describe(
        "Faults on all its requests, beside `upstream`, `redirect` or `respond`. Routes have their own.",
      ),
    routes: list(route, "a list of routes")
      .optional()
      .describe(
        "In order; the first that matches takes the request. None: 404. Default: the `routes` of the document.",
      ),
    limits: limits.prefault({}).describe("How much clients may ask for."),
    timeouts: timeouts.prefault({}).describe("How long clients may take."),
    http2: http2
      .prefault(true)
      .describe("Whether clients may speak HTTP/2 (with prior knowledge, or by ALPN), and how."),
    tls: httpTls.optional().describe("TLS towards clients. Default: they connect without."),
    grpc_web: grpcWeb
      .prefault(false)
      .describe(
        "Translates calls of gRPC-Web, as browsers make them, to gRPC: `true`, whose pages may call across origins, or a map.",
      ),
    plugins: pluginReferences
      .optional()
      .describe(
        "Plugins that all its requests and their responses go through, the first of them next to the client. Heads go through before a route is chosen. They come before those of the route.",
      ),
    filters: filterReferences
      .optional()
      .describe(
        "Filters that all its requests and their responses go through, the first of them next to the client. They come before those of the route.",
      ),
    ...codingKeys,
    ...cacheKeys,
    forwarded: forwarded.prefault({}).describe("What servers are told about clients."),
    via: via
      .prefault("")
      .describe(
        "Our name in `Via` (RFC 9110 §7.6.3), by which loops are found too; `off` for no such field. Default: a name of its own for each process.",
      ),
    connect: flag()
      .default(false)
      .describe("Answers CONNECT by a tunnel to the upstream. Otherwise it gets 405."),
    ...chaosKeys("bytes"),
  },
).transform((document): HttpDraft => {
  const { bind, name = null, protocol, routes = null, connect, toxics = [], mode = ALLOW } = document;
  const action = toAction(document);
  const forwarding: ForwardingPolicy = { ...document.forwarded, via: document.via };
  return {
    ...{ name, bind, protocol, forwarding, allowConnect: connect, toxics, mode },
    requestLimits: document.limits.requests ?? [],
    server: toServerSettings(document.limits, document.timeouts),
    http2: document.http2,
    tls: document.tls ?? null,
    maxConnections: document.limits.connections,
    maxConnectionsPerClient: document.limits.connections_per_client,
    requestTimeout: document.timeouts.request,
    grpcTimeout: document.timeouts.grpc,
    grpcWeb: document.grpc_web,
    plugins: document.plugins ?? [],
    filters: document.filters ?? [],
    compress: document.compress,
    decompress: document.decompress,
    cache: document.cache,
    routes: action === null ? routes : [toOnlyRoute(action, document.faults ?? [])],
  };
});

function toOnlyRoute(action: Action, laid: readonly FaultDraft[]): RouteDraft {
  const none = { match: null, response: null, limits: [], plugins: [], filters: [], grpcTimeout: 0 };
  const asListener = { compress: undefined, decompress: undefined, cache: undefined };
  return { ...none, ...asListener, name: null, action, faults: laid };
}

function toServerSettings(
  limit: z.output<typeof limits>,
  timeout: z.output<typeof timeouts>,
): ServerSettings {
  return {
    head: { requestLine: limit.request_line, bytes: limit.head, fields: limit.headers },
    chunked: DEFAULT_SERVER_SETTINGS.chunked,
    bodyBytes: limit.body,
    requestsPerConnection: limit.requests_per_connection,
    headTimeout: timeout.head,
    bodyTimeout: timeout.body,
    keepAliveTimeout: timeout.keepalive,
    writeTimeout: timeout.write,
    minimumRate: limit.minimum_rate,
  };
}

export type ListenerDraft = HttpDraft | StreamDraft;

/** A listener of any protocol. */
export const listener: z.ZodType<ListenerDraft> = z.discriminatedUnion(
  "protocol",
  [httpListener, tcpListener, udpListener] as unknown as Parameters<typeof z.discriminatedUnion>[1],
  { error: ({ code }) => (code === "invalid_union" ? "one of http, tcp, udp" : "a map") },
) as unknown as z.ZodType<ListenerDraft>;
