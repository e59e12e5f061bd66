import type * as z from "zod";
import { ALLOW } from "../../chaos/mode.ts";
import { STREAM_DEFAULTS, type StreamProxySettings } from "../../proxy/stream-proxy.ts";
import { refuse } from "../scenario-toxic.ts";
import { bindAddress } from "./addresses.ts";
import { pluginReferences } from "./plugin.ts";
import { serverListKeys, serversOf } from "./server-list.ts";
import { streamTls } from "./tls.ts";
import { chaosKeys } from "./toxics.ts";
import { duration } from "./units.ts";
import { type UpstreamTlsDraft, upstreamTls } from "./upstream-tls.ts";
import { choice, flag, integer, section, text } from "./values.ts";

const MOST = 2 ** 31 - 1;

/** A TCP or UDP listener whose name may still be open. */
export interface StreamDraft extends Omit<StreamProxySettings, "name" | "upstreamTls"> {
  readonly name: string | null;
  /** Its files aren't read yet. */
  readonly upstreamTls: UpstreamTlsDraft | null;
}

const commonKeys = {
  bind: bindAddress.describe(
    "Where to listen: `host:port`, `:port` or a port for all interfaces, `[v6]:port`; with TCP also `unix:/path`.",
  ),
  name: text("a name").optional().describe("What the listener is called. Default: its address."),
  ...serverListKeys,
};

const tcp = STREAM_DEFAULTS.tcp;

const tcpLimits = section("TcpLimits", "How many connections there may be, in each thread.", {
  connections: integer(0, MOST)
    .default(tcp.maxConnections)
    .describe("Open connections; more are closed at once. 0: no limit."),
  connections_per_client: integer(0, MOST)
    .default(tcp.maxConnectionsPerClient)
    .describe("Open connections from one address. 0: no limit."),
});

const tcpTimeouts = section("TcpTimeouts", "How long connections may take. 0 switches a timeout off.", {
  connect: duration
    .prefault(inSeconds(tcp.connectTimeout))
    .describe("Until a connection to a server stands; then the next one is tried."),
  idle: duration
    .prefault(inSeconds(tcp.idleTimeout))
    .describe("Without a byte in either direction a connection is closed."),
});

const tcpProxyProtocol = section("TcpProxyProtocol", "The PROXY protocol, which tells clients' addresses.", {
  accept: flag()
    .default(false)
    .describe("Clients begin with a header of it, of version 1 or 2. Others are refused."),
  send: choice(["v1", "v2"]).optional().describe("Servers get a header of it, of this version."),
});

/** A listener whose connections are relayed as they are. */
export const tcpListener: z.ZodType<StreamDraft> = section(
  "TcpListener",
  "A socket whose connections are relayed to servers, byte by byte.",
  {
    protocol: choice(["tcp"]).describe("What is spoken."),
    ...commonKeys,
    limits: tcpLimits.prefault({}).describe("How many connections there may be."),
    timeouts: tcpTimeouts.prefault({}).describe("How long they may take."),
    proxy_protocol: tcpProxyProtocol
      .prefault({})
      .describe("Whether clients tell and servers are told where connections come from."),
    tls: streamTls
      .optional()
      .describe(
        "TLS of clients: opened with certificates, passed on unopened by the name that the client asks for, or both. Without certificates nothing is opened, and `upstream`, which then may be missing, is for all other names. Default: bytes are relayed, whatever they are.",
      ),
    upstream_tls: upstreamTls
      .optional()
      .describe(
        "TLS with the servers: `true`, or how. What is passed on unopened stays as it is. Default: `false`.",
      ),
    plugins: pluginReferences
      .optional()
      .describe(
        "Plugins that the bytes of both directions go through, the first of them next to the client; toxics stand between it and the client. What is passed on unopened goes past them.",
      ),
    ...chaosKeys("bytes"),
  },
).transform((document, context): StreamDraft => {
  const { protocol, bind, name = null, limits, timeouts, proxy_protocol, toxics = [], mode } = document;
  const { tls = null, upstream_tls = null, plugins = [] } = document;
  const isOpened = tls === null || tls.certificates.length > 0;
  if (upstream_tls !== null && !isOpened)
    refuse(context, ["upstream_tls"], "certificates under tls beside it", {
      reason: "connections that stay unopened have TLS already",
      atKey: true,
    });
  return {
    ...{ name, protocol, listen: bind, tls, upstreamTls: upstream_tls, toxics, mode: mode ?? ALLOW, plugins },
    upstreams: serversOf(document, context, isOpened),
    connectTimeout: timeouts.connect,
    idleTimeout: timeouts.idle,
    maxConnections: limits.connections,
    maxConnectionsPerClient: limits.connections_per_client,
    acceptProxyProtocol: proxy_protocol.accept,
    sendProxyProtocol: toVersion(proxy_protocol.send),
  };
});

const udp = STREAM_DEFAULTS.udp;

const udpLimits = section(
  "UdpLimits",
  "How many sessions there may be, in each thread. A session is what comes from one address and port of a client.",
  {
    sessions: integer(0, MOST)
      .default(udp.maxConnections)
      .describe("Sessions; to begin another, the one that was silent longest is ended. 0: no limit."),
    sessions_per_client: integer(0, MOST)
      .default(udp.maxConnectionsPerClient)
      .describe("Sessions from one address. 0: no limit."),
  },
);

const udpTimeouts = section("UdpTimeouts", "How long sessions last.", {
  idle: duration
    .prefault(inSeconds(udp.idleTimeout))
    .describe("Without a datagram in either direction a session is forgotten."),
});

const udpProxyProtocol = section("UdpProxyProtocol", "The PROXY protocol, which tells clients' addresses.", {
  accept: flag().default(false).describe("Every datagram begins with a header of it, of version 2."),
  send: choice(["v2"]).optional().describe("Every datagram to a server gets a header of it."),
});

/** A listener whose datagrams are relayed. */
export const udpListener: z.ZodType<StreamDraft> = section(
  "UdpListener",
  "A socket whose datagrams are relayed to servers.",
  {
    protocol: choice(["udp"]).describe("What is spoken."),
    ...commonKeys,
    limits: udpLimits.prefault({}).describe("How many sessions there may be."),
    timeouts: udpTimeouts.prefault({}).describe("How long they last."),
    proxy_protocol: udpProxyProtocol
      .prefault({})
      .describe("Whether clients tell and servers are told where datagrams come from."),
    ...chaosKeys("datagrams"),
  },
).transform((document, context): StreamDraft => {
  const { protocol, bind, name = null, limits, timeouts, proxy_protocol, toxics = [], mode } = document;
  if (bind.startsWith("unix:"))
    refuse(context, ["bind"], "host:port, :port, a port or [v6]:port", {
      reason: "UDP has no Unix sockets here",
    });
  return {
    ...{
      name,
      protocol,
      listen: bind,
      tls: null,
      upstreamTls: null,
      toxics,
      mode: mode ?? ALLOW,
      plugins: [],
    },
    upstreams: serversOf(document, context),
    connectTimeout: udp.connectTimeout,
    idleTimeout: timeouts.idle,
    maxConnections: limits.sessions,
    maxConnectionsPerClient: limits.sessions_per_client,
    acceptProxyProtocol: proxy_protocol.accept,
    sendProxyProtocol: toVersion(proxy_protocol.send),
  };
});

function toVersion(word: "v1" | "v2" | undefined): 1 | 2 | null {
  if (word === undefined) return null;
  return word === "v1" ? 1 : 2;
}

function inSeconds(milliseconds: number): string {
  return `${milliseconds / 1000}s`;
}
