import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pino } from "pino";
import { toSpec } from "../../../test/e2e/reloading.ts";
import { PaperPlanes } from "../../../test/kit/paper-planes.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { GroupMemory } from "../../upstream/group-memory.ts";
import { allocateSharedMemory, openGroupMemory } from "../../worker/shared-memory.ts";
import { SharedLimits } from "../limits.ts";
import type { Engine } from "../planes.ts";
import { PluginKeepers } from "../plugins.ts";
import { Proxies } from "../proxies.ts";
import { TlsKeepers } from "../tls-keepers.ts";
import { KeptUpstreams } from "../upstreams.ts";
import { RunReload } from "./run-reload.ts";

const LOG = pino({ level: "silent" });

function withServers(count: number): string {
  const servers = Array.from({ length: count }, (_, i) => `127.0.0.1:${3000 + i}`);
  return `upstreams: { app: { servers: [${servers.join(", ")}] } }\nlisteners: [{ bind: 0, upstream: app }]`;
}

test("what is known of servers can't be taken over: threads that are ready are told to forget it", async (t) => {
  const spec = toSpec(withServers(2));
  const shared = allocateSharedMemory(spec, 1);
  const told: string[] = [];
  const prepared = {
    ...{ kind: "swap", addresses: [], proxies: new Map() },
    commit: async () => void told.push("commit"),
    abandon: async () => void told.push("abandon"),
  };
  const engine: Partial<Engine> = { modules: [], prepare: async () => prepared as never };
  const clock = new ManualAlarmClock();
  const upstreams = new KeptUpstreams(spec.snapshot?.upstreams ?? [], {
    memoryOf: (upstream) => openGroupMemory(upstream, shared),
    ...{ clock, seed: "", onServers: () => undefined },
  });
  const parts = {
    ...{ engine: engine as Engine, upstreams, log: LOG, tls: new TlsKeepers(LOG, clock) },
    proxies: new Proxies(new PaperPlanes(), createRegistry()),
    limits: new SharedLimits(spec.snapshot, shared.limits),
    plugins: new PluginKeepers(LOG, 1, clock),
  };
  const reload = new RunReload(parts, { spec, shared, threads: 1 }, []);
  const inherit = mock.method(GroupMemory.prototype, "inherit", () => {
    throw new RangeError("as it was told");
  });
  t.after(() => inherit.mock.restore());
  await assert.rejects(reload.reload(toSpec(withServers(40)), 1), /as it was told/);
  assert.deepEqual(told, ["abandon"]);
  assert.equal(reload.spec, spec);
  inherit.mock.restore();
  assert.equal((await reload.reload(toSpec(withServers(40)), 1)).kind, "swap");
  assert.deepEqual(told, ["abandon", "commit"]);
  upstreams.stop();
});
