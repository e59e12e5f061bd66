import { seededRandom } from "../../src/base/random.ts";

/** Which keys are asked for, one after another. */
export interface Trace {
  readonly name: string;
  readonly asks: Int32Array;
  /** Keys are numbers below this. */
  readonly keys: number;
  /** How many keys there are in it. */
  readonly footprint: number;
}

const SCAN_EVERY = 8;
const CHANGES = 10;

/** @param asks how many each trace has  @param keys of the part that has a popularity */
export function makeTraces(asks: number, keys: number, seed: string): Trace[] {
  return [
    traceOf("Zipf 0.8", zipf(asks, keys, 0.8, `${seed} a`)),
    traceOf("Zipf 1.0", zipf(asks, keys, 1, `${seed} b`)),
    traceOf("Zipf 1.0 with scans", withScans(zipf(asks, keys, 1, `${seed} c`), keys)),
    traceOf("changing popularity", changing(asks, keys, `${seed} d`)),
  ];
}

function traceOf(name: string, asks: Int32Array): Trace {
  const keys = asks.reduce((most, key) => Math.max(most, key), 0) + 1;
  return { name, asks, keys, footprint: new Set(asks).size };
}

/** Keys whose share falls with the power `skew` of their rank, in an order that has nothing to do with it. */
function zipf(asks: number, keys: number, skew: number, seed: string): Int32Array {
  const random = seededRandom(seed);
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) {
    sum += (rank + 1) ** -skew;
    sums[rank] = sum;
  }
  const trace = new Int32Array(asks);
  for (let i = 0; i < asks; i++) trace[i] = rankAt(sums, random.next() * sum);
  return trace;
}

/** The first rank whose sum is above. */
function rankAt(sums: Float64Array, at: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A half of every eighth part is somebody who goes through keys that nobody else asks for. */
function withScans(trace: Int32Array, keys: number): Int32Array {
  const part = Math.floor(trace.length / SCAN_EVERY);
  let scanned = keys;
  return trace.map((key, i) => (i % part < part / 2 && i % 2 === 0 ? scanned++ : key));
}

/** Every so often a fifth of the ranks belongs to other keys. */
function changing(asks: number, keys: number, seed: string): Int32Array {
  const random = seededRandom(`${seed} changes`);
  const trace = zipf(asks, keys, 1, seed);
  const owners = Int32Array.from({ length: keys }, (_, rank) => rank);
  const period = Math.floor(asks / CHANGES);
  for (let i = 0; i < asks; i++) {
    if (i % period === 0 && i > 0) exchange(owners, () => random.next());
    trace[i] = owners[trace[i]!]!;
  }
  return trace;
}

/** Popular keys change with any others. */
function exchange(owners: Int32Array, random: () => number): void {
  for (let rank = 0; rank < owners.length; rank++) {
    if (random() > 0.2) continue;
    const other = Math.floor(random() * owners.length);
    const owner = owners[rank]!;
    owners[rank] = owners[other]!;
    owners[other] = owner;
  }
}
