/** A thread that sends imagined requests by a group that it shares with others. Started by `group-threads.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { threadAlarms } from "../../src/base/alarms.ts";
import { ProxyError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { GroupMemory, GroupWord, Out, ServerWord } from "../../src/upstream/group-memory.ts";
import type { Server } from "../../src/upstream/server.ts";
import { ServerGroup } from "../../src/upstream/server-group.ts";
import type { GroupJob, GroupReport } from "./group-threads.ts";

const { settings, buffer, slots, threads, thread, gate, rounds, work } = workerData as GroupJob;
const memory = new GroupMemory(buffer, slots, threads, thread);
const random = seededRandom(`${thread}`);
const group = new ServerGroup(settings, memory, { name: "group", random, clock: threadAlarms });
const report: GroupReport = { begun: new Array(slots).fill(0), refused: 0, most: 0, mostInGroup: 0 };

function begin(): Server | null {
  try {
    const server = group.select(null, null);
    if (server.watcher!.onBegin()) return server;
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
  }
  report.refused++;
  return null;
}

/** Begins a request and looks how many there are now; ends the oldest of some. */
function hold(held: Server[]): void {
  const server = begin();
  if (server !== null) {
    report.begun[server.slot]!++;
    held.push(server);
    report.most = Math.max(report.most, memory.of(server.slot, ServerWord.Requests));
    report.mostInGroup = Math.max(report.mostInGroup, memory.get(GroupWord.Requests));
  }
  const isOver = held.length > 0 && (server === null || held.length > 5 * random.next());
  if (isOver) end(held.shift()!);
}

function end(server: Server, error: ProxyError | null = null): void {
  const watcher = server.watcher!;
  if (error === null) watcher.onResponse(200, 0);
  watcher.onEnd(error, 0);
}

/** All servers fail a request each. */
function failAll(): void {
  for (const server of group.servers) {
    if (server.watcher!.onBegin()) end(server, new ProxyError("UPSTREAM_RESET"));
  }
}

/** Ejects and brings back one server, and looks whether the other thread did so meanwhile. */
function eject(): void {
  if (!memory.eject(0)) return;
  report.mostInGroup = Math.max(report.mostInGroup, memory.add(GroupWord.Ejected, 1) + 1);
  report.begun[0]!++;
  memory.add(GroupWord.Ejected, -1);
  memory.bringBack(0, Out.Ejected);
}

function run(): void {
  const held: Server[] = [];
  for (let i = 0; i < rounds; i++) {
    if (work === "fail") failAll();
    else if (work === "eject") eject();
    else hold(held);
  }
  if (work === "finish") for (const server of held) end(server);
}

// All begin at once, or the first one is done before the last one has started.
const word = new Int32Array(gate);
Atomics.add(word, 0, 1);
while (Atomics.load(word, 0) < threads);
run();
parentPort!.postMessage(report);
