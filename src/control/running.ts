import type { Logger } from "pino";
import { allocateCounters, type CounterName, sumCounters } from "../base/counters.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { ListenerSettings } from "../config/snapshot.ts";
import { allocateFaultCounts } from "../filters/faults/fault-counts.ts";
import { DataPlane } from "../worker/data-plane.ts";
import { NOTHING_STANDING, type Order, type Standing } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { loadToxics } from "../worker/toxic-modules.ts";
import { OrderError, type Planes } from "./planes.ts";
import { Proxies } from "./proxies.ts";
import { SocketKeeper } from "./sockets.ts";
import type { Steering } from "./steering.ts";
import { Supervisor } from "./supervisor.ts";
import type { TrafficSource } from "./traffic.ts";

/** A running data plane, whether in worker threads or in this one. */
export interface Running {
  /** What is listened on, by listeners and by TCP and UDP proxies. */
  readonly addresses: readonly string[];
  readonly counters: Record<CounterName, number>;
  /** Its proxies and their faults. */
  readonly steering: Steering;
  /** How much its TCP and UDP proxies have moved. */
  readonly traffic: TrafficSource;
  /** Lets requests finish for at most `grace` milliseconds, then ends. */
  drain(grace: number): Promise<void>;
  /** Ends now. */
  stop(): Promise<void>;
}

/** @param threads 0 runs the data plane in the calling thread */
export async function startRunning(spec: RunSpec, threads: number, log: Logger): Promise<Running> {
  loadToxics(spec.toxics ?? []);
  const engine: Engine = threads === 0 ? new LocalPlane(spec) : new Supervisor(spec, threads, log);
  const proxies = new Proxies(engine, createRegistry());
  const listeners = listenersOf(spec);
  for (const { name, bind, toxics, mode } of listeners) proxies.adopt(name, bind, toxics, mode);
  engine.standing = () => proxies.standing;
  const listening = await startPatiently(engine, log);
  for (const [index, { name, bind }] of listeners.entries())
    proxies.noteAddress(name, listening[index] ?? bind);
  try {
    for (const proxy of spec.snapshot?.proxies ?? []) await proxies.create(proxy);
  } catch (error) {
    await engine.stop();
    throw error;
  }
  return {
    get addresses() {
      return [
        ...listening,
        ...proxies.list().flatMap((proxy) => (proxy.protocol === "http" ? [] : [proxy.listen])),
      ];
    },
    get counters() {
      return engine.counters;
    },
    steering: proxies,
    traffic: proxies,
    drain: (grace) => engine.drain(grace),
    stop: () => engine.stop(),
  };
}

/** HTTP listeners of a configuration open themselves; their faults are steered all the same. */
function listenersOf({ snapshot, program }: RunSpec): readonly ListenerSettings[] {
  return snapshot === null || program !== null ? [] : snapshot.listeners;
}

/** Milliseconds after which a start is slow. */
const SLOW_START = 5_000;

/** A program or a service that never gets ready would keep everybody waiting without a word. */
async function startPatiently(engine: Engine, log: Logger): Promise<readonly string[]> {
  const patience = setTimeout(() => {
    log.warn("Not everything has started yet: a program or one of its services takes its time");
  }, SLOW_START);
  patience.unref();
  try {
    return await engine.start();
  } finally {
    clearTimeout(patience);
  }
}

/** The data plane, wherever it runs. */
interface Engine extends Planes {
  standing: () => Standing;
  readonly counters: Record<CounterName, number>;
  start(): Promise<readonly string[]>;
  drain(grace: number): Promise<void>;
  stop(): Promise<void>;
}

/** The data plane in the calling thread. Its sockets are bound as those of workers are, so that addresses behave the same. */
class LocalPlane implements Engine {
  onEvents: Planes["onEvents"] = null;
  standing: () => Standing = () => NOTHING_STANDING;
  readonly #spec: RunSpec;
  readonly #memory = allocateCounters(1);
  readonly #sockets = new SocketKeeper(1);
  #plane: DataPlane | null = null;

  constructor(spec: RunSpec) {
    this.#spec = spec;
  }

  async start(): Promise<readonly string[]> {
    const { snapshot } = this.#spec;
    const start = {
      spec: this.#spec,
      thread: 0,
      counters: this.#memory,
      standing: this.standing(),
      isShared: false,
      faultCounts: snapshot === null ? null : allocateFaultCounts(snapshot),
    };
    try {
      this.#plane = await DataPlane.start(
        start,
        (address, owner) => this.#sockets.lend(address, 0, owner),
        (events, dropped) => this.onEvents?.(events, dropped),
      );
      return this.#plane.addresses;
    } catch (error) {
      await this.#sockets.close();
      throw error;
    }
  }

  get counters(): Record<CounterName, number> {
    return sumCounters(this.#memory, 1);
  }

  async orderFirst(order: Order): Promise<unknown> {
    try {
      return await this.#plane!.obey(order);
    } catch (error) {
      const { message, code = "" } = error as NodeJS.ErrnoException;
      throw new OrderError(message, code);
    }
  }

  orderOthers(): Promise<unknown[]> {
    return Promise.resolve([]);
  }

  release(owner: string): Promise<void> {
    return this.#sockets.release(`proxy ${owner}`);
  }

  async drain(grace: number): Promise<void> {
    await this.#sockets.close();
    await this.#plane?.drain(grace);
  }

  stop(): Promise<void> {
    return this.drain(0);
  }
}
