import * as z from "zod";
import type { UpstreamSettings } from "../../filters/settings.ts";
import { DEFAULT_GROUP } from "../../upstream/group-settings.ts";
import type { PeerOptions } from "../../upstream/peer.ts";
import type { ServerInit } from "../../upstream/server.ts";
import { refuse } from "../scenario-toxic.ts";
import { formatHttpServer, httpServer, ipAddress } from "./addresses.ts";
import { balance } from "./balance.ts";
import { circuit } from "./circuit.ts";
import { discovery } from "./discovery.ts";
import { type HealthCheckDraft, healthChecks } from "./health-check.ts";
import { passiveHealth } from "./passive-health.ts";
import { type RetryDraft, retry } from "./retry.ts";
import { SERVER_EXPECTED, type ServerDraft, server } from "./server.ts";
import { sticky } from "./sticky.ts";
import { duration, share } from "./units.ts";
import { refuseMixed } from "./upstream-reference.ts";
import { connectProxy, DEFAULT_UPSTREAM_TLS, type UpstreamTlsDraft, upstreamTls } from "./upstream-tls.ts";
import { choice, entryName, integer, list, oneOf, oneOrMore, section } from "./values.ts";

/** Servers that discovery may find, if nothing else is said. */
const MOST_FOUND = 256;
const MOST_SERVERS = 10_000;

/** What may be spoken with servers. */
export const UPSTREAM_PROTOCOLS = ["http1", "h2", "h2c", "auto"] as const;

const timeouts = section("UpstreamTimeouts", "How long servers may take. 0 switches a timeout off.", {
  connect: duration.prefault("5s").describe("Until a connection stands."),
  first_byte: duration
    .prefault("60s")
    .describe("From the end of the request to the first byte of the response."),
  read: duration.prefault("60s").describe("Between two pieces of a response."),
  write: duration.prefault("60s").describe("How long a server may take nothing of its request."),
});

/** What an upstream is, but for its name and what the whole document says. */
export interface UpstreamDraft extends Omit<UpstreamSettings, "name" | "zone" | "retries" | "checks"> {
  readonly retries: RetryDraft["policy"];
  readonly checks: readonly HealthCheckDraft[];
  /** Null: none. */
  readonly tls: UpstreamTlsDraft | null;
}

const keys = {
  servers: oneOrMore(server, SERVER_EXPECTED)
    .optional()
    .describe(
      "The servers: an address, or a list of addresses and maps. Beside `discovery`: those that there are until it has found others.",
    ),
  discovery: discovery
    .optional()
    .describe(
      "Where servers are found: `api.internal:8080` (DNS), `_http._tcp.api.internal` (SRV), the path of a file, a URL, or a map.",
    ),
  max_servers: integer(1, MOST_SERVERS)
    .optional()
    .describe(
      "The most servers that `discovery` may find. Default: 256, or twice as many as `servers` names.",
    ),
  balance: balance
    .prefault(DEFAULT_GROUP.policy)
    .describe("How requests are spread over the servers: a policy, or a map with policy and key."),
  sticky: sticky.optional().describe("Clients stay with the server that they got first, by a signed cookie."),
  slow_start: duration
    .prefault(DEFAULT_GROUP.slowStart)
    .describe(
      "How long a server that comes back takes to get its full share again. Not for `ketama` and `maglev`.",
    ),
  panic_threshold: share
    .prefault(0)
    .describe(
      "When less than this share of the servers is available, all are used as if they were. 0: never.",
    ),
  health_check: healthChecks
    .optional()
    .describe(
      "How servers are asked whether they are well: a path, `tcp`, `tls`, `grpc`, a map, or a list. Default: they aren't.",
    ),
  passive_health: passiveHealth
    .prefault({})
    .describe("How servers that fail requests are taken out for a while; `off`: they aren't."),
  limits: circuit.prefault({}).describe("Circuit breakers: how much may be under way at once."),
  retry: retry
    .prefault({})
    .describe("When requests are sent once more: a number of attempts, a map, or `off`."),
  timeouts: timeouts.prefault({}).describe("How long servers may take."),
  tls: upstreamTls
    .optional()
    .describe(
      "TLS towards the servers: `true`, or a map. Default: `true` where their addresses say `https://`, else none.",
    ),
  protocol: choice(UPSTREAM_PROTOCOLS)
    .optional()
    .describe(
      "What the servers speak: HTTP/1.1 (`http1`), HTTP/2 over TLS (`h2`) or without it, which they must expect (`h2c`), or over TLS what they choose by ALPN (`auto`). Default: `auto` with `tls`, else `http1`.",
    ),
  transfer_codings: choice(["chunked", "any"])
    .prefault("chunked")
    .describe(
      "Which `Transfer-Encoding` a response of HTTP/1 may have. `any`, for broken servers only: what isn't `chunked` is passed on as it comes, until the server closes the connection, instead of being answered by 502.",
    ),
  connect_proxy: connectProxy
    .optional()
    .describe(
      "A proxy to connect through by CONNECT, which looks up their names: `http://host:port`, or `http://user:password@host:port`.",
    ),
  h2_ping_interval: duration
    .prefault(0)
    .describe(
      "For HTTP/2: silence after which a connection is asked with a PING whether it is alive; closed when it doesn't answer in that time. 0: never.",
    ),
  tcp_keepalive: duration
    .prefault("60s")
    .describe("Idleness after which TCP asks whether the server is still there. 0: never."),
  local_address: ipAddress.optional().describe("The address of this machine to connect from."),
};

