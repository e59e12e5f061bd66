import { url as inspectorUrl } from "node:inspector";
import type { Logger } from "pino";
import type { AlarmClock } from "../base/alarms.ts";
import { Counter } from "../base/counters.ts";
import { within } from "../base/within.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { Holding, WorkerReady } from "../worker/messages.ts";
import type { Order, Standing } from "../worker/orders.ts";
import type { ProxyTraffic } from "../worker/proxy-traffic.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { type SharedMemory, takeBackFrom } from "../worker/shared-memory.ts";
import { CrashDelays, type CrashedLife } from "./crash-delays.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type OrderTaker, patiently } from "./patiently.ts";
import type { GenerationStatus } from "./planes.ts";
import { type Keepers, WorkerHandle } from "./worker-handle.ts";
import type { WorkerRows } from "./worker-rows.ts";

const LOST = "It hasn't answered for half a minute: something keeps it busy";

/** What all generations of workers have in common. */
export interface GenerationMeans {
  readonly log: Logger;
  readonly keepers: Keepers;
  readonly rows: WorkerRows;
  /** By which workers are looked after that may never answer again. */
  readonly clock: AlarmClock;
  /** What a worker that starts is told to begin with. */
  readonly standing: () => Standing;
  readonly onEvents: (events: readonly StreamEvent[], dropped: number) => void;
  /** Hears what proxies of a worker have moved that has ended. */
  readonly onTraffic: (traffic: readonly ProxyTraffic[]) => void;
}

/** What came of the order to listen. */
interface Listening {
  /** What is listened on; null: no worker is there to tell. */
  readonly holdings: readonly Holding[] | null;
  /** Why a worker doesn't listen on all that it should. */
  readonly failures: readonly Error[];
}

/** What the workers of a generation run. */
export interface GenerationRun {
  readonly spec: RunSpec;
  readonly shared: SharedMemory;
}

/**
 * Workers that run the same code. Those that crash are replaced as long as the generation is the one that takes
 * connections.
 *
 *     in reserve ──listen──▶ current ──retire──▶ draining ──▶ ended
 */
export class Generation {
  readonly number: number;
  readonly threads: number;
  #run: GenerationRun;
  readonly #means: GenerationMeans;
  readonly #since = Date.now();
  readonly #workers = new Map<number, WorkerHandle>();
  readonly #delays = new CrashDelays();
  readonly #heartbeats = new WeakMap<WorkerHandle, Heartbeat>();
  readonly #replacements = new Set<NodeJS.Timeout>();
  readonly #ended = Promise.withResolvers<void>();
  /** True once nobody is replaced any more. */
  #isEnding = false;
  #isReserve = true;
  /** Kept when workers may be replaced; null: they may. */
  #hold: PromiseWithResolvers<void> | null = null;

  constructor(number: number, threads: number, run: GenerationRun, means: GenerationMeans) {
    this.number = number;
    this.threads = threads;
    this.#run = run;
    this.#means = means;
  }

