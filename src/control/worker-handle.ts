import { Worker } from "node:worker_threads";
import type { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { FromWorker, ToWorker, WorkerReady, WorkerStart } from "../worker/messages.ts";
import type { Order } from "../worker/orders.ts";
import type { CacheAnswer } from "../worker/program-caches.ts";
import type { ProxyTraffic } from "../worker/proxy-traffic.ts";
import type { CacheKeepers } from "./cache-keepers.ts";
import { answerGone, OrderError } from "./planes.ts";
import type { Share, SocketKeeper } from "./sockets.ts";
import type { TlsKeepers } from "./tls-keepers.ts";

/** In a checkout the sources run; a published package has only JavaScript. */
const ENTRY = new URL(
  import.meta.url.endsWith(".ts") ? "../worker/thread.ts" : "../worker/thread.js",
  import.meta.url,
);

/** Milliseconds past the grace period for a worker to end by itself. */
const LATENESS = 2_000;

/** How a worker's life ended. */
export type WorkerEnd = { readonly kind: "drained" } | { readonly kind: "crashed"; readonly error: Error };

interface PendingOrder extends PromiseWithResolvers<unknown> {
  readonly order: Order;
}

/** What the main thread keeps for its workers, who ask for it. */
export interface Keepers {
  readonly sockets: SocketKeeper;
  readonly tls: TlsKeepers;
  readonly traffic: TrafficKeeper;
  readonly caches: CacheKeepers;
}

type Question = Extract<FromWorker, { type: "bind" | "tls" }>;

/** One worker thread, seen from the main thread. */
export class WorkerHandle {
  readonly thread: number;
  /** What it counts in. */
  readonly row: number;
  /** Kept when it listens everywhere, or is in reserve and could; rejected when it couldn't start. */
  readonly ready: Promise<WorkerReady>;
  /** Kept when the thread is gone. */
  readonly ended: Promise<WorkerEnd>;
  readonly #worker: Worker;
  readonly #keepers: Keepers;
  readonly #share: Share;
  readonly #rows: number;
  readonly #ready = Promise.withResolvers<WorkerReady>();
  /** Orders that are not answered yet, by their number. */
  readonly #orders = new Map<number, PendingOrder>();
  readonly #onEvents: (events: readonly StreamEvent[], dropped: number) => void;
  #ordersGiven = 0;
  #error: Error | null = null;
  #drained = false;
  #isGone = false;
  #traffic: readonly ProxyTraffic[] = [];

  constructor(
    start: Omit<WorkerStart, "traffic">,
    keepers: Keepers,
    onEvents: (events: readonly StreamEvent[], dropped: number) => void,
  ) {
    this.thread = start.thread;
    this.row = start.row;
    this.#share = start;
    this.#rows = start.shared.rows;
    this.#onEvents = onEvents;
    this.#keepers = keepers;
    this.ready = this.#ready.promise;
    // Who doesn't ask for it learns of a failure through `ended`.
    this.ready.catch(() => undefined);
    const traffic = keepers.traffic.lend();
    const workerData: WorkerStart = { ...start, traffic };
    this.#worker = new Worker(ENTRY, { workerData, name: `sluice worker ${start.thread}` });
    this.#worker.on("message", (message: FromWorker) => void this.#hear(message));
    this.#worker.on("error", (error: Error) => {
      this.#error = error;
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        keepers.traffic.takeBack(traffic);
        resolve(this.#end(code));
      });
    });
  }

  /** Rejects with an `OrderError` when it couldn't be done; a thread that is gone, or goes meanwhile, answers as `answerGone`. */
  order(order: Order): Promise<unknown> {
    if (this.#isGone) return answerGone(order);
    const request = ++this.#ordersGiven;
    const pending = { ...Promise.withResolvers<unknown>(), order };
    this.#orders.set(request, pending);
    this.#tell({ type: "order", request, order });
    return pending.promise;
  }

  /**
   * Asks it to finish what is under way within `grace` milliseconds and end. One that doesn't is ended: a program that
   * never gives the thread back doesn't even hear the question.
   * @param grace null: as long as it takes
   */
  drain(grace: number | null): void {
    this.#tell({ type: "drain", grace });
    if (grace === null) return;
    const timer = setTimeout(() => void this.stop(), grace + LATENESS);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** What its TCP and UDP proxies have moved, once it has ended in peace; of one that crashed nobody knows. */
  get traffic(): readonly ProxyTraffic[] {
    return this.#traffic;
  }

  /** Ends the thread now, as one that crashed by this. */
  async kill(error: Error): Promise<void> {
    this.#error = error;
    await this.#worker.terminate();
  }

  /** Ends the thread now. */
  async stop(): Promise<void> {
    this.#drained = true;
    await this.#worker.terminate();
  }

  #tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  async #hear(message: FromWorker): Promise<void> {
    switch (message.type) {
      case "bind":
      case "tls":
        await this.#reply(message);
        return;
      case "cache":
        this.#lendCache(message);
        return;
      case "ready":
        this.#ready.resolve(message);
        return;
      case "failed":
        this.#error = Object.assign(new Error(message.message), { code: message.code });
        return;
      case "obeyed":
        this.#takeOrder(message.request)?.resolve(message.result);
        return;
      case "orderFailed":
        this.#takeOrder(message.request)?.reject(new OrderError(message.message, message.code));
        return;
      case "events":
        this.#onEvents(message.events, message.dropped);
        return;
      case "drained":
        this.#drained = true;
        this.#traffic = message.traffic;
    }
  }

  #takeOrder(request: number): PendingOrder | undefined {
    const pending = this.#orders.get(request);
    this.#orders.delete(request);
    return pending;
  }

  #lendCache({ settings, reply, bell }: Extract<FromWorker, { type: "cache" }>): void {
    let answer: CacheAnswer;
    try {
      answer = { memory: this.#keepers.caches.programs.open(settings, this.#rows) };
    } catch (error) {
      answer = { problem: (error as Error).message };
    }
    reply.postMessage(answer);
    reply.close();
    Atomics.store(bell, 0, 1);
    Atomics.notify(bell, 0);
  }

  async #reply(question: Question): Promise<void> {
    const answer = await this.#answer(question);
    if (this.#isGone) this.#keepers.sockets.takeBack(this.#share);
    else this.#tell(answer);
  }

  async #answer(question: Question): Promise<ToWorker> {
    const { request, owner } = question;
    const { sockets, tls } = this.#keepers;
    try {
      if (question.type === "tls")
        return { type: "tlsOpened", request, material: await tls.open(owner, question.settings) };
      return { type: "bound", request, ...(await sockets.lend(question.address, this.#share, owner)) };
    } catch (error) {
      const { message, code = "" } = error as NodeJS.ErrnoException;
      return { type: "refused", request, message, code };
    }
  }

  #end(code: number): WorkerEnd {
    const error = this.#error ?? new Error(`The worker ended with code ${code}`);
    this.#isGone = true;
    this.#keepers.sockets.takeBack(this.#share);
    this.#ready.reject(error);
    for (const { order, resolve } of this.#orders.values()) resolve(answerGone(order));
    this.#orders.clear();
    return this.#drained ? { kind: "drained" } : { kind: "crashed", error };
  }
}
