/** One more thread of a process with a cache. Started by `child.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { DiskStore } from "../../../src/cache/stores/disk/disk-store.ts";
import type { ChildJob, ChildNews } from "./child.ts";
import { work } from "./load.ts";

interface ThreadJob extends ChildJob {
  readonly memory: SharedArrayBuffer;
  readonly stopped: SharedArrayBuffer;
  readonly thread: number;
}

const { folder, memory, stopped, thread, keys, seed } = workerData as ThreadJob;
const tell = (news: ChildNews): void => parentPort!.postMessage(news);
const onProblem = ({ message }: { readonly message: string }): void => tell({ fault: message });
const store = new DiskStore({ folder, memory, thread, now: Date.now, onProblem });
const isOver = (): boolean => Atomics.load(new Int32Array(stopped), 0) === 1;
// A thread that waits for another one's bytes alone has, as Node sees it, nothing to wait for.
const awake = setInterval(() => undefined, 60_000);
const done = await work(store, keys, seed + thread, isOver);
for (const fault of done.faults) tell({ fault });
await store.close();
clearInterval(awake);
