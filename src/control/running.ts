import type { Logger } from "pino";
import { allocateCounters, type CounterName, sumCounters } from "../base/counters.ts";
import { DataPlane } from "../worker/data-plane.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { SocketKeeper } from "./sockets.ts";
import { Supervisor } from "./supervisor.ts";

/** A running data plane, whether in worker threads or in this one. */
export interface Running {
  readonly addresses: readonly string[];
  readonly counters: Record<CounterName, number>;
  /** Lets requests finish for at most `grace` milliseconds, then ends. */
  drain(grace: number): Promise<void>;
  /** Ends now. */
  stop(): Promise<void>;
}

/** @param threads 0 runs the data plane in the calling thread */
export function startRunning(spec: RunSpec, threads: number, log: Logger): Promise<Running> {
  return threads === 0 ? startHere(spec) : startWorkers(spec, threads, log);
}

async function startWorkers(spec: RunSpec, threads: number, log: Logger): Promise<Running> {
  const supervisor = new Supervisor(spec, threads, log);
  const addresses = await supervisor.start();
  return {
    addresses,
    get counters() {
      return supervisor.counters;
    },
    drain: (grace) => supervisor.drain(grace),
    stop: () => supervisor.stop(),
  };
}

async function startHere(spec: RunSpec): Promise<Running> {
  const memory = allocateCounters(1);
  const sockets = new SocketKeeper(1);
  const plane = await startPlane(spec, memory, sockets);
  const drain = async (grace: number): Promise<void> => {
    await sockets.close();
    await plane.drain(grace);
  };
  return {
    addresses: plane.addresses,
    get counters() {
      return sumCounters(memory, 1);
    },
    drain,
    stop: () => drain(0),
  };
}

/** Its sockets are bound as those of workers are, so that addresses behave the same with any number of threads. */
async function startPlane(
  spec: RunSpec,
  memory: SharedArrayBuffer,
  sockets: SocketKeeper,
): Promise<DataPlane> {
  const asked = new Map<string, number>();
  try {
    return await DataPlane.start(spec, 0, memory, (address) => {
      const nth = asked.get(address) ?? 0;
      asked.set(address, nth + 1);
      return sockets.lend(address, 0, nth);
    });
  } catch (error) {
    await sockets.close();
    throw error;
  }
}
