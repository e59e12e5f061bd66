import { isDeepStrictEqual } from "node:util";
import { seededRandom } from "../base/random.ts";
import type { PluginSet } from "../plugins/plugin-set.ts";
import type { Service, ServiceContext } from "../proxy/service.ts";
import { Connector } from "../upstream/connector.ts";
import { watchPeerFiles } from "../upstream/peer-tls-files.ts";
import { buildServices, hasOwnServices } from "./build-services.ts";
import { CacheReports } from "./cache-reports.ts";
import { endFilters, loadFilters, NO_FILTERS, type ReadyFilters } from "./filter-modules.ts";
import { ListenerFaultTable } from "./listener-faults.ts";
import type { SameMemory } from "./orders.ts";
import { peersTlsOf } from "./peers-tls.ts";
import { RemoteLimits } from "./remote-limits.ts";
import { type RunSpec, routedSnapshot } from "./run-spec.ts";
import { ServerGroups } from "./server-groups.ts";
import { limitsOf } from "./shared-memory.ts";
import type { StreamProxies } from "./stream-proxies.ts";
import { ThreadCaches } from "./thread-caches.ts";
import type { ThreadLogs } from "./thread-logs.ts";
import type { ThreadRun } from "./thread-run.ts";

/** What a thread composes its services of. */
export interface CompositionMeans {
  readonly context: ServiceContext;
  readonly logs: ThreadLogs;
  readonly proxies: StreamProxies;
  /** All that listeners and routes name are there. */
  readonly plugins: PluginSet;
}

/** What one configuration makes of a thread: services, and what they stand on. */
export interface Composition {
  readonly run: ThreadRun;
  /** Null where the program's are kept as they are. */
  readonly services: readonly Service[] | null;
  /** Connections to servers, which all listeners of a configuration share. */
  readonly connector: Connector;
  readonly faults: ListenerFaultTable;
  readonly groups: ServerGroups;
  readonly limits: RemoteLimits;
  readonly caches: ThreadCaches;
  readonly filters: ReadyFilters;
}

/** What is there already, and what of its memory the next one has too. */
export interface Before {
  readonly composition: Composition;
  readonly same: SameMemory;
}

/**
 * Composes what a thread is to run; what is as before is taken from there.
 * Rejects with what is wrong with the configuration or the program, and nothing is left behind.
 */
export async function compose(
  run: ThreadRun,
  { context, logs, proxies, plugins }: CompositionMeans,
  before: Before | null = null,
): Promise<Composition> {
  const { spec, thread, row, shared, standing } = run;
  const known = before?.composition ?? null;
  const faults = new ListenerFaultTable(
    (listener) => proxies.faultsOf(listener),
    `${spec.seed}/${thread}`,
    shared.faultCounts,
  );
  const groups = new ServerGroups(run, known?.groups, before?.same.groups);
  const caches = new ThreadCaches(run, new CacheReports(logs.log), known?.caches, before?.same.caches);
  const isLimitedAsBefore = before !== null && hasSameRemoteLimits(before, spec);
  const limits = isLimitedAsBefore ? before.composition.limits : new RemoteLimits(run, logs.log);
  const connector =
    known !== null && hasSamePool(known.run.spec, spec) ? known.connector : createConnector(spec);
  let filters = NO_FILTERS;
  try {
    filters = await loadFilters(spec.snapshot?.filters ?? [], known?.filters);
    await watchPeerFiles(peersTlsOf(spec), context.tls);
    const isKept = known !== null && (await hasOwnServices(spec));
    const means = {
      ...{ faults, thread: row, groups: groups.byName, limits: shared.limits, connector, plugins, filters },
      caches: caches.byName,
      ...{ toLimiter: limits.toLimiter, counters: context.counters, traffic: context.traffic ?? null },
      random: seededRandom(`${spec.seed}/${thread}/routes`),
    };
    const services = isKept ? null : await buildServices(spec, means);
    if (!isLimitedAsBefore) await limits.begun();
    for (const { name, switched } of standing.listeners) faults.catchUp(name, switched);
    return { run, services, connector, faults, groups, limits, caches, filters };
  } catch (error) {
    void discard({ groups, limits, caches, connector, filters }, known);
    throw error;
  }
}

/** What a composition stands on, and what has to be ended. */
export type CompositionParts = Pick<Composition, "groups" | "limits" | "caches" | "connector" | "filters">;

/** Ends what a composition has that isn't `other`'s too. Kept when all of it has ended. */
export async function discard(parts: CompositionParts, other: CompositionParts | null): Promise<void> {
  parts.groups.retire(other?.groups);
  const stored = parts.caches.close(other?.caches);
  endFilters(parts.filters, other?.filters);
  if (parts.limits !== other?.limits) parts.limits.close();
  if (parts.connector !== other?.connector) parts.connector.close();
  await stored;
}

function createConnector({ snapshot }: RunSpec): Connector {
  return snapshot === null ? new Connector() : new Connector(snapshot.pool);
}

function hasSamePool(before: RunSpec, after: RunSpec): boolean {
  return isDeepStrictEqual(before.snapshot?.pool, after.snapshot?.pool);
}

/** Those that count in Redis have connections and memories of their own. */
function hasSameRemoteLimits({ composition, same }: Before, spec: RunSpec): boolean {
  const [were, are] = [composition.run.spec, spec].map((one) =>
    limitsOf(routedSnapshot(one)).filter(({ redis }) => redis !== null),
  );
  return isDeepStrictEqual(were, are) && are!.every(({ name }) => same.limits.includes(name));
}
