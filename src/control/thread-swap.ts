import type { Logger } from "pino";
import type { Holding } from "../worker/messages.ts";
import type { NextForThread, Order, ProxyAddress, ReadyToSwap, SameMemory } from "../worker/orders.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";
import type { GenerationRun } from "./generation.ts";
import { type OrderTaker, patiently } from "./patiently.ts";
import { answerGone, type NextRun, type Prepared } from "./planes.ts";

/** Threads that run the same. */
export interface Swappable {
  /** Those that run now, the first of them first. */
  readonly workers: readonly OrderTaker[];
  /** How many there should be. */
  readonly threads: number;
  readonly run: GenerationRun;
  setRun(run: GenerationRun): void;
  /** No other begins with what these run until the function that is returned is called. */
  hold(): () => void;
}

/** A swap that all threads are ready for. */
export interface ThreadSwap extends Omit<Prepared, "commit"> {
  /** @returns what is listened on from then on; null: no thread is there to tell */
  commit(): Promise<readonly Holding[] | null>;
}

/**
 * Has all threads get ready to run something else. The first one finds out where new proxies can listen; the
 * others follow. Rejects with what is wrong in any of them: then all forget it.
 */
export async function prepareSwap(place: Swappable, next: NextRun, log: Logger): Promise<ThreadSwap> {
  const { workers, threads, run } = place;
  const release = place.hold();
  const abandon = async (): Promise<void> => {
    await tellAll(workers, { do: "abandon" });
    release();
  };
  try {
    const order = toOrder(next, run.shared);
    if (workers.length < threads) await answerGone(order);
    const [first, ...others] = workers;
    const ready = (await patiently(first!, order)) as ReadyToSwap;
    const following = { ...order, ...withAddresses(order, ready.proxies) };
    await allOf(others.map((worker) => patiently(worker, following)));
    return {
      kind: "swap",
      addresses: ready.addresses,
      proxies: new Map(ready.proxies),
      commit: async () => {
        place.setRun({ spec: next.spec, shared: next.shared });
        const answers = await Promise.all(workers.map((worker) => commitOne(worker, log)));
        release();
        return answers.find((answer) => answer !== undefined) ?? null;
      },
      abandon,
    };
  } catch (error) {
    await abandon();
    throw error;
  }
}

/** A thread that is gone by then begins with it when it is replaced. */
async function commitOne(worker: OrderTaker, log: Logger): Promise<readonly Holding[] | undefined> {
  try {
    return (await patiently(worker, { do: "commit" })) as readonly Holding[] | undefined;
  } catch (error) {
    const { thread } = worker;
    log.error(
      { thread, cause: (error as Error).message },
      "A thread hasn't done all of what it should by now",
    );
    return undefined;
  }
}

function toOrder(
  { spec, shared, standing, grace }: NextRun,
  before: SharedMemory,
): { readonly do: "prepare" } & NextForThread {
  return { do: "prepare", spec, shared, standing, grace, same: sameMemory(before, shared) };
}

/** In threads each message makes objects anew, so that only here can be seen which memory is the same. */
export function sameMemory(before: SharedMemory, after: SharedMemory): SameMemory {
  const groups = [...after.groups].filter(([name, buffer]) => before.groups.get(name) === buffer);
  const limits = Object.entries(after.limits).filter(([name, buffer]) => before.limits[name] === buffer);
  const caches = Object.entries(after.caches).filter(([name, memory]) => before.caches[name] === memory);
  const [ofGroups, ofLimits, ofCaches] = [groups, limits, caches].map((all) => all.map(([name]) => name));
  return { groups: ofGroups!, limits: ofLimits!, caches: ofCaches! };
}

/** Ports that the kernel chose are the same in all threads. */
function withAddresses(
  { standing }: Pick<NextForThread, "standing">,
  addresses: readonly ProxyAddress[],
): Pick<NextForThread, "standing"> {
  const bound = new Map(addresses);
  const proxies = standing.proxies.map((proxy) => ({
    ...proxy,
    listen: bound.get(proxy.name) ?? proxy.listen,
  }));
  return { standing: { ...standing, proxies } };
}

/** Waits for all, also when one fails: whoever is still at it couldn't be told to forget it. */
async function allOf(answers: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(answers);
  const failed = settled.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Whoever can't be told is gone, or hears of it when he can again. */
async function tellAll(workers: readonly OrderTaker[], order: Order): Promise<void> {
  await Promise.all(workers.map((worker) => patiently(worker, order).catch(() => undefined)));
}
