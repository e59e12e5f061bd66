import * as z from "zod";
import type { UpstreamSettings } from "../../filters/settings.ts";
import { BALANCING_POLICIES, MAX_WEIGHT, type ServerInit } from "../../upstream/load-balancer.ts";
import type { PeerOptions } from "../../upstream/peer.ts";
import { ipAddress, serverAddress } from "./addresses.ts";
import { duration } from "./units.ts";
import { choice, integer, list, oneOf, oneOrMore, section } from "./values.ts";

const SERVER_EXPECTED = "the address of a server, or a map with address and weight";

const server: z.ZodType<Required<ServerInit>> = oneOf(SERVER_EXPECTED, [
  serverAddress.transform((address) => ({ address, weight: 1 })),
  section("Server", "A server of an upstream.", {
    address: serverAddress.describe("`host:port`, a port of this machine, `[v6]:port` or `unix:/path`."),
    weight: integer(1, MAX_WEIGHT)
      .default(1)
      .describe("Its share of the requests, beside the weights of the others."),
  }),
]);

const timeouts = section("UpstreamTimeouts", "How long servers may take. 0 switches a timeout off.", {
  connect: duration.prefault("5s").describe("Until a connection stands."),
  first_byte: duration
    .prefault("60s")
    .describe("From the end of the request to the first byte of the response."),
  read: duration.prefault("60s").describe("Between two pieces of a response."),
  write: duration.prefault("60s").describe("How long a server may take nothing of its request."),
});

/** What an upstream is, but for its name. */
export type UpstreamDraft = Omit<UpstreamSettings, "name">;

const settings = section("Upstream", "A group of servers that do the same.", {
  servers: oneOrMore(server, SERVER_EXPECTED).describe(
    "The servers: an address, or a list of addresses and maps.",
  ),
  balance: choice(BALANCING_POLICIES)
    .default("round_robin")
    .describe("How requests are spread over the servers."),
  timeouts: timeouts.prefault({}).describe("How long servers may take."),
  tcp_keepalive: duration
    .prefault("60s")
    .describe("Idleness after which TCP asks whether the server is still there. 0: never."),
  local_address: ipAddress.optional().describe("The address of this machine to connect from."),
}).transform((document): UpstreamDraft => {
  return { servers: document.servers, policy: document.balance, peer: toPeerOptions(document) };
});

interface PeerDocument {
  readonly timeouts: z.output<typeof timeouts>;
  readonly tcp_keepalive: number;
  readonly local_address?: string | undefined;
}

function toPeerOptions({
  timeouts: times,
  tcp_keepalive: keepAlive,
  local_address,
}: PeerDocument): PeerOptions {
  return {
    connectTimeout: times.connect,
    firstByteTimeout: times.first_byte,
    readTimeout: times.read,
    writeTimeout: times.write,
    keepAlive,
    ...(local_address === undefined ? {} : { localAddress: local_address }),
  };
}

/** An upstream; an address or a list is its servers. */
const upstream: z.ZodType<UpstreamDraft> = oneOf("an address, a list of servers, or a map with servers", [
  serverAddress.transform((address) => settings.parse({ servers: address })),
  list(server, "a list of servers").transform((all) => settings.parse({ servers: all })),
  settings,
]);

/** An upstream of nothing but addresses, as a route may write it down in place. */
export function toUpstream(name: string, addresses: readonly string[]): UpstreamSettings {
  return { name, ...settings.parse({ servers: [...addresses] }) };
}

const NAME_EXPECTED = "a name of letters, digits, dots, dashes and underscores that begins with a letter";

const NAME = /^[A-Za-z][\w.-]*$/;

export function isUpstreamName(name: string): boolean {
  return NAME.test(name);
}

/** The upstreams of a document by their names. */
export const upstreams: z.ZodType<Readonly<Record<string, UpstreamDraft>>> = z.record(
  z.string().regex(NAME, { error: NAME_EXPECTED }),
  upstream,
  { error: "a map of names to upstreams" },
);
