/** The entry of a thread that counts traffic as fast as it can. */
import { parentPort, workerData } from "node:worker_threads";
import { TrafficBook } from "../../src/base/traffic/traffic-book.ts";
import { TrafficCount } from "../../src/base/traffic/traffic-row.ts";

export interface TrafficThreadData {
  readonly memory: SharedArrayBuffer;
  readonly requests: number;
}

const { memory, requests } = workerData as TrafficThreadData;
const book = new TrafficBook(memory);
const listener = book.row("listener", "web");
const route = book.row("route", "all", "web");
const end = { bytesIn: 1, bytesOut: 10, status: 200, failed: false, aborted: false, retries: 0 };
for (let i = 0; i < requests; i++) {
  listener.add(TrafficCount.requestsOpen);
  route.addRequest(end);
  route.addLatency((i % 1000) / 10);
  const mark = book.clients!.enterText(`192.0.2.${i % 4}`);
  book.clients!.note(mark, end, 1, 1000);
  listener.add(TrafficCount.requestsOpen, -1);
}
parentPort!.postMessage("done");
