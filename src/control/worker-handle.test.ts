import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { test } from "node:test";
import { pino } from "pino";
import { countCopies } from "../../test/kit/descriptors.ts";
import { allocateCounters } from "../base/counters.ts";
import { parseConfig } from "../config/load.ts";
import { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { NOTHING_STANDING } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { CacheKeepers } from "./cache-keepers.ts";
import { SocketKeeper } from "./sockets.ts";
import { TlsKeepers } from "./tls-keepers.ts";
import { WorkerHandle } from "./worker-handle.ts";

const SPEC: RunSpec = {
  snapshot: parseConfig("listeners: [{ name: web, bind: 127.0.0.1:0, respond: 204 }]", "test.yaml", {}),
  ...{ program: null, binds: [], accessLog: null, instance: "test", seed: "0" },
  errorLog: { level: "silent", path: null },
};

test("a worker that ends before it listens leaves no socket open, and orders for it are answered at once", async () => {
  const keepers = {
    sockets: new SocketKeeper(),
    tls: new TlsKeepers(pino({ level: "silent" })),
    traffic: new TrafficKeeper(),
    caches: new CacheKeepers(pino({ level: "silent" }), null),
  };
  const shared = allocateSharedMemory(SPEC, 1);
  const start = {
    ...{ spec: SPEC, shared, thread: 0, threads: 1, row: 0, counters: allocateCounters(1) },
    ...{ standing: NOTHING_STANDING, isReserve: true },
  };
  const worker = new WorkerHandle(start, keepers, () => undefined);
  await worker.ready;
  void worker.stop();
  await worker.ended;
  const [sockets] = await keepers.sockets.handOver();
  const open = process.platform === "linux" ? countCopies(sockets!.descriptors[0]!) : 2;
  assert.equal(open, 2, "the one that is kept, and that which is handed over");
  closeSync(sockets!.descriptors[0]!);
  await keepers.sockets.close();
  assert.equal(await worker.order({ do: "abandon" }), undefined);
  assert.equal(await worker.order({ do: "commit" }), undefined);
  await assert.rejects(worker.order({ do: "open", settings: {} as never }), { code: "ERR_THREAD_GONE" });
});
