/*
 * What one choice costs, in nanoseconds, for each policy and size of group: `npm run bench:balancers`. Loads and turns are those
 * of a real group's memory, and what the garbage collector found meanwhile is told, for a choice should leave it nothing.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { seededRandom } from "../../src/base/random.ts";
import type {
  BalancingPolicy,
  PolicyMeans,
  ServerLoads,
} from "../../src/upstream/balancers/balancing-policy.ts";
import { createPolicy } from "../../src/upstream/balancers/create-policy.ts";
import { GroupMemory, GroupWord, ServerNumber, ServerWord } from "../../src/upstream/group-memory.ts";
import { BALANCING_POLICIES } from "../../src/upstream/group-settings.ts";
import type { Server } from "../../src/upstream/server.ts";
import { fullShares, serversOf } from "../../test/kit/balancing.ts";

const PICKS = 2_000_000;
const RUNS = 5;

const keys: readonly string[] = Array.from({ length: 1024 }, (_, i) => `192.0.${i >> 8}.${i & 0xff}`);

class MemoryLoads implements ServerLoads {
  readonly #memory: GroupMemory;

  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  requests({ slot }: Server): number {
    return this.#memory.of(slot, ServerWord.Requests);
  }

  latency({ slot }: Server): number {
    return this.#memory.number(slot, ServerNumber.Latency);
  }
}

function meansOf(memory: GroupMemory): PolicyMeans {
  return {
    loads: new MemoryLoads(memory),
    random: seededRandom("bench"),
    turn: () => memory.add(GroupWord.Turn, 1) & 0x7fff_ffff,
  };
}

function nanosecondsPerPick(policy: BalancingPolicy, isKeyed: boolean): number {
  const begin = process.hrtime.bigint();
  for (let i = 0; i < PICKS; i++) policy.pick(isKeyed ? keys[i & 1023]! : null, null);
  return Number(process.hrtime.bigint() - begin) / PICKS;
}

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ["gc"] });

for (const size of [3, 100]) {
  for (const name of BALANCING_POLICIES) {
    const servers = serversOf(...new Array<number>(size).fill(1));
    const memory = GroupMemory.local(size);
    for (const { slot } of servers) {
      memory.set(slot, ServerWord.Requests, 1 + (slot % 7));
      memory.setNumber(slot, ServerNumber.Latency, 1 + (slot % 5));
    }
    const policy = createPolicy(name, meansOf(memory));
    policy.update(servers, fullShares(servers));
    const isKeyed = name === "ketama" || name === "maglev";
    nanosecondsPerPick(policy, isKeyed);
    await new Promise((resolve) => setTimeout(resolve, 10));
    collections = 0;
    const runs = Array.from({ length: RUNS }, () => nanosecondsPerPick(policy, isKeyed)).sort(
      (a, b) => a - b,
    );
    await new Promise((resolve) => setTimeout(resolve, 10));
    const median = runs[RUNS >> 1]!.toFixed(1);
    console.log(
      `${name.padEnd(18)} ${String(size).padStart(4)} servers  ${median.padStart(7)} ns  ${collections} collections`,
    );
  }
}
