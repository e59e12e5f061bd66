import { allocateCounters, type CounterName, sumCounters } from "../base/counters.ts";
import type { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { DataPlane } from "../worker/data-plane.ts";
import type { LoadedModule } from "../worker/loaded-modules.ts";
import { NOTHING_STANDING, type Order, type Standing } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";
import {
  answerGone,
  type Engine,
  type GenerationStatus,
  type NextRun,
  OrderError,
  type Planes,
  type Prepared,
} from "./planes.ts";
import type { Share, SocketKeeper } from "./sockets.ts";
import type { TlsKeepers } from "./tls-keepers.ts";
import type { Keepers } from "./worker-handle.ts";

const ALONE: Share = { thread: 0, threads: 1 };

/** The data plane in the calling thread. Its sockets are bound as those of workers are, so that addresses behave the same. */
export class LocalPlane implements Engine {
  onEvents: Planes["onEvents"] = null;
  standing: () => Standing = () => NOTHING_STANDING;
  readonly #spec: RunSpec;
  readonly #shared: SharedMemory;
  readonly #tls: TlsKeepers;
  readonly #traffic: TrafficKeeper;
  readonly #memory = allocateCounters(1);
  readonly #sockets: SocketKeeper;
  /** Null before it is asked for. */
  #plane: Promise<DataPlane> | null = null;

  constructor(spec: RunSpec, shared: SharedMemory, { sockets, tls, traffic }: Keepers) {
    this.#spec = spec;
    this.#shared = shared;
    this.#sockets = sockets;
    this.#tls = tls;
    this.#traffic = traffic;
  }

  async start(): Promise<readonly string[]> {
    const start = {
      spec: this.#spec,
      ...ALONE,
      row: 0,
      counters: this.#memory,
      standing: this.standing(),
      shared: this.#shared,
      traffic: this.#traffic.lend(),
    };
    try {
      this.#plane = DataPlane.start(start, {
        socket: (address, owner) => this.#sockets.lend(address, ALONE, owner),
        tls: (owner, settings) => this.#tls.open(owner, settings),
        sendEvents: (events, dropped) => this.onEvents?.(events, dropped),
      });
      return (await this.#plane).addresses;
    } catch (error) {
      this.#tls.stop();
      await this.#sockets.close();
      throw error;
    }
  }

  get counters(): Record<CounterName, number> {
    return sumCounters(this.#memory, 1);
  }

  readonly generations: readonly GenerationStatus[] = [];
  readonly modules: readonly LoadedModule[] = [];

  prepare(_next: NextRun): Promise<Prepared> {
    return Promise.reject(new Error("Nothing else can be run yet"));
  }

  async orderFirst(order: Order): Promise<unknown> {
    // It will begin with what stands by then.
    if (this.#plane === null) return await answerGone(order);
    try {
      return await (await this.#plane).obey(order);
    } catch (error) {
      const { message, code = "" } = error as NodeJS.ErrnoException;
      throw new OrderError(message, code);
    }
  }

  orderOthers(): Promise<unknown[]> {
    return Promise.resolve([]);
  }

  release(owner: string): Promise<void> {
    this.#tls.release(`proxy ${owner}`);
    return this.#sockets.release(`proxy ${owner}`);
  }

  async drain(grace: number): Promise<void> {
    this.#tls.stop();
    await this.#sockets.close();
    await (await this.#plane)?.drain(grace);
  }

  stop(): Promise<void> {
    return this.drain(0);
  }
}
