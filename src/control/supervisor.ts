import type { Logger } from "pino";
import { idleAlarms } from "../base/alarms.ts";
import type { CounterName } from "../base/counters.ts";
import { within } from "../base/within.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { LoadedModule } from "../worker/loaded-modules.ts";
import type { WorkerReady } from "../worker/messages.ts";
import { NOTHING_STANDING, type Order, type Standing } from "../worker/orders.ts";
import { ownerOfProxy } from "../worker/owners.ts";
import { type ProxyTraffic, sumProxyTraffic } from "../worker/proxy-traffic.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";
import { boundFor } from "./bound-for.ts";
import { Generation, type GenerationMeans } from "./generation.ts";
import { Holdings } from "./holdings.ts";
import { answerGone, type Engine, type GenerationStatus, type NextRun, type Prepared } from "./planes.ts";
import { reachesEarlier } from "./reach.ts";
import { isSwap } from "./swappable.ts";
import { prepareSwap } from "./thread-swap.ts";
import type { Keepers } from "./worker-handle.ts";
import { WorkerRows } from "./worker-rows.ts";

/** Milliseconds that threads get to see to what they keep. */
const KEEPING = 2_000;
/** Milliseconds for answers of threads that others have replaced, which may be because they never answer again. */
const LEFT_BEHIND = 500;
const ENDING = "It is being shut down";
/** Milliseconds that a new generation gets to be ready, while the one before it runs. */
const PATIENCE = 60_000;

/**
 * Runs the workers of the data plane, in generations: one that takes connections, and those before it that only finish
 * what they have.
 *
 *     prepare ─┬─ the same code ──▶ the workers swap in place                      all, or none
 *              └─ other code ─────▶ a new generation in reserve ──▶ takes over ──▶ the old one drains
 */
export class Supervisor implements Engine {
  onEvents: ((events: readonly StreamEvent[], dropped: number) => void) | null = null;
  standing: () => Standing = () => NOTHING_STANDING;
  readonly #log: Logger;
  readonly #keepers: Keepers;
  readonly #rows: WorkerRows;
  #current: Generation;
  /** Not ended yet, oldest first. */
  readonly #earlier = new Set<Generation>();
  /** Ready to take over; null: none is. */
  #reserve: Generation | null = null;
  /** About to be ready; null: none is. */
  #beginning: Generation | null = null;
  #modules: readonly LoadedModule[] = [];
  readonly #holdings: Holdings;
  /** What proxies of workers have moved that have ended. */
  #endedTraffic: readonly ProxyTraffic[] = [];
  #isPreparing = false;
  #isStopping = false;

  constructor(spec: RunSpec, shared: SharedMemory, keepers: Keepers, log: Logger) {
    this.#log = log;
    this.#keepers = keepers;
    this.#holdings = new Holdings(keepers.sockets);
    this.#rows = new WorkerRows(shared.rows);
    this.#current = new Generation(1, shared.threads, { spec, shared }, this.#means);
  }

