import type { Logger } from "pino";
import { allocateCounters, type CounterName, sumCounters } from "../base/counters.ts";
import { within } from "../base/within.ts";
import type { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { DataPlane } from "../worker/data-plane.ts";
import { type LoadedModule, loadedModules } from "../worker/loaded-modules.ts";
import { NOTHING_STANDING, type Order, type Standing } from "../worker/orders.ts";
import { ownerOfProxy } from "../worker/owners.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";
import { boundFor } from "./bound-for.ts";
import type { GenerationRun } from "./generation.ts";
import { Holdings } from "./holdings.ts";
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
import { isSwap } from "./swappable.ts";
import { prepareSwap, type Swappable } from "./thread-swap.ts";
import type { TlsKeepers } from "./tls-keepers.ts";
import { canPassDescriptors } from "./upgrade/descriptors.ts";
import type { Keepers } from "./worker-handle.ts";

const ALONE: Share = { thread: 0, threads: 1 };

/** The data plane in the calling thread. Its sockets are bound as those of workers are, so that addresses behave the same. */
export class LocalPlane implements Engine {
  onEvents: Planes["onEvents"] = null;
  standing: () => Standing = () => NOTHING_STANDING;
  #run: GenerationRun;
  readonly #log: Logger;
  readonly #since = Date.now();
  readonly #holdings: Holdings;
  readonly #tls: TlsKeepers;
  readonly #traffic: TrafficKeeper;
  readonly #memory = allocateCounters(1);
  readonly #sockets: SocketKeeper;
  /** Null before it is asked for. */
  #plane: Promise<DataPlane> | null = null;

  constructor(spec: RunSpec, shared: SharedMemory, { sockets, tls, traffic }: Keepers, log: Logger) {
    this.#run = { spec, shared };
    this.#log = log;
    this.#holdings = new Holdings(sockets);
    this.#sockets = sockets;
    this.#tls = tls;
    this.#traffic = traffic;
  }

  async start(): Promise<readonly string[]> {
    const start = {
      ...this.#run,
      ...ALONE,
      row: 0,
      counters: this.#memory,
      standing: this.standing(),
      isReserve: false,
      traffic: this.#traffic.lend(),
    };
    try {
      this.#plane = DataPlane.start(start, {
        socket: (address, owner) => this.#sockets.lend(address, ALONE, owner),
        tls: (owner, settings) => this.#tls.open(owner, settings),
        // With the process that takes this one's place.
        sharesPorts: canPassDescriptors,
        sendEvents: (events, dropped) => this.onEvents?.(events, dropped),
      });
      const { addresses, holdings } = await this.#plane;
      await this.#holdings.hold(holdings);
      return addresses;
    } catch (error) {
      this.#tls.stop();
      await this.#sockets.close();
      throw error;
    }
  }

  get counters(): Record<CounterName, number> {
    return sumCounters(this.#memory, 1);
  }

  get generations(): readonly GenerationStatus[] {
    const connections = this.counters.connectionsOpen;
    return [{ number: 1, since: this.#since, threads: 1, connections, draining: false }];
  }

  /** Of a thread that others load programs in as well, only what is run here counts. */
  get modules(): readonly LoadedModule[] {
    const { program, snapshot, toxics = [] } = this.#run.spec;
    const hasFilters = (snapshot?.filters ?? []).length > 0;
    return program === null && toxics.length === 0 && !hasFilters ? [] : loadedModules();
  }

  /** The same thread goes on: what takes another one, such as other code, is refused. */
  async prepare(next: NextRun): Promise<Prepared> {
    if (!(await isSwap(this.#run.spec, next.spec, this.modules)))
      throw new Error(
        "Other code can only be run in other threads, and there are none (threads: 0): restart it",
      );
    return await boundFor(this.#sockets, async () => {
      const swap = await prepareSwap(this.#place, next, this.#log);
      return { ...swap, commit: async () => this.#holdings.hold(await swap.commit()) };
    });
  }

  giveUp(): void {
    // There are no threads to be waited for.
  }

  get #place(): Swappable {
    return {
      workers: [{ thread: 0, order: (order) => this.orderFirst(order) }],
      threads: 1,
      run: this.#run,
      setRun: (run) => {
        this.#run = run;
      },
      hold: () => () => undefined,
    };
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

  release(name: string): Promise<void> {
    this.#tls.release(ownerOfProxy(name));
    return this.#sockets.release(ownerOfProxy(name));
  }

  async drain(grace: number): Promise<void> {
    this.#tls.stop();
    await this.#sockets.close();
    await (await this.#plane)?.drain(grace);
  }

  async retire(grace: number): Promise<void> {
    this.#tls.stop();
    await this.#sockets.close();
    const plane = await this.#plane;
    if (plane === null) return;
    await within(grace, plane.retire());
    await plane.drain(0);
  }

  stop(): Promise<void> {
    return this.drain(0);
  }
}
