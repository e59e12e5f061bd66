/** The entry of a worker thread: runs a data plane and takes orders from the main thread. */
import { parentPort, workerData } from "node:worker_threads";
import type { BoundElsewhere } from "../net/listener.ts";
import type { TlsMaterial } from "../net/tls/listener-settings.ts";
import { DataPlane } from "./data-plane.ts";
import { loadedModules } from "./loaded-modules.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { shareProgramCaches } from "./program-caches.ts";
import { hearCalls } from "./thread-calls.ts";

const port = parentPort;
if (port === null) throw new Error("This module is the entry of a worker thread");

const start = workerData as WorkerStart;

hearCalls();
shareProgramCaches(port, start.row);

/** What was asked for and isn't answered yet, by its number. */
const questions = new Map<number, PromiseWithResolvers<unknown>>();
let asked = 0;

function tell(message: FromWorker): void {
  port!.postMessage(message);
}

function ask<T>(toQuestion: (request: number) => FromWorker): Promise<T> {
  const request = ++asked;
  const question = Promise.withResolvers<T>();
  questions.set(request, question as PromiseWithResolvers<unknown>);
  tell(toQuestion(request));
  return question.promise;
}

const begin = start.isReserve ? DataPlane.prepare : DataPlane.start;
const started = begin(start, {
  socket: (address, owner) => ask<BoundElsewhere>((request) => ({ type: "bind", request, address, owner })),
  tls: (owner, settings) => ask<TlsMaterial>((request) => ({ type: "tls", request, owner, settings })),
  sharesPorts: true,
  sendEvents: (events, dropped) => tell({ type: "events", events, dropped }),
});

port.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "drain":
      void drain(message.grace);
      return;
    case "order":
      void obey(message);
      return;
    case "bound":
      takeQuestion(message.request)?.resolve(message);
      return;
    case "tlsOpened":
      takeQuestion(message.request)?.resolve(message.material);
      return;
    case "refused":
      takeQuestion(message.request)?.reject(
        Object.assign(new Error(message.message), { code: message.code }),
      );
  }
});

function takeQuestion(request: number): PromiseWithResolvers<unknown> | undefined {
  const question = questions.get(request);
  questions.delete(request);
  return question;
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

async function drain(grace: number | null): Promise<void> {
  const plane = await started;
  if (grace === null) await plane.retire();
  else await plane.drain(grace);
  tell({ type: "drained", traffic: plane.traffic });
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
  ({ addresses, holdings, proxies }) =>
    tell({ type: "ready", addresses, holdings, proxies, modules: loadedModules() }),
  ({ message, code = "" }: NodeJS.ErrnoException) => {
    tell({ type: "failed", message, code });
    end();
  },
);