  /**
   * Starts all workers, in reserve: none of them listens yet. Rejects when one of them can't start; then none is left.
   * @param standing what they begin with
   */
  async start(standing: Standing): Promise<WorkerReady> {
    const workers = Array.from({ length: this.threads }, (_, thread) => this.#spawn(thread, standing));
    for (const worker of workers) void this.#watch(worker);
    try {
      const [first] = await Promise.all(workers.map((worker) => worker.ready));
      return first!;
    } catch (error) {
      // Those that were ready have descriptors, which only they can close.
      await this.drain(0);
      throw error;
    }
  }

  /** Takes connections; whoever doesn't answer for long enough does so when it can again. */
  async listen(): Promise<Listening> {
    this.#isReserve = false;
    // One may have crashed while it was in reserve.
    for (let thread = 0; thread < this.threads; thread++)
      if (!this.#isEnding && !this.#workers.has(thread)) this.#replaceIn(0, thread);
    const orders = this.workers.map((worker) => patiently(worker, { do: "listen" }));
    const answers = await Promise.allSettled(orders);
    const held = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const holdings = held.find((answer) => answer !== undefined) ?? null;
    const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    return { holdings: holdings as Holding[] | null, failures: failures as Error[] };
  }

  /** Those that run, by thread. */
  get workers(): WorkerHandle[] {
    return [...this.#workers.values()].sort((a, b) => a.thread - b.thread);
  }

  /** What replacements begin with. */
  get run(): GenerationRun {
    return this.#run;
  }

  setRun(run: GenerationRun): void {
    this.#run = run;
  }

  /** How many have crashed that aren't replaced yet. */
  get missing(): number {
    return this.threads - this.#workers.size;
  }

  get first(): WorkerHandle | null {
    return this.#workers.get(0) ?? null;
  }

  get status(): GenerationStatus {
    const { rows } = this.#means;
    const { workers } = this;
    return {
      number: this.number,
      since: this.#since,
      threads: workers.length,
      connections: workers.reduce((sum, { row }) => sum + rows.connections(row), 0),
      draining: this.#isEnding,
    };
  }

  /**
   * Gives the same order to all.
   * @param patience milliseconds for an answer
   * @returns their answers; undefined for those that are gone, couldn't do it, or haven't answered in time
   */
  orderAll(order: Order, patience: number): Promise<unknown[]> {
    return Promise.all(this.workers.map((worker) => answerOf(worker, order, patience)));
  }

  /** Nobody is replaced until the function that is returned is called. */
  hold(): () => void {
    const hold = Promise.withResolvers<void>();
    this.#hold = hold;
    return () => {
      this.#hold = null;
      hold.resolve();
    };
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Kept when the last worker is gone, once it was told to end. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Takes no connections any more, and ends with the last one that it has. */
  retire(): void {
    this.#end((worker) => {
      worker.drain(null);
      this.#lookAfter(worker);
    });
  }

  /** Lets what is under way finish for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    this.#end((worker) => worker.drain(grace));
    await this.ended;
  }

  /** Ends now. */
  async stop(): Promise<void> {
    this.#end((worker) => void worker.stop());
    await this.ended;
  }

  #end(how: (worker: WorkerHandle) => void): void {
    this.#isEnding = true;
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
    for (const worker of this.workers) how(worker);
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#isEnding && this.#workers.size === 0) this.#ended.resolve();
  }

  // ── its workers ────────────────────────────────────────────────────────────────────────────────────────────────

  #spawn(thread: number, standing: Standing): WorkerHandle {
    const { keepers, rows, onEvents } = this.#means;
    const { threads } = this;
    const start = {
      ...{ ...this.#run, thread, threads, standing },
      row: rows.lend(),
      counters: rows.memory,
      isReserve: this.#isReserve,
    };
    const worker = new WorkerHandle(start, keepers, onEvents);
    this.#workers.set(thread, worker);
    return worker;
  }

  /** Replaces the worker when it crashes, for as long as the generation takes connections. */
  async #watch(worker: WorkerHandle): Promise<void> {
    const started = performance.now();
    let isReady = false;
    worker.ready.then(
      () => {
        isReady = true;
        this.#lookAfter(worker);
      },
      () => undefined,
    );
    const end = await worker.ended;
    const { thread, row, traffic } = worker;
    const { rows, onTraffic } = this.#means;
    this.#workers.delete(thread);
    this.#heartbeats.get(worker)?.stop();
    takeBackFrom(row, this.#run.spec, this.#run.shared);
    this.#means.keepers.caches.forgetThread(row);
    rows.giveBack(row);
    onTraffic(traffic);
    // A failed start is told by whoever asked for it.
    if (end.kind === "crashed" && (isReady || !this.#isReserve))
      this.#onCrash(thread, end.error, { isReady, lived: performance.now() - started });
    this.#noteEnd();
  }

  /** Nobody is served by one that never gives its time back: neither who has connections there nor who is yet to be given to it. */
  #lookAfter(worker: WorkerHandle): void {
    if (this.#heartbeats.has(worker)) return;
    const heartbeat = new Heartbeat(worker, this.#means.clock, () => {
      // Somebody may look at it in a debugger.
      if (inspectorUrl() === undefined) void worker.kill(new Error(LOST));
    });
    this.#heartbeats.set(worker, heartbeat);
  }

  #onCrash(thread: number, error: Error, life: CrashedLife): void {
    const { rows, log } = this.#means;
    const cause = error.stack ?? error.message;
    rows.own.add(Counter.workerCrashes);
    if (this.#isReserve) {
      log.error({ thread, generation: this.number, cause }, "A worker crashed before it listened");
      return;
    }
    if (this.#isEnding) {
      log.error(
        { thread, generation: this.number, cause },
        "A worker crashed that only finished what it had",
      );
      return;
    }
    const delay = this.#delays.next(thread, life);
    log.error({ thread, cause, replaced_in_ms: delay }, "A worker crashed");
    this.#replaceIn(delay, thread);
  }

  #replaceIn(delay: number, thread: number): void {
    const timer = setTimeout(() => void this.#replace(thread, timer), delay);
    this.#replacements.add(timer);
  }

  async #replace(thread: number, timer: NodeJS.Timeout): Promise<void> {
    await this.#hold?.promise;
    if (!this.#replacements.delete(timer)) return;
    const { log, standing } = this.#means;
    const worker = this.#spawn(thread, standing());
    void this.#watch(worker);
    worker.ready.then(
      () => log.info({ thread }, "A crashed worker was replaced"),
      () => undefined,
    );
  }
}

async function answerOf(worker: OrderTaker, order: Order, patience: number): Promise<unknown> {
  return await within(
    patience,
    worker.order(order).catch(() => undefined),
  );
}
