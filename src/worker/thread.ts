/** The entry of a worker thread: runs a data plane and takes orders from the main thread. */
import { parentPort, workerData } from "node:worker_threads";
import type { ListenOn } from "../net/listener.ts";
import { DataPlane } from "./data-plane.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";

const port = parentPort;
if (port === null) throw new Error("This module is the entry of a worker thread");

const start = workerData as WorkerStart;

/** Answers to `bind` that are awaited, by their number. */
const pendingBinds = new Map<number, PromiseWithResolvers<ListenOn>>();
let bindRequests = 0;

function tell(message: FromWorker): void {
  port!.postMessage(message);
}

function askForSocket(address: string, owner: string): Promise<ListenOn> {
  const request = ++bindRequests;
  const pending = Promise.withResolvers<ListenOn>();
  pendingBinds.set(request, pending);
  tell({ type: "bind", request, address, owner });
  return pending.promise;
}

const started = DataPlane.start(start, askForSocket, (events, dropped) =>
  tell({ type: "events", events, dropped }),
);

port.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "drain":
      void drain(message.grace);
      return;
    case "order":
      void obey(message);
      return;
    case "bound":
      takePending(message.request)?.resolve(message);
      return;
    case "bindFailed":
      takePending(message.request)?.reject(Object.assign(new Error(message.message), { code: message.code }));
  }
});

function takePending(request: number): PromiseWithResolvers<ListenOn> | undefined {
  const pending = pendingBinds.get(request);
  pendingBinds.delete(request);
  return pending;
}

/** Orders are done in the order they come: none of those that change something waits for anything but to be opened. */
async function obey({ request, order }: Extract<ToWorker, { type: "order" }>): Promise<void> {
  try {
    const plane = await started;
    tell({ type: "obeyed", request, result: await plane.obey(order) });
  } catch (error) {
    const { message, code = "" } = error as NodeJS.ErrnoException;
    tell({ type: "orderFailed", request, message, code });
  }
}

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
  ({ message, code = "" }: NodeJS.ErrnoException) => {
    tell({ type: "failed", message, code });
    end();
  },
);
