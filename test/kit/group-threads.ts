import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { allocateGroupMemory, GroupMemory } from "../../src/upstream/group-memory.ts";
import type { GroupSettings } from "../../src/upstream/group-settings.ts";

/**
 * What each of the threads does: begin and end requests, do so and leave some under way, let all of them fail, or eject one
 * server again and again.
 */
type Work = "finish" | "abandon" | "fail" | "eject";

export interface GroupJob {
  readonly settings: GroupSettings;
  readonly buffer: SharedArrayBuffer;
  readonly slots: number;
  readonly threads: number;
  readonly thread: number;
  readonly gate: SharedArrayBuffer;
  readonly rounds: number;
  readonly work: Work;
}

export interface GroupReport {
  /** Requests that were begun, by slot. */
  readonly begun: number[];
  refused: number;
  /** The most that was under way at once to one server, and in the group. */
  most: number;
  mostInGroup: number;
}

/** Several threads on one group's memory. */
export class GroupThreads {
  readonly memory: GroupMemory;
  readonly #buffer: SharedArrayBuffer;
  readonly #slots: number;
  readonly #threads: number;
  readonly #settings: GroupSettings;

  constructor(settings: GroupSettings, threads: number = 2) {
    this.#settings = settings;
    this.#slots = settings.servers.length;
    this.#threads = threads;
    this.#buffer = allocateGroupMemory(this.#slots, threads);
    this.memory = new GroupMemory(this.#buffer, this.#slots, threads, 0);
  }

  /** Lets all of them work at the same time, until they are gone. */
  async run(work: Work, rounds: number): Promise<GroupReport[]> {
    const gate = new SharedArrayBuffer(4);
    const jobs = Array.from({ length: this.#threads }, (_, thread): GroupJob => {
      const shape = { settings: this.#settings, buffer: this.#buffer, slots: this.#slots };
      return { ...shape, threads: this.#threads, thread, gate, rounds, work };
    });
    return Promise.all(jobs.map(runThread));
  }
}

async function runThread(workerData: GroupJob): Promise<GroupReport> {
  const worker = new Worker(new URL("group-thread.ts", import.meta.url), { workerData });
  const [report] = await once(worker, "message");
  await worker.terminate();
  return report as GroupReport;
}
