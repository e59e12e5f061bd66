import * as z from "zod";
import type { UpstreamSettings } from "../../filters/settings.ts";
import { DEFAULT_GROUP } from "../../upstream/group-settings.ts";
import type { PeerOptions } from "../../upstream/peer.ts";
import { refuse } from "../scenario-toxic.ts";
import { ipAddress, serverAddress } from "./addresses.ts";
import { balance } from "./balance.ts";
import { circuit } from "./circuit.ts";
import { discovery } from "./discovery.ts";
import { healthChecks } from "./health-check.ts";
import { passiveHealth } from "./passive-health.ts";
import { type RetryDraft, retry } from "./retry.ts";
import { SERVER_EXPECTED, server } from "./server.ts";
import { sticky } from "./sticky.ts";
import { duration, share } from "./units.ts";
import { choice, entryName, integer, list, oneOf, oneOrMore, section } from "./values.ts";

/** Servers that discovery may find, if nothing else is said. */
const MOST_FOUND = 256;
const MOST_SERVERS = 10_000;

/** What may be spoken with servers. */
export const UPSTREAM_PROTOCOLS = ["http1", "h2c"] as const;

const timeouts = section("UpstreamTimeouts", "How long servers may take. 0 switches a timeout off.", {
  connect: duration.prefault("5s").describe("Until a connection stands."),
  first_byte: duration
    .prefault("60s")
    .describe("From the end of the request to the first byte of the response."),
  read: duration.prefault("60s").describe("Between two pieces of a response."),
  write: duration.prefault("60s").describe("How long a server may take nothing of its request."),
});

/** What an upstream is, but for its name and what the whole document says. */
export interface UpstreamDraft extends Omit<UpstreamSettings, "name" | "zone" | "retries"> {
  readonly retries: RetryDraft["policy"];
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
  protocol: choice(UPSTREAM_PROTOCOLS)
    .prefault("http1")
    .describe("What the servers speak: HTTP/1.1, or HTTP/2 without TLS (`h2c`), which they must expect."),
  h2_ping_interval: duration
    .prefault(0)
    .describe(
      "For `h2c`: silence after which a connection is asked with a PING whether it is alive; closed when it doesn't answer in that time. 0: never.",
    ),
  tcp_keepalive: duration
    .prefault("60s")
    .describe("Idleness after which TCP asks whether the server is still there. 0: never."),
  local_address: ipAddress.optional().describe("The address of this machine to connect from."),
};

type UpstreamDocument = z.output<z.ZodObject<typeof keys>>;

const settings = section("Upstream", "A group of servers that do the same.", keys).transform(
  (document, context): UpstreamDraft => {
    const { servers = [], discovery: found = null } = document;
    if (servers.length === 0 && found === null)
      refuse(context, [], "servers, discovery, or both", { reason: "this upstream has no servers" });
    if (document.max_servers !== undefined && document.max_servers < servers.length)
      refuse(context, ["max_servers"], `at least the ${servers.length} that servers names`);
    const asksInHttp1 = document.health_check?.some(({ kind, port }) => kind === "http" && port === null);
    if (document.protocol === "h2c" && asksInHttp1 === true)
      refuse(context, ["health_check"], "tcp, grpc, or a map with a port that speaks HTTP/1");
    const { policy: retries, budget: retryBudget } = document.retry;
    return {
      ...{ servers, discovery: found, mostServers: toMostServers(document), ...document.balance },
      ...{ sticky: document.sticky ?? null, slowStart: document.slow_start, panic: document.panic_threshold },
      ...{ checks: document.health_check ?? [], outliers: document.passive_health, ...document.limits },
      ...{ retries, retryBudget, peer: toPeerOptions(document) },
    };
  },
);

function toMostServers({ servers = [], discovery: found, max_servers: most }: UpstreamDocument): number {
  if (found === undefined) return most ?? servers.length;
  return most ?? Math.max(MOST_FOUND, 2 * servers.length);
}

interface PeerDocument {
  readonly timeouts: z.output<typeof timeouts>;
  readonly protocol: "http1" | "h2c";
  readonly h2_ping_interval: number;
  readonly tcp_keepalive: number;
  readonly local_address?: string | undefined;
}

function toPeerOptions({
  timeouts: times,
  protocol,
  h2_ping_interval: pingInterval,
  tcp_keepalive: keepAlive,
  local_address,
}: PeerDocument): PeerOptions {
  return {
    connectTimeout: times.connect,
    firstByteTimeout: times.first_byte,
    readTimeout: times.read,
    writeTimeout: times.write,
    keepAlive,
    ...(protocol === "http1" ? {} : { protocol, pingInterval }),
    ...(local_address === undefined ? {} : { localAddress: local_address }),
  };
}

const DEFAULTS = settings.parse({ servers: "127.0.0.1:1" });

/** An upstream of which only its servers are known. */
function ofServers(servers: UpstreamDraft["servers"]): UpstreamDraft {
  return { ...DEFAULTS, servers, mostServers: servers.length };
}

/** An upstream; an address or a list is its servers. */
const upstream: z.ZodType<UpstreamDraft> = oneOf("an address, a list of servers, or a map with servers", [
  serverAddress.transform((address) => toUpstream([address])),
  list(server, "a list of servers").transform(ofServers),
  settings,
]);

/** An upstream of nothing but addresses, as a route may write it down in place. */
export function toUpstream(addresses: readonly string[]): UpstreamDraft {
  return ofServers(addresses.map((address) => server.parse(address)));
}

/** The upstreams of a document by their names. */
export const upstreams: z.ZodType<Readonly<Record<string, UpstreamDraft>>> = z.record(entryName, upstream, {
  error: "a map of names to upstreams",
});
