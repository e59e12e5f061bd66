/** A thread of its own for the API's clients: what they wait for is the API, and not the lanes that compare bytes. */
import { parentPort, workerData } from "node:worker_threads";
import { Random } from "../random.ts";
import { ApiClient } from "./api-client.ts";

/** What the thread is started with. */
export interface ApiThreadStart {
  readonly port: number;
  readonly proxy: string;
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
}

/** What came of it. */
export interface ApiThreadReport {
  readonly calls: number;
  /** The longest that one of them had to wait for an answer, milliseconds. */
  readonly slowest: number;
  readonly failure: string | null;
}

async function run({ port, proxy, clients: count, seconds, seed }: ApiThreadStart): Promise<ApiThreadReport> {
  const clients = Array.from(
    { length: count },
    (_, i) => new ApiClient(port, proxy, `client${i}`, new Random(seed + i)),
  );
  const until = performance.now() + seconds * 1000;
  const ends = await Promise.allSettled(clients.map((client) => client.run(until)));
  const failed = ends.find((end) => end.status === "rejected");
  return {
    calls: clients.reduce((sum, client) => sum + client.calls, 0),
    slowest: Math.max(...clients.map((client) => client.slowest)),
    failure: failed === undefined ? null : String(failed.reason),
  };
}

parentPort!.postMessage(await run(workerData as ApiThreadStart));
