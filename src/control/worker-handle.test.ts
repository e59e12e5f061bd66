import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { allocateCounters } from "../base/counters.ts";
import { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { NOTHING_STANDING } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { SocketKeeper } from "./sockets.ts";
import { TlsKeepers } from "./tls-keepers.ts";
import { WorkerHandle } from "./worker-handle.ts";

const SPEC: RunSpec = {
  ...{ snapshot: null, program: null, binds: [], accessLog: null, instance: "test", seed: "0" },
  errorLog: { level: "silent", path: null },
};

test("orders for a worker that is gone are answered at once", async () => {
  const keepers = {
    sockets: new SocketKeeper(),
    tls: new TlsKeepers(pino({ level: "silent" })),
    traffic: new TrafficKeeper(),
  };
  const shared = allocateSharedMemory(SPEC, 1);
  const start = {
    ...{ spec: SPEC, shared, thread: 0, threads: 1, row: 0, counters: allocateCounters(1) },
    ...{ standing: NOTHING_STANDING, isReserve: true },
  };
  const worker = new WorkerHandle(start, keepers, () => undefined);
  void worker.stop();
  await worker.ended;
  assert.equal(await worker.order({ do: "abandon" }), undefined);
  assert.equal(await worker.order({ do: "commit" }), undefined);
  await assert.rejects(worker.order({ do: "open", settings: {} as never }), { code: "ERR_THREAD_GONE" });
});
