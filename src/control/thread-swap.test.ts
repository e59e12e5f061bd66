import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import type { CacheMemory } from "../cache/cache-memory.ts";
import { NOTHING_STANDING, type Order } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { OrderError } from "./planes.ts";
import { prepareSwap, type Swappable, sameMemory } from "./thread-swap.ts";

const SPEC: RunSpec = {
  ...{ snapshot: null, program: null, binds: [], accessLog: null, instance: "test", seed: "seed" },
  errorLog: { level: "silent", path: null },
};

const SHARED = allocateSharedMemory(SPEC, 3);
const SILENT = pino({ level: "silent" });

type Answer = (order: Order) => Promise<unknown>;

/** Threads that write down what they are ordered. */
class Threads implements Swappable {
  readonly threads = 3;
  run = { spec: SPEC, shared: SHARED };
  readonly orders: string[] = [];
  readonly workers: Swappable["workers"];
  isHeld = false;

  constructor(answers: readonly Answer[]) {
    this.workers = answers.map((answer, thread) => ({
      thread,
      order: (order) => {
        this.orders.push(`${thread} ${order.do}`);
        return answer(order);
      },
    }));
  }

  setRun(run: { spec: RunSpec; shared: typeof SHARED }): void {
    this.run = run;
  }

  hold(): () => void {
    this.isHeld = true;
    return () => {
      this.isHeld = false;
    };
  }
}

const ready: Answer = async (order) => {
  if (order.do === "prepare") return { addresses: ["127.0.0.1:80"], proxies: [["db", "127.0.0.1:5432"]] };
  return order.do === "commit" ? [["web", "127.0.0.1:80"]] : null;
};

function failing(error: Error): Answer {
  return (order) => (order.do === "prepare" ? Promise.reject(error) : ready(order));
}

const NEXT = {
  spec: { ...SPEC, instance: "other" },
  shared: SHARED,
  threads: 3,
  standing: NOTHING_STANDING,
  grace: 0,
};

describe("a swap of threads", () => {
  test("is committed in all of them, once all are ready", async () => {
    const threads = new Threads([ready, ready, ready]);
    const swap = await prepareSwap(threads, NEXT, SILENT);
    assert.deepEqual(swap.addresses, ["127.0.0.1:80"]);
    assert.deepEqual([...swap.proxies], [["db", "127.0.0.1:5432"]]);
    assert.deepEqual(threads.orders, ["0 prepare", "1 prepare", "2 prepare"]);
    assert.deepEqual([threads.run.spec.instance, threads.isHeld], ["test", true]);
    assert.deepEqual(await swap.commit(), [["web", "127.0.0.1:80"]]);
    assert.deepEqual(threads.orders.slice(3), ["0 commit", "1 commit", "2 commit"]);
    assert.deepEqual([threads.run.spec.instance, threads.isHeld], ["other", false]);
  });

  test("is forgotten by all of them when one can't be ready, which says why", async () => {
    const wrong = new OrderError("Can't listen on 127.0.0.1:80", "EADDRINUSE");
    for (const place of [0, 1, 2]) {
      const answers = [ready, ready, ready].with(place, failing(wrong));
      const threads = new Threads(answers);
      await assert.rejects(prepareSwap(threads, NEXT, SILENT), wrong);
      assert.deepEqual(threads.orders.slice(-3), ["0 abandon", "1 abandon", "2 abandon"]);
      assert.deepEqual([threads.run.spec.instance, threads.isHeld], ["test", false]);
    }
  });

  test("doesn't wait for ever for a thread that is busy", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const busy: Answer = (order) => (order.do === "prepare" ? new Promise(() => undefined) : ready(order));
    const threads = new Threads([busy, ready, ready]);
    const swap = prepareSwap(threads, NEXT, SILENT);
    context.mock.timers.tick(30_000);
    await assert.rejects(swap, /Thread 0 doesn't answer/);
    assert.deepEqual(threads.orders, ["0 prepare", "0 abandon", "1 abandon", "2 abandon"]);
  });

  test("isn't begun while a thread is being replaced", async () => {
    const threads = new Threads([ready, ready]);
    await assert.rejects(prepareSwap(threads, NEXT, SILENT), { code: "ERR_THREAD_GONE" });
    assert.equal(threads.isHeld, false);
  });

  test("is begun by whoever replaces a thread that crashes when all were ready", async () => {
    const gone: Answer = (order) => (order.do === "commit" ? Promise.resolve(undefined) : ready(order));
    const threads = new Threads([gone, ready, ready]);
    const swap = await prepareSwap(threads, NEXT, SILENT);
    assert.deepEqual(await swap.commit(), [["web", "127.0.0.1:80"]]);
    assert.equal(threads.run.spec.instance, "other");
  });

  test("has no word of what is listened on when all threads crash", async () => {
    const gone: Answer = (order) => (order.do === "commit" ? Promise.resolve(undefined) : ready(order));
    const threads = new Threads([gone, gone, gone]);
    const swap = await prepareSwap(threads, NEXT, SILENT);
    assert.equal(await swap.commit(), null);
    assert.equal(threads.isHeld, false);
  });

  test("has ports that the kernel chose be the same in all threads", async () => {
    const heard: unknown[] = [];
    const listening: Answer = (order) => {
      if (order.do === "prepare") heard.push(order.standing.proxies.map(({ listen }) => listen));
      return ready(order);
    };
    const threads = new Threads([listening, listening, listening]);
    const proxies = [{ name: "db", listen: "127.0.0.1:0" }] as never;
    await prepareSwap(threads, { ...NEXT, standing: { ...NOTHING_STANDING, proxies } }, SILENT);
    assert.deepEqual(heard, [["127.0.0.1:0"], ["127.0.0.1:5432"], ["127.0.0.1:5432"]]);
  });
});

describe("memory of two configurations", () => {
  test("is the same where it is the same buffer", () => {
    const [kept, other] = [new SharedArrayBuffer(8), new SharedArrayBuffer(8)];
    const [cache, another] = [{ store: kept }, { store: kept }] as unknown as CacheMemory[];
    const before = {
      ...{ ...SHARED, groups: new Map([["a", kept]]), limits: { slow: kept, gone: kept } },
      caches: { pages: cache!, images: cache! },
    };
    const after = {
      ...SHARED,
      groups: new Map([
        ["a", kept],
        ["b", other],
      ]),
      limits: { slow: other, fresh: kept },
      caches: { pages: cache!, images: another! },
    };
    assert.deepEqual(sameMemory(before, after), { groups: ["a"], limits: [], caches: ["pages"] });
  });
});
