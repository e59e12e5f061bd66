/** The entry of a worker thread: runs a data plane and takes orders from the main thread. */
import { parentPort, workerData } from "node:worker_threads";
import type { ListenOn } from "../net/listener.ts";
import { DataPlane } from "./data-plane.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";

const port = parentPort;
if (port === null) throw new Error("This module is the entry of a worker thread");

const { spec, thread, counters } = workerData as WorkerStart;

/** Answers to `bind` that are awaited, by their number. */
const pendingBinds = new Map<number, PromiseWithResolvers<ListenOn>>();
let bindRequests = 0;
/** How often each address was asked for. */
const asked = new Map<string, number>();

function tell(message: FromWorker): void {
  port!.postMessage(message);
}

function askForSocket(address: string): Promise<ListenOn> {
  const request = ++bindRequests;
  const nth = asked.get(address) ?? 0;
  asked.set(address, nth + 1);
  const pending = Promise.withResolvers<ListenOn>();
  pendingBinds.set(request, pending);
  tell({ type: "bind", request, address, nth });
  return pending.promise;
}

const started = DataPlane.start(spec, thread, counters, askForSocket);

port.on("message", (message: ToWorker) => {
  if (message.type === "drain") {
    void drain(message.grace);
    return;
  }
  const pending = pendingBinds.get(message.request);
  pendingBinds.delete(message.request);
  if (message.type === "bound") pending?.resolve(message);
  else pending?.reject(new Error(message.message));
});

async function drain(grace: number): Promise<void> {
  const plane = await started;
  await plane.drain(grace);
  tell({ type: "drained" });
  end();
}

/** Milliseconds for what was said last to leave the thread. */
const LAST_WORDS = 100;

/** Ends the thread, whatever a program left open: its own timers and connections are no reason to stay. */
function end(): void {
  port!.close();
  setTimeout(() => process.exit(), LAST_WORDS).unref();
}

started.then(
  (plane) => tell({ type: "ready", addresses: plane.addresses }),
  (error: Error) => {
    tell({ type: "failed", message: error.message });
    end();
  },
);
