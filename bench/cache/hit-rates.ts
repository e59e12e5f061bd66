import type { Cells } from "../report/table.ts";
import { StorePolicy } from "./bench-store.ts";
import { Arc } from "./policies/arc.ts";
import { bestHits } from "./policies/belady.ts";
import { Lirs } from "./policies/lirs.ts";
import type { MakePolicy, Policy } from "./policies/policy.ts";
import { Fifo, Lru, S3Fifo, Sieve } from "./policies/queues.ts";
import { WTinyLfu } from "./policies/tiny-lfu.ts";
import { makeTraces, type Trace } from "./traces.ts";

const SHARES = [0.001, 0.01, 0.1];

const policies: Readonly<Record<string, MakePolicy>> = {
  LRU: (size, keys) => new Lru(size, keys),
  FIFO: (size, keys) => new Fifo(size, keys),
  SIEVE: (size, keys) => new Sieve(size, keys),
  "S3-FIFO": (size, keys) => new S3Fifo(size, keys),
  "W-TinyLFU": (size, keys) => new WTinyLfu(size, keys),
  ARC: (size, keys) => new Arc(size, keys),
  LIRS: (size, keys) => new Lirs(size, keys),
};

export interface HitRateSettings {
  readonly asks: number;
  readonly keys: number;
  readonly seed: string;
}

/** Hits in percent of what is asked for: sluice, how far that is from the best of the others, the others, and what is possible. */
export function hitRates({ asks, keys, seed }: HitRateSettings): Cells {
  const names = Object.keys(policies);
  const heading = ["trace", "entries", "sluice", "to the best", ...names, "Belady"];
  const traces = makeTraces(asks, keys, seed);
  return [heading, ...traces.flatMap((trace) => SHARES.map((share) => rowOf(trace, share)))];
}

function rowOf(trace: Trace, share: number): string[] {
  const store = new StorePolicy(Math.round(trace.footprint * share));
  const { size } = store;
  const ours = rateOf(trace, store);
  const others = Object.values(policies).map((make) => rateOf(trace, make(size, trace.keys)));
  const bound = (100 * bestHits(trace.asks, size, trace.keys)) / trace.asks.length;
  const difference = ours - Math.max(...others);
  const sign = difference < 0 ? "" : "+";
  const figures = [...others, bound].map((rate) => rate.toFixed(2));
  return [trace.name, `${size}`, ours.toFixed(2), sign + difference.toFixed(2), ...figures];
}

function rateOf({ asks }: Trace, policy: Policy): number {
  let hits = 0;
  for (const key of asks) if (policy.ask(key)) hits++;
  return (100 * hits) / asks.length;
}
