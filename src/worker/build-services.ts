import type { ListenerSettings, Snapshot } from "../config/snapshot.ts";
import { createConfiguredProxy, toFilters } from "../filters/configured-proxy.ts";
import { toChain } from "../filters/modules/filter-chain.ts";
import { behindFilters } from "../filters/modules/filter-phases.ts";
import { withPlugins } from "../filters/plugins/plugin-phases.ts";
import type { ProxyMeans } from "../filters/proxy-means.ts";
import { Forwarding, type ForwardingPolicy } from "../proxy/forwarding.ts";
import { httpProxy } from "../proxy/http-proxy-service.ts";
import type { ProxyPhases } from "../proxy/phases.ts";
import { isPhases, toServices } from "../proxy/program.ts";
import { inStartOrder, type Service } from "../proxy/service.ts";
import { Connector } from "../upstream/connector.ts";
import type { ListenerFaultTable } from "./listener-faults.ts";
import { ProgramError } from "./program-error.ts";
import { loadProgram } from "./program-loader.ts";
import type { RunSpec } from "./run-spec.ts";

/** What a thread has for its services beside their settings. */
export interface ServiceMeans extends Omit<ProxyMeans, "faults" | "forwarding"> {
  readonly faults: ListenerFaultTable;
}

/**
 * The services that a thread runs. Rejects with what is wrong with the program.
 * @param means null where they are only tried
 */
export async function buildServices(spec: RunSpec, means: ServiceMeans | null): Promise<Service[]> {
  const { snapshot, program, instance } = spec;
  if (program === null)
    return snapshot === null || means === null ? [] : configuredServices(snapshot, instance, means);
  const exported = await loadProgram(program);
  if (snapshot === null || !isConfigured(spec, exported)) return servicesOf(program, exported, spec.binds);
  const connector = means?.connector ?? new Connector(snapshot.pool);
  const parts = { snapshot, instance, connector, faults: means?.faults ?? null };
  return snapshot.listeners.map((listener) => {
    return toService(listener, withAdditions(exported, listener, means), parts);
  });
}

/** A program's phases behind the filters and plugins of the listener that they run on. */
function withAdditions(
  phases: ProxyPhases<unknown>,
  { name, filters, plugins }: ListenerSettings,
  means: ServiceMeans | null,
): ProxyPhases<unknown> {
  if (means === null) return phases;
  const chain = toChain(toFilters(filters, means), `the listener ${name}`);
  const filtered = chain === null ? phases : behindFilters(phases, chain);
  const row = means.plugins?.row(plugins) ?? null;
  return row === null ? filtered : withPlugins(filtered, row);
}

/** True when a program's services are its own, and not those of a configuration's listeners: that can't change without it. */
export async function hasOwnServices(spec: RunSpec): Promise<boolean> {
  if (spec.program === null) return false;
  return !isConfigured(spec, await loadProgram(spec.program));
}

/** Phases run on the listeners of the configuration, where no other addresses are told. */
function isConfigured({ snapshot, binds }: RunSpec, exported: unknown): exported is ProxyPhases<unknown> {
  return snapshot !== null && binds.length === 0 && isPhases(exported);
}

function servicesOf(program: string, exported: unknown, binds: readonly string[]): Service[] {
  try {
    return toServices(exported, binds);
  } catch (error) {
    throw new ProgramError((error as Error).message, { file: program }, { cause: error });
  }
}

/** Loads a program as a worker would and throws what is wrong with it; nothing is listened on. */
export async function testProgram(spec: RunSpec): Promise<void> {
  inStartOrder(await buildServices(spec, null));
}

/** All listeners of a configuration share one pool, for their upstreams are the same. */
function configuredServices(snapshot: Snapshot, instance: string, means: ServiceMeans): Service[] {
  const { connector } = means;
  const parts = { snapshot, instance, faults: means.faults, connector };
  return snapshot.listeners.map((listener) => {
    const faults = means.faults.onRoutes(snapshot, listener.name);
    const forwarding = new Forwarding(forwardingOf(listener, instance));
    const phases = createConfiguredProxy(snapshot, listener.name, {
      ...means,
      faults,
      forwarding,
    });
    return toService(listener, phases, parts);
  });
}

/** What the services of one configuration share. */
interface Parts {
  readonly snapshot: Snapshot;
  readonly instance: string;
  readonly connector: Connector;
  readonly faults: ListenerFaultTable | null;
}

function toService<C>(
  listener: ListenerSettings,
  phases: ProxyPhases<C>,
  { snapshot, instance, connector, faults }: Parts,
): Service {
  return httpProxy({
    name: listener.name,
    listen: [listener.bind],
    phases,
    connector,
    caches: listener.routes.some(({ cache }) => cache !== null),
    keepsSessions: [listener, ...listener.routes].some(hasForeignCode),
    settings: listener.server,
    http2: listener.http2,
    tls: listener.tls,
    maxConnections: listener.maxConnections,
    maxConnectionsPerClient: listener.maxConnectionsPerClient,
    requestTimeout: listener.requestTimeout,
    grpcTimeout: listener.grpcTimeout,
    ...(listener.grpcWeb === null ? {} : { grpcWeb: listener.grpcWeb }),
    forwarding: forwardingOf(listener, instance),
    allowConnect: listener.allowConnect,
    retries: snapshot.retries,
    ...(faults === null ? {} : { faults: faults.onConnections(listener.name) }),
  });
}

/** Whoever writes filters and plugins may do anything with a session; what is ours looks at it while it lasts. */
function hasForeignCode(of: Pick<ListenerSettings, "filters" | "plugins">): boolean {
  return of.filters.length > 0 || of.plugins.length > 0;
}

/** "" stands for the name of this process. */
function forwardingOf({ forwarding }: ListenerSettings, instance: string): ForwardingPolicy {
  return { ...forwarding, via: forwarding.via === "" ? instance : forwarding.via };
}
