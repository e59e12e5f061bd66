import type { ListenerSettings, Snapshot } from "../../config/snapshot.ts";
import type {
  Action,
  FilterSettings,
  HttpFaultSettings,
  LimitSettings,
  MirrorSettings,
  RouteSettings,
} from "../../filters/settings.ts";
import type { TlsListenerSettings } from "../../net/tls/listener-settings.ts";
import type { PluginSettings } from "../../plugins/plugin-settings.ts";
import type { StreamProxySettings } from "../../proxy/stream-proxy.ts";
import type { RunSpec } from "../../worker/run-spec.ts";
import { plainUpstream } from "./plain-upstream.ts";
import { inPlainWords } from "./plain-words.ts";

/*
 * What is run, in the words and at the places in which people write it down: close enough to the file that everybody knows
 * what is meant, while everything has its normal form.
 */

/** Names that routes and faults have by themselves; those are no names to people. */
const OWN_NAME = /^routes\[\d+\]/;

export function toPlainSpec(spec: RunSpec): Readonly<Record<string, unknown>> {
  const { snapshot, program, binds, accessLog, errorLog, fips, keyLog, toxics, seed } = spec;
  return inPlainWords({
    program,
    ...(program === null ? {} : { binds }),
    accessLog,
    errorLog: errorLog.path,
    logLevel: errorLog.level,
    ...{ fips: fips === true, keyLog: keyLog ?? null, toxics: toxics ?? [], seed },
    ...(snapshot === null ? {} : plainSnapshot(snapshot)),
  }) as Readonly<Record<string, unknown>>;
}

function plainSnapshot(snapshot: Snapshot): object {
  const { listeners, proxies, upstreams, limits, filters, plugins, process, chaos, warnings, ...rest } =
    snapshot;
  const { upgradeSocket, ...processSettings } = process;
  const { accessLog, errorLog, logLevel, gracePeriod, pool, retries, ...settings } = rest;
  return {
    gracePeriodSeconds: gracePeriod / 1_000,
    upstreamKeepalivePoolSize: pool.size,
    upstreamKeepaliveTimeout: pool.idleTimeout,
    maxRetries: retries.maxTries,
    retryNonIdempotent: retries.nonIdempotent,
    ...settings,
    ...processSettings,
    upgradeSock: upgradeSocket,
    scenario: chaos.scenario,
    listeners: [...listeners.map(plainListener), ...proxies.map(plainStream)],
    upstreams: upstreams.map(plainUpstream),
    limits: limits.map(plainLimit),
    plugins: plugins.map(plainPlugin),
    filters: filters.map(plainFilter),
  };
}

function plainListener(listener: ListenerSettings): object {
  const { routes, server, forwarding, allowConnect, tls, ...others } = listener;
  const { maxConnections, maxConnectionsPerClient, requestTimeout, grpcTimeout, ...rest } = others;
  const { head, bodyBytes, requestsPerConnection, minimumRate } = server;
  const { via, ...forwarded } = forwarding;
  return {
    ...rest,
    limits: {
      connections: maxConnections,
      connectionsPerClient: maxConnectionsPerClient,
      ...{ requestsPerConnection, minimumRate, body: bodyBytes },
      ...{ requestLine: head.requestLine, head: head.bytes, headers: head.fields },
    },
    timeouts: {
      ...{ head: server.headTimeout, body: server.bodyTimeout, keepalive: server.keepAliveTimeout },
      ...{ write: server.writeTimeout, request: requestTimeout, grpc: grpcTimeout },
    },
    ...{ forwarded, via, connect: allowConnect, tls: tls && plainTls(tls) },
    routes: routes.map(plainRoute),
  };
}

function plainTls({ refusesUnknownNames, handshakes, ...tls }: TlsListenerSettings): object {
  return { ...tls, unknownNames: refusesUnknownNames ? "refuse" : "default", maxHandshakes: handshakes };
}

/** Of UDP it is sessions that are counted. */
function plainStream(proxy: StreamProxySettings): object {
  const { name, listen, tls, connectTimeout, idleTimeout, maxConnections, maxConnectionsPerClient, ...rest } =
    proxy;
  const { acceptProxyProtocol, sendProxyProtocol, upstreams, ...settings } = rest;
  const isUdp = proxy.protocol === "udp";
  return {
    ...{ name, bind: listen, ...settings, tls: tls && plainTls(tls), upstream: upstreams },
    limits: isUdp
      ? { sessions: maxConnections, sessionsPerClient: maxConnectionsPerClient }
      : { connections: maxConnections, connectionsPerClient: maxConnectionsPerClient },
    timeouts: { ...(isUdp ? {} : { connect: connectTimeout }), idle: idleTimeout },
    proxyProtocol: { accept: acceptProxyProtocol, send: sendProxyProtocol },
  };
}

/** Limits are told of once, by their names. */
function plainRoute({ name, action, faults, limits, response, ...route }: RouteSettings): object {
  return {
    ...(OWN_NAME.test(name) ? {} : { name }),
    ...route,
    ...plainAction(action),
    responseHeaders: response,
    faults: faults.map(plainFault),
    limits: limits.map((limit) => limit.name),
  };
}

function plainFault({ name, share, ...fault }: HttpFaultSettings): object {
  return {
    ...(OWN_NAME.test(name) ? {} : { name }),
    ...fault,
    percentage: Number((share * 100).toPrecision(12)),
  };
}

function plainAction(action: Action): object {
  const { kind, ...settings } = action;
  if (action.kind !== "upstream") return { [kind]: settings };
  const { request, mirror, ...target } = action;
  const { headers = null, ...rewrite } = request ?? {};
  return {
    ...{ upstream: target.upstream, split: target.split, mirror: mirror && plainMirror(mirror) },
    ...{ requestHeaders: headers, rewrite: request && rewrite },
  };
}

function plainMirror({ mostPending, mostBuffered, ...mirror }: MirrorSettings): object {
  return { ...mirror, maxPending: mostPending, maxBuffered: mostBuffered };
}

function plainLimit({ key, window, mostKeys, ...limit }: LimitSettings): object {
  return { ...limit, by: key, per: window, maxKeys: mostKeys };
}

function plainPlugin({ timeout, mustTransform, ...plugin }: PluginSettings): object {
  return { ...plugin, answerTimeout: timeout };
}

/** Of a config nobody but its module knows what is a secret: it is one value. */
function plainFilter({ name, module, config }: FilterSettings): object {
  return { name, module, config: JSON.stringify(config) ?? null };
}
