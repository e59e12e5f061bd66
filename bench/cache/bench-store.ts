import { KeyHash } from "../../src/cache/key-hash.ts";
import type { CacheKey, WriterOwner } from "../../src/cache/store.ts";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../src/cache/stores/memory/store-memory.ts";
import type { Policy } from "./policies/policy.ts";

const hash = new KeyHash([1, 2, 3, 4]);
const owner: WriterOwner = {
  onDrain() {},
  onFailure(error) {
    throw error;
  },
};

/** What a response has besides its body. */
export const META: Buffer = Buffer.alloc(300, "m");

export function benchKey(number: number): CacheKey {
  const text = `GET https://www.example.com/some/path/${number}`;
  return { text, hash: hash.of(text) };
}

export function openStore(mostBytes: number): MemoryStore {
  return new MemoryStore(allocateMemoryStore({ mostBytes, mostEntryBytes: mostBytes, rows: 1 }), 0);
}

export function put(store: MemoryStore, key: CacheKey, body: Buffer): void {
  const writer = store.begin(key, META, body.length, owner);
  if (writer === null) return;
  writer.write(body, 0, body.length);
  writer.finish();
}

/** Fewer than this, and a store for them has to have larger bodies. */
const FEW = 600;
const SMALL_BODY = 700;
const BODY = 3500;
const OVERHEAD = 1.4;

/** The store itself as a policy: entries of one size, as many as fit into a store for about so many. */
export class StorePolicy implements Policy {
  readonly size: number;
  readonly #store: MemoryStore;
  readonly #body: Buffer;

  constructor(size: number) {
    this.#body = Buffer.alloc(size < FEW ? BODY : SMALL_BODY);
    const mostBytes = Math.max(262_144, Math.round(size * (this.#body.length + META.length) * OVERHEAD));
    const probe = openStore(mostBytes);
    for (let i = 0; probe.stats.evictions === 0; i++) put(probe, benchKey(i), this.#body);
    this.size = probe.stats.entries;
    this.#store = openStore(mostBytes);
  }

  ask(number: number): boolean {
    const key = benchKey(number);
    const entry = this.#store.find(key);
    if (entry === null) put(this.#store, key, this.#body);
    else entry.release();
    return entry !== null;
  }
}
