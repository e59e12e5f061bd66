import type { CacheKey } from "../../src/cache/store.ts";
import type { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import type { Cells } from "../report/table.ts";
import { benchKey, META, openStore, put } from "./bench-store.ts";

const STORE_BYTES = 256 << 20;
const OPERATIONS = 300_000;
const ROUNDS = 5;
/** Coprime with the numbers of keys: one after another are far apart. */
const STRIDE = 7919;

/** Nanoseconds of processor time for each call: the middle of several rounds, the first of which only warms up. */
function cost(call: (i: number) => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < OPERATIONS; i++) call(i);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / OPERATIONS;
  });
  return rounds.slice(1).sort((a, b) => a - b)[(ROUNDS - 1) >> 1]!;
}

function keysOf(count: number, from = 0): CacheKey[] {
  return Array.from({ length: count }, (_, i) => {
    const { text, hash } = benchKey(from + i);
    return { text, hash: Int32Array.from(hash) };
  });
}

/** Finds an entry, looks at its meta, reads its body and lets it go. */
function hit(store: MemoryStore, key: CacheKey): void {
  const entry = store.find(key)!;
  if (entry.meta.length === 0 || entry.read(0, 13) === null) throw new Error("it isn't there");
  entry.release();
}

function row(name: string, call: (i: number) => void): string[] {
  const nanoseconds = cost(call);
  return [name, nanoseconds.toFixed(0), Math.round(1e9 / nanoseconds).toLocaleString("en")];
}

/** What operations cost one thread that has no others beside it. */
export function storeCosts(): Cells {
  const store = openStore(STORE_BYTES);
  const small = Buffer.alloc(13);
  const keys = keysOf(100_000);
  for (const key of keys) put(store, key, small);
  const few = keys.slice(0, 100);
  const strangers = keysOf(1000, keys.length);
  return [
    ["operation", "ns", "a second"],
    row("hit, 100 keys", (i) => hit(store, few[i % few.length]!)),
    row("hit, 100,000 keys", (i) => hit(store, keys[(i * STRIDE) % keys.length]!)),
    row("miss", (i) => store.find(strangers[i % strangers.length]!)),
    row("store 13 bytes in place of others", (i) => put(store, keys[(i * STRIDE) % keys.length]!, small)),
  ];
}

/** Bytes that a store of that many takes more than meta and bodies have, for each entry, its share of the tables included. */
export function storeOverhead(): Cells {
  const rows = [13, 1000, 4096, 65_536, 1_048_576].map((length) => {
    const store = openStore(STORE_BYTES);
    const tables = store.stats.bytes;
    const count = Math.min(100_000, Math.floor(STORE_BYTES / 2 / (length + META.length)));
    for (let i = 0; i < count; i++) put(store, benchKey(i), Buffer.alloc(length));
    const { bytes, mostBytes, entries } = store.stats;
    const share = (tables * (bytes - tables)) / (mostBytes - tables);
    const overhead = (bytes - tables + share) / entries - length - META.length;
    return [`${length.toLocaleString("en")} bytes`, overhead.toFixed(0)];
  });
  return [["body", "overhead, bytes"], ...rows];
}