type UpstreamDocument = z.output<z.ZodObject<typeof keys>>;

type Context = z.core.$RefinementCtx<unknown>;

const settings = section("Upstream", "A group of servers that do the same.", keys).transform(
  (document, context): UpstreamDraft => {
    const { servers = [], discovery: found = null } = document;
    if (servers.length === 0 && found === null)
      refuse(context, [], "servers, discovery, or both", { reason: "this upstream has no servers" });
    if (document.max_servers !== undefined && document.max_servers < servers.length)
      refuse(context, ["max_servers"], `at least the ${servers.length} that servers names`);
    const tls = tlsOf(document, servers, context);
    checkProtocol(document, tls, context);
    const { policy: retries, budget: retryBudget } = document.retry;
    return {
      ...{ servers: servers.map(withoutScheme), discovery: found, mostServers: toMostServers(document) },
      ...document.balance,
      ...{ sticky: document.sticky ?? null, slowStart: document.slow_start, panic: document.panic_threshold },
      ...{ checks: document.health_check ?? [], outliers: document.passive_health, ...document.limits },
      ...{ retries, retryBudget, tls, peer: toPeerOptions(document, tls !== null) },
    };
  },
);

function withoutScheme({ scheme: _, ...server }: ServerDraft): Required<ServerInit> {
  return server;
}

/** TLS is the upstream's, not a server's: addresses that say something of it must all say the same. */
function tlsOf(
  { tls }: Pick<UpstreamDocument, "tls">,
  servers: readonly ServerDraft[],
  context: Context,
): UpstreamTlsDraft | null {
  const secure = servers.filter(({ scheme }) => scheme === "https").length;
  if (secure > 0 && secure < servers.length && tls === undefined) refuseMixed(context, ["servers"]);
  if (secure > 0 && tls === null)
    refuse(context, ["tls"], "true, or a map", { reason: "the servers' addresses begin with https://" });
  if (tls != null && servers.some(({ scheme }) => scheme === "http"))
    refuse(context, ["servers"], "https://, or addresses alone", {
      reason: "there is tls, and addresses that begin with http://",
    });
  return tls === undefined && secure > 0 ? DEFAULT_UPSTREAM_TLS : (tls ?? null);
}

function checkProtocol(
  { protocol }: Pick<UpstreamDocument, "protocol">,
  tls: UpstreamTlsDraft | null,
  context: Context,
): void {
  if (protocol === "h2" && tls === null)
    refuse(context, ["protocol"], "h2c, or tls beside it", { reason: "h2 is HTTP/2 over TLS" });
  if (protocol === "h2c" && tls !== null)
    refuse(context, ["protocol"], "h2, or no tls", { reason: "h2c is HTTP/2 without TLS" });
}

function toMostServers({ servers = [], discovery: found, max_servers: most }: UpstreamDocument): number {
  if (found === undefined) return most ?? servers.length;
  return most ?? Math.max(MOST_FOUND, 2 * servers.length);
}

interface PeerDocument {
  readonly timeouts: z.output<typeof timeouts>;
  readonly protocol?: PeerOptions["protocol"];
  readonly connect_proxy?: string | undefined;
  readonly transfer_codings: PeerOptions["transferCodings"];
  readonly h2_ping_interval: number;
  readonly tcp_keepalive: number;
  readonly local_address?: string | undefined;
}

function toPeerOptions(document: PeerDocument, isSecure: boolean): PeerOptions {
  const { timeouts: times, tcp_keepalive: keepAlive, h2_ping_interval: pingInterval } = document;
  const { local_address, connect_proxy: proxy } = document;
  const wanted = document.protocol ?? "auto";
  const protocol = wanted === "auto" && !isSecure ? "http1" : wanted;
  return {
    connectTimeout: times.connect,
    firstByteTimeout: times.first_byte,
    readTimeout: times.read,
    writeTimeout: times.write,
    keepAlive,
    ...(document.transfer_codings === "any" ? { transferCodings: "any" as const } : {}),
    ...(protocol === "http1" && !isSecure ? {} : { protocol, pingInterval }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(local_address === undefined ? {} : { localAddress: local_address }),
  };
}

const DEFAULTS = settings.parse({ servers: "127.0.0.1:1" });
const SECURE_DEFAULTS = settings.parse({ servers: "https://127.0.0.1" });

/** An upstream of which only its servers are known. */
function ofServers(servers: readonly ServerDraft[], context: Context): UpstreamDraft {
  const tls = tlsOf({}, servers, context);
  const plain = servers.map(withoutScheme);
  const base = tls === null ? DEFAULTS : SECURE_DEFAULTS;
  return { ...base, servers: plain, mostServers: plain.length, tls };
}

/** An upstream; an address or a list is its servers. */
const upstream: z.ZodType<UpstreamDraft> = oneOf("an address, a list of servers, or a map with servers", [
  httpServer.transform((address) => toUpstream([formatHttpServer(address)])),
  list(server, "a list of servers").transform(ofServers),
  settings,
]);

const inPlace: z.ZodType<UpstreamDraft> = list(server, "a list of servers").transform(ofServers);

/**
 * An upstream of nothing but addresses, as a route may write it down in place.
 * @throws ZodError when some of them are reached by https and others not
 */
export function toUpstream(addresses: readonly string[]): UpstreamDraft {
  return inPlace.parse(addresses);
}

/** The upstreams of a document by their names. */
export const upstreams: z.ZodType<Readonly<Record<string, UpstreamDraft>>> = z.record(entryName, upstream, {
  error: "a map of names to upstreams",
});