  get #means(): GenerationMeans {
    return {
      log: this.#log,
      keepers: this.#keepers,
      rows: this.#rows,
      clock: idleAlarms,
      standing: () => this.standing(),
      onEvents: (events, dropped) => this.onEvents?.(events, dropped),
      onTraffic: (traffic) => {
        if (traffic.length > 0) this.#endedTraffic = sumProxyTraffic([...this.#endedTraffic, ...traffic]);
      },
    };
  }

  /** Starts all workers; resolves with the addresses they listen on. Rejects when one of them can't start. */
  async start(): Promise<readonly string[]> {
    try {
      const { addresses, modules } = await this.#current.start(this.standing());
      this.#modules = modules;
      const { holdings, failures } = await this.#current.listen();
      if (failures.length > 0) throw failures[0]!;
      await this.#holdings.hold(holdings);
      return addresses;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** The sums of all threads' counters. */
  get counters(): Record<CounterName, number> {
    return this.#rows.sums;
  }

  get generations(): readonly GenerationStatus[] {
    return [this.#current, ...[...this.#earlier].toReversed()].map(({ status }) => status);
  }

  get modules(): readonly LoadedModule[] {
    return this.#modules;
  }

  // ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────

  orderFirst(order: Order): Promise<unknown> {
    return this.#current.first?.order(order) ?? answerGone(order);
  }

  async orderOthers(order: Order): Promise<unknown[]> {
    const others = this.#current.workers.filter(({ thread }) => thread > 0);
    const { shared } = this.#current.run;
    const earlier = [...this.#earlier].filter(({ run }) => reachesEarlier(order, run.shared, shared));
    // What it begins with was told before this order. Nobody waits until it has begun.
    void this.#reserve?.orderAll(order, PATIENCE);
    const [answers, ofEarlier] = await Promise.all([
      Promise.all(others.map((worker) => worker.order(order))),
      Promise.all(earlier.map((generation) => generation.orderAll(order, LEFT_BEHIND))),
    ]);
    const ended = order.do === "traffic" ? [this.#endedTraffic] : [];
    return [...answers, ...ofEarlier.flat(), ...ended];
  }

  release(name: string): Promise<void> {
    this.#keepers.tls.release(ownerOfProxy(name));
    return this.#keepers.sockets.release(ownerOfProxy(name));
  }

  // ── something else ─────────────────────────────────────────────────────────────────────────────────────────────

  async prepare(next: NextRun): Promise<Prepared> {
    if (this.#isPreparing) throw new Error("Something else is being made ready already");
    this.#isPreparing = true;
    try {
      const { run, threads } = this.#current;
      const isSameCode = threads === next.threads && (await isSwap(run.spec, next.spec, this.#modules));
      if (this.#isStopping) throw new Error(ENDING);
      // Those that crash again and again may be what is to be got rid of.
      const isInPlace = isSameCode && this.#current.missing === 0;
      const prepare = (): Promise<Prepared> =>
        isInPlace ? this.#prepareSwap(next) : this.#prepareGeneration(next);
      return this.#once(await boundFor(this.#keepers.sockets, prepare));
    } catch (error) {
      this.#isPreparing = false;
      throw error;
    }
  }

  #once(prepared: Prepared): Prepared {
    const end = (): void => {
      this.#isPreparing = false;
    };
    return {
      ...prepared,
      commit: () => prepared.commit().finally(end),
      abandon: () => prepared.abandon().finally(end),
    };
  }

  async #prepareSwap(next: NextRun): Promise<Prepared> {
    const swap = await prepareSwap(this.#current, next, this.#log);
    return { ...swap, commit: async () => this.#holdings.hold(await swap.commit()) };
  }

  async #prepareGeneration(next: NextRun): Promise<Prepared> {
    const { spec, shared, threads, standing } = next;
    // Those that crashed come back, whatever becomes of this one.
    if (this.#rows.free - this.#current.missing < threads) throw new Error(this.#describeFullness(threads));
    const generation = new Generation(this.#current.number + 1, threads, { spec, shared }, this.#means);
    this.#reserve = generation;
    this.#beginning = generation;
    try {
      const { addresses, modules, proxies } = await startPatiently(generation, standing);
      return {
        kind: "generation",
        addresses,
        proxies: new Map(proxies),
        commit: () => this.#hand(generation, modules),
        abandon: () => this.#dismiss(generation),
      };
    } catch (error) {
      this.#reserve = null;
      throw this.#isStopping ? new Error(ENDING, { cause: error }) : error;
    } finally {
      this.#beginning = null;
    }
  }

  giveUp(): void {
    this.#isStopping = true;
    void this.#beginning?.drain(0);
  }

  #describeFullness(threads: number): string {
    const draining = [...this.#earlier].map(({ status }) => `${status.number} (${status.connections} open)`);
    return (
      `There is no room for a new generation of threads (${threads}) as long as earlier ones have connections: ` +
      `${draining.join(", ")}. Try again when one of them has ended, or have another process take over (sluice upgrade), ` +
      "which gives them the grace period"
    );
  }

  async #hand(generation: Generation, modules: readonly LoadedModule[]): Promise<void> {
    const before = this.#current;
    await before.orderAll({ do: "keepSessions" }, KEEPING);
    const { holdings, failures } = await generation.listen();
    for (const { message: cause } of failures)
      this.#log.error({ cause }, "A new thread doesn't listen on all that it should");
    this.#reserve = null;
    this.#current = generation;
    this.#modules = modules;
    this.#earlier.add(before);
    before.retire();
    void before.ended.then(() => this.#earlier.delete(before));
    await this.#holdings.hold(holdings);
  }

  async #dismiss(generation: Generation): Promise<void> {
    this.#reserve = null;
    await generation.drain(0);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  get #all(): Generation[] {
    return [this.#current, ...this.#earlier, ...(this.#reserve === null ? [] : [this.#reserve])];
  }

  /** Stops listening, lets requests finish for at most `grace` milliseconds, ends the workers. */
  async drain(grace: number): Promise<void> {
    await this.#close();
    await Promise.all(this.#all.map((generation) => generation.drain(grace)));
  }

  /** Other threads accept on the same sockets: what stands ends by itself, and what hasn't after `grace` milliseconds is ended. */
  async retire(grace: number): Promise<void> {
    await this.#close();
    const all = this.#all;
    for (const generation of all) generation.retire();
    await within(grace, Promise.all(all.map((generation) => generation.ended)));
    await Promise.all(all.map((generation) => generation.drain(0)));
  }

  /** Ends everything now. */
  async stop(): Promise<void> {
    await this.#close();
    await Promise.all(this.#all.map((generation) => generation.stop()));
  }

  async #close(): Promise<void> {
    this.#isStopping = true;
    this.#keepers.tls.stop();
    await this.#keepers.sockets.close();
  }
}

/** A program that never gets ready must not stand in the way of one that does. */
async function startPatiently(generation: Generation, standing: Standing): Promise<WorkerReady> {
  const timer = setTimeout(() => void generation.drain(0), PATIENCE);
  const began = performance.now();
  try {
    return await generation.start(standing);
  } catch (error) {
    if (performance.now() - began < PATIENCE) throw error;
    const message = `The new threads aren't ready after ${PATIENCE / 1000} s: the program or one of its services takes too long`;
    throw new Error(message, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
