import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pino } from "pino";
import { toSpec } from "../../../test/e2e/reloading.ts";
import { PaperPlanes } from "../../../test/kit/paper-planes.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { GroupMemory } from "../../upstream/group-memory.ts";
import { CacheReports } from "../../worker/cache-reports.ts";
import type { RunSpec } from "../../worker/run-spec.ts";
import { allocateSharedMemory, openGroupMemory } from "../../worker/shared-memory.ts";
import { CacheKeepers } from "../cache-keepers.ts";
import { SharedCaches } from "../caches.ts";
import { SharedLimits } from "../limits.ts";
import type { Engine } from "../planes.ts";
import { PluginKeepers } from "../plugins.ts";
import { Proxies } from "../proxies.ts";
import { TlsKeepers } from "../tls-keepers.ts";
import { KeptUpstreams } from "../upstreams.ts";
import type { ReadyPart } from "./part.ts";
import { RunReload } from "./run-reload.ts";

const LOG = pino({ level: "silent" });

function withServers(count: number): string {
  const servers = Array.from({ length: count }, (_, i) => `127.0.0.1:${3000 + i}`);
  return `upstreams: { app: { servers: [${servers.join(", ")}] } }\nlisteners: [{ bind: 0, upstream: app }]`;
}

/** A reload of a data plane of which nothing but servers is there. */
class Rig implements Disposable {
  readonly spec: RunSpec = toSpec(withServers(2));
  readonly told: string[] = [];
  readonly reload: RunReload;
  readonly #upstreams: KeptUpstreams;

  constructor() {
    const { spec, told } = this;
    const shared = allocateSharedMemory(spec, 1);
    const prepared = {
      ...{ kind: "swap", addresses: [], proxies: new Map() },
      commit: async () => void told.push("commit"),
      abandon: async () => void told.push("abandon"),
    };
    const engine: Partial<Engine> = { modules: [], prepare: async () => prepared as never };
    const clock = new ManualAlarmClock();
    this.#upstreams = new KeptUpstreams(spec.snapshot?.upstreams ?? [], {
      memoryOf: (upstream) => openGroupMemory(upstream, shared),
      ...{ clock, seed: "", onServers: () => undefined },
    });
    const parts = {
      ...{ engine: engine as Engine, upstreams: this.#upstreams, log: LOG, tls: new TlsKeepers(LOG, clock) },
      proxies: new Proxies(new PaperPlanes(), createRegistry()),
      limits: new SharedLimits(spec.snapshot, shared.limits),
      caches: new SharedCaches(spec, shared, new CacheReports(() => LOG)),
      cacheKeepers: new CacheKeepers(LOG, null),
      plugins: new PluginKeepers(LOG, 1, clock),
    };
    this.reload = new RunReload(parts, { spec, shared, threads: 1 }, []);
  }

  [Symbol.dispose](): void {
    this.#upstreams.stop();
  }
}

test("what is known of servers can't be taken over: threads that are ready are told to forget it", async (t) => {
  using rig = new Rig();
  const { reload, told } = rig;
  const inherit = mock.method(GroupMemory.prototype, "inherit", () => {
    throw new RangeError("as it was told");
  });
  t.after(() => inherit.mock.restore());
  await assert.rejects(reload.reload(toSpec(withServers(40)), 1), /as it was told/);
  assert.deepEqual(told, ["abandon"]);
  assert.equal(reload.spec, rig.spec);
  inherit.mock.restore();
  assert.equal((await reload.reload(toSpec(withServers(40)), 1)).kind, "swap");
  assert.deepEqual(told, ["abandon", "commit"]);
});

test("what was committed beside threads that stay as they are is never given up", async () => {
  using rig = new Rig();
  const beside = async (): Promise<ReadyPart> => ({
    commit: () => {
      rig.told.push("commit beside");
      throw new Error("as it was told");
    },
    abandon: () => void rig.told.push("abandon beside"),
  });
  assert.equal((await rig.reload.reload(toSpec(withServers(2)), 1, [beside])).kind, "nothing");
  assert.deepEqual(rig.told, ["commit beside"]);
});
