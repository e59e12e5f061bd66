/** A process with a cache that is used by some threads, until it is killed. Started by `run.ts`. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { idleAlarms } from "../../../src/base/alarms.ts";
import { DiskKeeper } from "../../../src/cache/stores/disk/disk-keeper.ts";
import { allocateDiskMemory } from "../../../src/cache/stores/disk/disk-memory.ts";
import { DiskStore } from "../../../src/cache/stores/disk/disk-store.ts";
import type { DiskProblem } from "../../../src/cache/stores/disk/problems.ts";
import { cacheFiles, diskUsage } from "../../kit/disk-cache.ts";
import { check } from "./contents.ts";
import { work } from "./load.ts";

export interface ChildJob {
  readonly folder: string;
  readonly mostBytes: number;
  readonly keys: number;
  readonly threads: number;
  readonly seed: number;
}

/** What a process found when it came to an old folder. */
export interface Findings {
  readonly entries: number;
  readonly files: number;
  /** By the index, and by the disk. */
  readonly bytes: number;
  readonly usage: number;
  readonly served: number;
}

export type ChildNews =
  | { readonly found: Findings }
  | { readonly fault: string }
  | { readonly ended: { readonly reads: number; readonly writes: number } };

const job = JSON.parse(process.argv[2]!) as ChildJob;
const { folder, keys, threads } = job;
const now = Date.now;
const memory = allocateDiskMemory(job);
// A file that the kill left torn must never have got its name: there is nothing to be found damaged.
const onProblem = ({ message }: DiskProblem): void => tell({ fault: message });
const keeper = await DiskKeeper.open({
  folder,
  memory,
  purges: null,
  clock: idleAlarms,
  now,
  mark: "crash",
  onProblem,
});
const store = new DiskStore({ folder, memory, thread: 0, now, onProblem });

function tell(news: ChildNews): void {
  process.send!(news);
}

async function look(): Promise<void> {
  let served = 0;
  for (let i = 0; i < keys; i++) {
    const found = await check(store, `k${i}`);
    if (typeof found === "string") tell({ fault: found });
    else if (found) served++;
  }
  await keeper.ready;
  const { entries, bytes } = store.stats;
  const files = (await cacheFiles(folder)).length;
  tell({ found: { entries, files, bytes, usage: await diskUsage(folder), served } });
}

await look();
const stopped = new SharedArrayBuffer(4);
const workers = Array.from({ length: threads - 1 }, (_, i) => {
  const workerData = { ...job, memory, stopped, thread: i + 1 };
  return new Worker(new URL("thread.ts", import.meta.url), { workerData });
});
for (const worker of workers) worker.on("message", tell);
const exits = workers.map((worker) => once(worker, "exit"));
process.on("message", () => Atomics.store(new Int32Array(stopped), 0, 1));
const done = await work(store, keys, job.seed, () => Atomics.load(new Int32Array(stopped), 0) === 1);
for (const fault of done.faults) tell({ fault });
await Promise.all(exits);
await store.close();
await keeper.close();
tell({ ended: { reads: done.reads, writes: done.writes } });
process.disconnect?.();
