import { threadAlarms } from "../../src/base/alarms.ts";
import { Counters } from "../../src/base/counters.ts";
import { seededRandom } from "../../src/base/random.ts";
import { allocateFills } from "../../src/cache/fills/fill-memory.ts";
import { FILL_DEFAULTS } from "../../src/cache/fills/fill-settings.ts";
import { FillTable } from "../../src/cache/fills/fill-table.ts";
import { allocatePredictor, Predictor } from "../../src/cache/predictor.ts";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../src/cache/stores/memory/store-memory.ts";
import { HttpFaults } from "../../src/filters/faults/http-faults.ts";
import type { ProxyMeans } from "../../src/filters/proxy-means.ts";
import type { ProxySettings } from "../../src/filters/settings.ts";
import { allocateLimitMemory } from "../../src/limits/create-limiter.ts";
import { HttpCache } from "../../src/proxy/caching/http-cache.ts";
import { Forwarding, NO_FORWARDING } from "../../src/proxy/forwarding.ts";
import { Connector } from "../../src/upstream/connector.ts";
import { GroupKeeper } from "../../src/upstream/group-keeper.ts";
import { GroupMemory } from "../../src/upstream/group-memory.ts";
import { ServerGroup } from "../../src/upstream/server-group.ts";

const SEED = "seed";

/** What a configured proxy works with in a single thread that shares nothing. */
export function proxyMeans(
  settings: ProxySettings,
  listener: string,
  faults: HttpFaults = new HttpFaults(settings, listener, { seed: SEED }),
): ProxyMeans {
  const groups = settings.upstreams.map((upstream) => {
    const { name } = upstream;
    const memory = GroupMemory.local(Math.max(upstream.mostServers, upstream.servers.length, 1));
    const means = { name, random: seededRandom(`${SEED}/${name}`), clock: threadAlarms };
    // Writes down which servers there are; nothing is looked after.
    new GroupKeeper(name, upstream, memory, { ...means, onServers() {}, onEvent() {} });
    return [name, new ServerGroup(upstream, memory, means)] as const;
  });
  const limits = settings.listeners.flatMap(({ routes }) => routes).flatMap((route) => route.limits);
  return {
    groups: new Map(groups),
    limits: allocateLimitMemory(limits, 1),
    random: seededRandom(SEED),
    thread: 0,
    faults,
    connector: new Connector(),
    forwarding: new Forwarding(NO_FORWARDING),
    counters: Counters.local(),
    caches: new Map(cachesOf(settings).map((name) => [name, smallCache()])),
    plugins: { row: () => null },
    filters: new Map(filtersOf(settings).map((name) => [name, { name, module: `${name}.ts`, phases: {} }])),
  };
}

function cachesOf({ listeners }: ProxySettings): string[] {
  return listeners.flatMap(({ routes }) => routes).flatMap(({ cache }) => cache?.use ?? []);
}

function smallCache(): HttpCache {
  const predictor = new Predictor(allocatePredictor(8));
  return new HttpCache({
    store: new MemoryStore(allocateMemoryStore({ mostBytes: 2 ** 18, rows: 1 }), 0),
    fills: new FillTable(allocateFills(8), 0, FILL_DEFAULTS, { clock: threadAlarms, predictor }),
    secret: [1, 2, 3, 4],
  });
}

/** They do nothing here. */
function filtersOf({ listeners }: ProxySettings): string[] {
  return listeners.flatMap(({ filters, routes }) => [
    ...filters,
    ...routes.flatMap((route) => route.filters),
  ]);
}
