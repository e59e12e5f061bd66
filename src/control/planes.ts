import type { CounterName } from "../base/counters.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { LoadedModule } from "../worker/loaded-modules.ts";
import type { Order, Standing } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";

/** The threads of the data plane, for whoever gives them orders. */
export interface Planes {
  /**
   * Gives the order to the first thread alone. When it is gone the answer is undefined.
   * Rejects with an `OrderError` when it couldn't do it.
   */
  orderFirst(order: Order): Promise<unknown>;
  /** Gives the order to all other threads; answers in the order of the threads. A thread that is gone has none. */
  orderOthers(order: Order): Promise<unknown[]>;
  /** Sockets that a proxy listened on are closed for good. */
  release(proxy: string): Promise<void>;
  /** Hears of what happens; `dropped` more events were too many to tell. */
  onEvents: ((events: readonly StreamEvent[], dropped: number) => void) | null;
}

/** The data plane, wherever it runs. */
export interface Engine extends Planes {
  /** What a thread that starts is told to begin with. */
  standing: () => Standing;
  readonly counters: Record<CounterName, number>;
  /** The current one first, then those that only finish what they have, newest first. */
  readonly generations: readonly GenerationStatus[];
  /** The files outside of node_modules that programs and toxics were loaded from. */
  readonly modules: readonly LoadedModule[];
  /**
   * Makes everything ready to run something else, and changes nothing yet: whoever is told to commit can't fail any more.
   * Rejects with what is wrong, having changed nothing. One at a time.
   */
  prepare(next: NextRun): Promise<Prepared>;
  /** The end is near: nothing is made ready any more, and nobody waits for threads that are only beginning. */
  giveUp(): void;
  start(): Promise<readonly string[]>;
  drain(grace: number): Promise<void>;
  /**
   * Others accept on the same sockets: connections end by themselves, when it costs nobody anything. Those that stand after `grace`
   * milliseconds are closed.
   */
  retire(grace: number): Promise<void>;
  stop(): Promise<void>;
}

/** What a running data plane is to run next. */
export interface NextRun {
  readonly spec: RunSpec;
  /** What is the same object as before in it lives on, and so do those that use it. */
  readonly shared: SharedMemory;
  /** Worker threads; of no account where the data plane runs in the calling thread. */
  readonly threads: number;
  /**
   * What stands from then on: all TCP and UDP proxies, by name. One whose settings are the same is left untouched, with its
   * connections; of one that changes, faults stay as they are, for those are changed by orders. What is ordered between
   * here and the end reaches everybody all the same.
   */
  readonly standing: Standing;
  /** Milliseconds that connections get whose listener isn't there any more. */
  readonly grace: number;
}

/** Something that could be run next. Exactly one of both is to be called, once. */
export interface Prepared {
  /** `swap`: the threads that there are take it over. `generation`: others do, and these finish what they have. */
  readonly kind: "swap" | "generation";
  /** What is listened on by listeners, once it is committed. */
  readonly addresses: readonly string[];
  /** The same for TCP and UDP proxies that are new or have moved, by name. */
  readonly proxies: ReadonlyMap<string, string>;
  /** Done when all threads run it. */
  commit(): Promise<void>;
  /** Nothing has changed when it is done. */
  abandon(): Promise<void>;
}

/** Worker threads that were started with the same code. Plain data. */
export interface GenerationStatus {
  /** From 1. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Threads that run. */
  readonly threads: number;
  /** Connections of clients that are open. */
  readonly connections: number;
  /** True when it only finishes what it has. */
  readonly draining: boolean;
}

/** An order that a thread couldn't do. */
export class OrderError extends Error {
  /** Node's code, "" for none. */
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "OrderError";
    this.code = code;
  }
}

/**
 * What becomes of an order when its thread has crashed: the one that replaces it begins with what stands by then, so that
 * there is nothing to do. Only where a proxy listens has to be known now. Rejects when that is what was asked.
 */
export async function answerGone(order: Order): Promise<undefined> {
  if (order.do === "open" || order.do === "prepare")
    throw new OrderError("A thread crashed and is being replaced: try again", "ERR_THREAD_GONE");
}
