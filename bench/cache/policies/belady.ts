const NEVER = 0x7fff_ffff;

/** What of a trace can be hit at all: L. Belady's rule, by which the key goes that will be asked for last. */
export function bestHits(trace: Int32Array, size: number, keys: number): number {
  const nextUse = nextUses(trace, keys);
  /** When each key in the cache is asked for again, 0: it isn't in it. */
  const due = new Int32Array(keys);
  const heap = new DueHeap();
  let held = 0;
  let hits = 0;
  for (let i = 0; i < trace.length; i++) {
    const key = trace[i]!;
    if (due[key] !== 0) hits++;
    else held++;
    due[key] = nextUse[i]!;
    heap.add(key, nextUse[i]!);
    while (held > size) {
      const { key: last, at } = heap.takeLast();
      if (due[last] !== at) continue;
      due[last] = 0;
      held--;
    }
  }
  return hits;
}

function nextUses(trace: Int32Array, keys: number): Int32Array {
  const next = new Int32Array(trace.length);
  const seen = new Int32Array(keys).fill(NEVER);
  for (let i = trace.length - 1; i >= 0; i--) {
    next[i] = seen[trace[i]!]!;
    seen[trace[i]!] = i;
  }
  return next;
}

/** The latest time first; what isn't true any more is passed over by whoever takes it. */
class DueHeap {
  readonly #keys: number[] = [];
  readonly #times: number[] = [];

  add(key: number, at: number): void {
    let place = this.#keys.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#times[parent]! >= at) break;
      this.#put(place, this.#keys[parent]!, this.#times[parent]!);
      place = parent;
    }
    this.#put(place, key, at);
  }

  takeLast(): { key: number; at: number } {
    const first = { key: this.#keys[0]!, at: this.#times[0]! };
    const key = this.#keys.pop()!;
    const at = this.#times.pop()!;
    if (this.#keys.length > 0) this.#sink(key, at);
    return first;
  }

  #sink(key: number, at: number): void {
    const times = this.#times;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child + 1 < times.length && times[child + 1]! > times[child]!) child++;
      if (child >= times.length || times[child]! <= at) break;
      this.#put(place, this.#keys[child]!, times[child]!);
      place = child;
    }
    this.#put(place, key, at);
  }

  #put(place: number, key: number, at: number): void {
    this.#keys[place] = key;
    this.#times[place] = at;
  }
}
