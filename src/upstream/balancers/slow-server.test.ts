import assert from "node:assert/strict";
import { test } from "node:test";
import { fullShares, meansOf, serversOf } from "../../../test/kit/balancing.ts";
import { Alarm, ManualAlarmClock } from "../../base/alarms.ts";
import { type Random, seededRandom } from "../../base/random.ts";
import { GroupMemory } from "../group-memory.ts";
import type { BalancingPolicyName } from "../group-settings.ts";
import { LatencyMeter } from "../latency-meter.ts";
import type { Server } from "../server.ts";
import type { ServerLoads } from "./balancing-policy.ts";
import { createPolicy } from "./create-policy.ts";

/*
 * A group on simulated time: 150 requests a second, at moments that don't depend on how the group is doing, for three servers with
 * eight workers each. A request takes 5 ms of a worker in two of them and 100 ms in the third, on average, exponentially
 * distributed. Each policy gets the same requests.
 */
const REQUESTS = 30_000;
const BETWEEN_REQUESTS = 1000 / 150;
const WORKERS = 8;
const SERVICE_TIMES = [5, 5, 100];

/** A server with a queue and as many workers. */
class SimulatedServer {
  readonly #clock: ManualAlarmClock;
  readonly #random: Random;
  readonly #serviceTime: number;
  readonly #waiting: (() => void)[] = [];
  underWay = 0;

  constructor(clock: ManualAlarmClock, random: Random, serviceTime: number) {
    this.#clock = clock;
    this.#random = random;
    this.#serviceTime = serviceTime;
  }

  request(onEnd: (milliseconds: number) => void): void {
    const begin = this.#clock.now();
    const work = (): void => {
      const alarm = new Alarm(this.#clock, () => {
        this.underWay--;
        this.#waiting.shift()?.();
        onEnd(this.#clock.now() - begin);
      });
      alarm.set(this.#clock.now() + exponential(this.#random, this.#serviceTime));
    };
    if (++this.underWay <= WORKERS) work();
    else this.#waiting.push(work);
  }
}

function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/** How long each request took, in milliseconds, the shortest first. */
function simulate(name: BalancingPolicyName, seed: string): Float64Array {
  const clock = new ManualAlarmClock();
  const arrivals = seededRandom(`${seed} arrivals`);
  const servers = serversOf(1, 1, 1);
  const simulated = SERVICE_TIMES.map(
    (time, place) => new SimulatedServer(clock, seededRandom(`${seed} server ${place}`), time),
  );
  const meter = new LatencyMeter(GroupMemory.local(SERVICE_TIMES.length), () => clock.now());
  const loads: ServerLoads = {
    requests: (server: Server) => simulated[server.index]!.underWay,
    latency: (server: Server) => meter.of(server.index),
  };
  const policy = createPolicy(name, meansOf(loads, seededRandom(`${seed} policy`)));
  policy.update(servers, fullShares(servers));
  const times: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    clock.advance(exponential(arrivals, BETWEEN_REQUESTS));
    const { index } = policy.pick(null, null)!;
    simulated[index]!.request((milliseconds) => {
      meter.note(index, milliseconds);
      times.push(milliseconds);
    });
  }
  clock.advance(3_600_000);
  assert.equal(times.length, REQUESTS);
  return Float64Array.from(times).sort();
}

function p99(times: Float64Array): number {
  return times[Math.floor(times.length * 0.99)]!;
}

test("one slow server of three spoils fewer requests than in round robin", (context) => {
  for (const seed of ["one", "two", "three"]) {
    const [turns, least, peak] = (["round_robin", "least_connections", "peak_ewma"] as const).map((name) =>
      p99(simulate(name, seed)),
    );
    context.diagnostic(
      `p99 with seed ${seed}: round robin ${turns!.toFixed(1)} ms, least connections ${least!.toFixed(1)} ms, peak EWMA ${peak!.toFixed(1)} ms`,
    );
    assert.ok(least! < turns! * 0.8, `${least} < ${turns}`);
    assert.ok(peak! < turns! / 4, `${peak} < ${turns}`);
  }
});

test("the simulation does the same again with the same seed", () => {
  for (const name of ["least_connections", "peak_ewma"] as const)
    assert.deepEqual(simulate(name, "again"), simulate(name, "again"));
});
