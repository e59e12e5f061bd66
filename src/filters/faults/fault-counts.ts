import { isDeepStrictEqual } from "node:util";
import type { HttpFaultSettings, ProxySettings } from "../settings.ts";

/*
 * How many requests each fault has seen, in memory that threads may share: `first: 3` means three in all, and not three
 * in each thread. Every word has 64 bits.
 *
 *     without a key:  | count |
 *     with a key:     | set 0: 8 × (mark of the value, its count) | set 1 | … | 8 × last use | … | uses | lock |
 *
 * A value of the key may stand in one set only, so that finding it and making room for it cost the same however many
 * there are: the one of the set that was used least recently goes.
 */

const WORD = BigUint64Array.BYTES_PER_ELEMENT;
const WAYS = 8;
const SETS = 512;
const SLOTS = SETS * WAYS;
/** Slots, their last uses, the number of uses, and the lock. */
const TABLE_WORDS = 2 * SLOTS + 2;
const LOCK = 2 * SLOTS + 1;
/** A thread that died while it held the lock doesn't hold up the others for ever. */
const MOST_SPINS = 100_000;
/** Bits of a slot that hold the count: no key comes to as many requests. The others hold the mark. */
const COUNT_BITS = 36n;
const MARK_MASK = (1 << 28) - 1;

/** Values of a key that are told apart at the most. */
export const MOST_VALUES: number = SLOTS;

/** What faults are counted in, by the names of their listeners and their own. Can be posted to threads. */
export type FaultMemories = ReadonlyMap<string, ReadonlyMap<string, SharedArrayBuffer>>;

/** Memory for the counts of all faults of a configuration, for all threads that run it. */
export function allocateFaultCounts({ listeners }: ProxySettings): FaultMemories {
  return new Map(
    listeners.map((listener) => {
      const memories = faultsOf(listener).map((fault) => [fault.name, allocate(fault)] as const);
      return [listener.name, new Map(memories)];
    }),
  );
}

/**
 * The same for the configuration that comes after another one: faults of the same name on the same listener go on counting,
 * unless it is other requests than before that they count, or counts apart.
 */
export function nextFaultCounts(
  before: ProxySettings,
  memories: FaultMemories,
  after: ProxySettings,
): FaultMemories {
  const known = new Map(before.listeners.map((listener) => [listener.name, faultsOf(listener)]));
  const next = after.listeners.map((listener) => {
    const counts = faultsOf(listener).map((fault) => {
      const namesake = known.get(listener.name)?.find(({ name }) => name === fault.name);
      const memory =
        namesake !== undefined && countsSame(namesake, fault)
          ? memories.get(listener.name)?.get(fault.name)
          : undefined;
      return [fault.name, memory ?? allocate(fault)] as const;
    });
    return [listener.name, new Map(counts)] as const;
  });
  return new Map(next);
}

function countsSame(one: HttpFaultSettings, other: HttpFaultSettings): boolean {
  return one.key === other.key && isDeepStrictEqual(one.match, other.match);
}

function allocate(fault: HttpFaultSettings): SharedArrayBuffer {
  return new SharedArrayBuffer(wordsOf(fault) * WORD);
}

/** The counts of one listener's faults, in their order. */
export function faultCounts(
  { listeners }: ProxySettings,
  listenerName: string,
  memories: FaultMemories,
): FaultCount[] {
  const faults = listeners.filter(({ name }) => name === listenerName).flatMap(faultsOf);
  return faults.map(({ name, key }) => {
    const memory = memories.get(listenerName)?.get(name);
    if (memory === undefined) throw new RangeError(`The fault ${name} of ${listenerName} has no memory`);
    return new FaultCount(new BigUint64Array(memory), key !== null);
  });
}

function faultsOf({ routes }: ProxySettings["listeners"][number]): readonly HttpFaultSettings[] {
  return routes.flatMap(({ faults }) => faults);
}

function wordsOf({ key }: HttpFaultSettings): number {
  return key === null ? 1 : TABLE_WORDS;
}

/** Counts the requests that one fault sees. */
export class FaultCount {
  readonly #words: BigUint64Array;
  readonly #isKeyed: boolean;

  constructor(words: BigUint64Array, isKeyed: boolean) {
    this.#words = words;
    this.#isKeyed = isKeyed;
  }

  /** Which request of this value of the key this is, 1 for the first. */
  next(value: string): number {
    return this.#isKeyed ? this.#countValue(value) : Number(Atomics.add(this.#words, 0, 1n)) + 1;
  }

  /** Begins to count anew. */
  reset(): void {
    for (let i = 0; i < this.#words.length; i++) Atomics.store(this.#words, i, 0n);
  }

  #countValue(value: string): number {
    const words = this.#words;
    const start = (hash(value, 0x9e3779b9) % SETS) * WAYS;
    // A slot that is 0 is free, so no mark is.
    const mark = BigInt(hash(value, 0x243f6a88) & MARK_MASK || 1) << COUNT_BITS;
    for (;;) {
      const at = this.#find(start, mark) ?? this.#insert(start, mark);
      const before = Atomics.load(words, at);
      // Another thread that came in between is looked at again.
      if (before >> COUNT_BITS !== mark >> COUNT_BITS) continue;
      if (Atomics.compareExchange(words, at, before, before + 1n) !== before) continue;
      this.#use(at);
      return Number(before + 1n - mark);
    }
  }

  /** A slot for a mark that has none. One thread at a time: two could make a slot each, and count apart. */
  #insert(start: number, mark: bigint): number {
    this.#lock();
    const known = this.#find(start, mark);
    const at = known ?? this.#oldest(start);
    if (known === null) Atomics.store(this.#words, at, mark);
    this.#use(at);
    Atomics.store(this.#words, LOCK, 0n);
    return at;
  }

  #lock(): void {
    for (let spins = 0; spins < MOST_SPINS; spins++) {
      if (Atomics.compareExchange(this.#words, LOCK, 0n, 1n) === 0n) return;
    }
  }

  #use(at: number): void {
    Atomics.store(this.#words, SLOTS + at, Atomics.add(this.#words, 2 * SLOTS, 1n) + 1n);
  }

  #find(start: number, mark: bigint): number | null {
    for (let at = start; at < start + WAYS; at++) {
      if (Atomics.load(this.#words, at) >> COUNT_BITS === mark >> COUNT_BITS) return at;
    }
    return null;
  }

  /** A free slot was last used never. */
  #oldest(start: number): number {
    let oldest = start;
    for (let at = start + 1; at < start + WAYS; at++) {
      if (this.#lastUse(at) < this.#lastUse(oldest)) oldest = at;
    }
    return oldest;
  }

  #lastUse(at: number): bigint {
    return Atomics.load(this.#words, SLOTS + at);
  }
}

/** FNV-1a from a basis of its own, its bits mixed once more: low ones are used alone. */
function hash(text: string, basis: number): number {
  let value = basis;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
