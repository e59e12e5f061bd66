import type { Logger } from "pino";
import { allocateCounters, Counter, type CounterName, Counters, sumCounters } from "../base/counters.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { LoadedModule } from "../worker/loaded-modules.ts";
import { NOTHING_STANDING, type Order, type Standing } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { type SharedMemory, takeBackFrom } from "../worker/shared-memory.ts";
import { answerGone, type Engine, type GenerationStatus, type NextRun, type Prepared } from "./planes.ts";
import { type Keepers, WorkerHandle } from "./worker-handle.ts";

/** Milliseconds before a crashed worker is replaced: doubled with each crash, up to the longest. */
const FIRST_BACKOFF = 100;
const LONGEST_BACKOFF = 10_000;
/** A worker that lived that long has not crashed because of how it starts. */
const STABLE_AFTER = 60_000;

/** Runs the workers of the data plane: starts them, replaces those that crash, ends them. */
export class Supervisor implements Engine {
  onEvents: ((events: readonly StreamEvent[], dropped: number) => void) | null = null;
  standing: () => Standing = () => NOTHING_STANDING;
  readonly #spec: RunSpec;
  readonly #log: Logger;
  readonly #keepers: Keepers;
  /** One block a worker and one for the main thread. */
  readonly #memory: SharedArrayBuffer;
  readonly #counters: Counters;
  readonly #shared: SharedMemory;
  readonly #workers = new Map<number, WorkerHandle>();
  readonly #backoff = new Map<number, number>();
  readonly #replacements = new Set<NodeJS.Timeout>();
  #stopping = false;

  constructor(spec: RunSpec, shared: SharedMemory, keepers: Keepers, log: Logger) {
    const { threads } = shared;
    this.#spec = spec;
    this.#log = log;
    this.#keepers = keepers;
    this.#memory = allocateCounters(threads + 1);
    this.#counters = new Counters(this.#memory, threads);
    this.#shared = shared;
  }

  /** Starts all workers; resolves with the addresses they listen on. Rejects when one of them can't start. */
  async start(): Promise<readonly string[]> {
    const workers = Array.from({ length: this.#shared.threads }, (_, thread) => this.#spawn(thread));
    try {
      const [addresses = []] = await Promise.all(workers.map((worker) => worker.ready));
      for (const worker of workers) void this.#watch(worker);
      return addresses;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** The sums of all threads' counters. */
  get counters(): Record<CounterName, number> {
    return sumCounters(this.#memory, this.#shared.threads + 1);
  }

  readonly generations: readonly GenerationStatus[] = [];
  readonly modules: readonly LoadedModule[] = [];

  prepare(_next: NextRun): Promise<Prepared> {
    return Promise.reject(new Error("Nothing else can be run yet"));
  }

  orderFirst(order: Order): Promise<unknown> {
    return this.#workers.get(0)?.order(order) ?? answerGone(order);
  }

  orderOthers(order: Order): Promise<unknown[]> {
    const others = [...this.#workers.values()].filter(({ thread }) => thread > 0);
    return Promise.all(others.map((worker) => worker.order(order)));
  }

  release(owner: string): Promise<void> {
    this.#keepers.tls.release(`proxy ${owner}`);
    return this.#keepers.sockets.release(`proxy ${owner}`);
  }

  /** Stops listening, lets requests finish for at most `grace` milliseconds, ends the workers. */
  async drain(grace: number): Promise<void> {
    this.#forgetReplacements();
    this.#keepers.tls.stop();
    await this.#keepers.sockets.close();
    for (const worker of this.#workers.values()) worker.drain(grace);
    await Promise.all([...this.#workers.values()].map((worker) => worker.ended));
  }

  /** Ends everything now. */
  async stop(): Promise<void> {
    this.#forgetReplacements();
    this.#keepers.tls.stop();
    await this.#keepers.sockets.close();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
  }

  #forgetReplacements(): void {
    this.#stopping = true;
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
  }

  #spawn(thread: number): WorkerHandle {
    const start = {
      spec: this.#spec,
      thread,
      threads: this.#shared.threads,
      row: thread,
      counters: this.#memory,
      standing: this.standing(),
      shared: this.#shared,
    };
    const worker = new WorkerHandle(start, this.#keepers, (events, dropped) =>
      this.onEvents?.(events, dropped),
    );
    this.#workers.set(thread, worker);
    return worker;
  }

  /** Replaces the worker when it crashes, for as long as the server runs. */
  async #watch(worker: WorkerHandle): Promise<void> {
    const started = performance.now();
    const end = await worker.ended;
    const { thread } = worker;
    this.#workers.delete(thread);
    new Counters(this.#memory, thread).clearGauges();
    takeBackFrom(thread, this.#spec, this.#shared);
    if (end.kind === "drained" || this.#stopping) return;
    this.#counters.add(Counter.workerCrashes);
    const isStable = performance.now() - started > STABLE_AFTER;
    const delay = isStable ? FIRST_BACKOFF : (this.#backoff.get(thread) ?? FIRST_BACKOFF);
    this.#backoff.set(thread, Math.min(delay * 2, LONGEST_BACKOFF));
    this.#log.error(
      { thread, cause: end.error.stack ?? end.error.message, replaced_in_ms: delay },
      "A worker crashed",
    );
    this.#replaceIn(delay, thread);
  }

  #replaceIn(delay: number, thread: number): void {
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      const worker = this.#spawn(thread);
      void this.#watch(worker);
      worker.ready.then(
        () => this.#log.info({ thread }, "A crashed worker was replaced"),
        () => undefined,
      );
    }, delay);
    this.#replacements.add(timer);
  }
}
