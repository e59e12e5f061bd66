import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerStart } from "../worker/messages.ts";
import type { SocketKeeper } from "./sockets.ts";

/** In a checkout the sources run; a published package has only JavaScript. */
const ENTRY = new URL(
  import.meta.url.endsWith(".ts") ? "../worker/thread.ts" : "../worker/thread.js",
  import.meta.url,
);

/** How a worker's life ended. */
export type WorkerEnd = { readonly kind: "drained" } | { readonly kind: "crashed"; readonly error: Error };

/** One worker thread, seen from the main thread. */
export class WorkerHandle {
  readonly thread: number;
  /** Kept when it listens everywhere; rejected when it couldn't start. */
  readonly ready: Promise<readonly string[]>;
  /** Kept when the thread is gone. */
  readonly ended: Promise<WorkerEnd>;
  readonly #worker: Worker;
  readonly #sockets: SocketKeeper;
  readonly #ready = Promise.withResolvers<readonly string[]>();
  #error: Error | null = null;
  #drained = false;

  constructor(start: WorkerStart, sockets: SocketKeeper) {
    this.thread = start.thread;
    this.#sockets = sockets;
    this.ready = this.#ready.promise;
    // Who doesn't ask for it learns of a failure through `ended`.
    this.ready.catch(() => undefined);
    this.#worker = new Worker(ENTRY, { workerData: start, name: `sluice worker ${start.thread}` });
    this.#worker.on("message", (message: FromWorker) => void this.#hear(message));
    this.#worker.on("error", (error: Error) => {
      this.#error = error;
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once("exit", (code) => resolve(this.#end(code)));
    });
  }

  /** Asks it to finish what is under way and end. */
  drain(grace: number): void {
    this.#tell({ type: "drain", grace });
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
        this.#tell(await this.#lend(message));
        return;
      case "ready":
        this.#ready.resolve(message.addresses);
        return;
      case "failed":
        this.#error = new Error(message.message);
        return;
      case "drained":
        this.#drained = true;
    }
  }

  async #lend({ request, address, nth }: Extract<FromWorker, { type: "bind" }>): Promise<ToWorker> {
    try {
      return { type: "bound", request, ...(await this.#sockets.lend(address, this.thread, nth)) };
    } catch (error) {
      return { type: "bindFailed", request, message: (error as Error).message };
    }
  }

  #end(code: number): WorkerEnd {
    const error = this.#error ?? new Error(`The worker ended with code ${code}`);
    this.#ready.reject(error);
    return this.#drained ? { kind: "drained" } : { kind: "crashed", error };
  }
}
