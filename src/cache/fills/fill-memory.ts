import { SetLock } from "../../base/shared/set-lock.ts";

/*
 * Who fetches what, in memory that threads share: a slot for each key that is being fetched.
 *
 *     | lock of set 0 | lock of set 1 | …                       (cache lines of their own)
 *     | set 0: 8 slots | set 1: 8 slots | …
 *
 *     slot   | hash of the key: 4 | state | root | tries | thread | since: a 64-bit float | … |     (a cache line)
 *     state  | ticket: 29 bits | status: 3 bits |
 *
 * A claim is known by its ticket, and it and those that took over from it by the ticket of the first, their root. The state is
 * also the doorbell: who waits is woken when it changes (`Atomics.waitAsync`), so that waiting takes nothing here.
 *
 *                        failed too often
 *                    ┌──────────────────────▶ failed ───┐
 *                    │    failed, thread dead           │
 *     vacant ──▶ claimed ◀──────────▶ open              │ claimed by the next one
 *                │  ▲ │    taken over                   │
 *                │  └─┼── too old: taken over           │
 *                │    └────────────────────▶ unstorable ┤
 *                └─────────────────────────▶ vacant ────┘
 */

const WAYS = 8;
const LINE_WORDS = 16;
const SLOT_WORDS = LINE_WORDS;
const SET_BYTES = LINE_WORDS * 4 + WAYS * SLOT_WORDS * 4;

const STATE = 4;
const ROOT = 5;
const TRIES = 6;
const THREAD = 7;
/** In 64-bit floats from the slot's beginning. */
const SINCE = 4;

const STATUS_BITS = 3;
const MOST_TICKETS = 2 ** (32 - STATUS_BITS);

/** What a slot is good for. All but the first two are free for another key. */
export const SlotStatus = { Claimed: 1, Open: 2, Vacant: 0, Unstorable: 3, Failed: 4 } as const;
export type SlotStatusCode = (typeof SlotStatus)[keyof typeof SlotStatus];

/** Memory for about so many keys at once. */
export function allocateFills(mostKeys: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, Math.ceil(mostKeys / WAYS)) * SET_BYTES);
}

/** The slots as one thread sees them. What isn't said to be otherwise is called between `enter` and `leave`. */
export class FillMemory {
  readonly thread: number;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #sets: number;
  readonly #lock: SetLock;
  /** Where slots begin, in words. */
  readonly #start: number;

  /** @param thread from 0; each has its own */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.thread = thread;
    this.#words = new Int32Array(buffer);
    this.#times = new Float64Array(buffer);
    this.#sets = buffer.byteLength / SET_BYTES;
    this.#lock = new SetLock(this.#words, thread);
    this.#start = this.#sets * LINE_WORDS;
  }

  get slots(): number {
    return this.#sets * WAYS;
  }

  /** Is alone at the set of a key from now on, to be followed by `leave` in any case. @returns the key's slot; -1: it has none */
  enter(hash: Int32Array): number {
    const set = this.#setOf(hash);
    this.#lock.enter(set * LINE_WORDS);
    for (let slot = set * WAYS; slot < (set + 1) * WAYS; slot++) if (this.#holds(slot, hash)) return slot;
    return -1;
  }

  /** Is alone at the set of a slot. */
  enterSlot(slot: number): void {
    this.#lock.enter(Math.floor(slot / WAYS) * LINE_WORDS);
  }

  leave(): void {
    this.#lock.leave();
  }

  #holds(slot: number, hash: Int32Array): boolean {
    const words = this.#words;
    const at = this.#at(slot);
    return (
      words[at] === hash[0] &&
      words[at + 1] === hash[1] &&
      words[at + 2] === hash[2] &&
      words[at + 3] === hash[3]
    );
  }

  /** A slot of the key's set for it: one that is over, or else one that nobody has taken over; -1: none. */
  freeSlot(hash: Int32Array): number {
    const set = this.#setOf(hash);
    let open = -1;
    for (let slot = set * WAYS; slot < (set + 1) * WAYS; slot++) {
      const status = this.status(slot);
      if (status === SlotStatus.Open) open = slot;
      else if (status !== SlotStatus.Claimed) return slot;
    }
    return open;
  }

  /** @returns the claim's ticket, which is a root */
  begin(slot: number, hash: Int32Array, now: number): number {
    const at = this.#at(slot);
    this.#words.set(hash, at);
    this.#words[at + TRIES] = 0;
    const ticket = this.take(slot, now);
    this.#words[at + ROOT] = ticket;
    return ticket;
  }

  /** Claims what somebody else had claimed. @returns the claim's ticket */
  take(slot: number, now: number): number {
    const ticket = (this.ticket(slot) + 1) % MOST_TICKETS;
    this.#words[this.#at(slot) + THREAD] = this.thread;
    this.#times[this.#at(slot) / 2 + SINCE] = now;
    this.#set(slot, ticket, SlotStatus.Claimed);
    return ticket;
  }

  /** Changes what is known of a slot's key; to be told by `ring` after `leave`. */
  change(slot: number, status: SlotStatusCode): void {
    this.#set(slot, this.ticket(slot), status);
  }

  /** The fetch came to nothing. @returns how often that has been so since the root */
  countTry(slot: number): number {
    return ++this.#words[this.#at(slot) + TRIES]!;
  }

  /** Wakes who waits for a slot, in all threads. At any time. */
  ring(slot: number): void {
    Atomics.notify(this.#words, this.#at(slot) + STATE);
  }

  /**
   * Kept when the slot is no longer in the state that was `seen`; null: it isn't now. At any time. It doesn't keep a thread alive, and is
   * never withdrawn: one of these at a time is enough for all who wait in a thread.
   */
  whenChanged(slot: number, seen: number): Promise<unknown> | null {
    const { async, value } = Atomics.waitAsync(this.#words, this.#at(slot) + STATE, seen);
    return async ? value : null;
  }

  state(slot: number): number {
    return Atomics.load(this.#words, this.#at(slot) + STATE);
  }

  status(slot: number): SlotStatusCode {
    return (this.state(slot) & (2 ** STATUS_BITS - 1)) as SlotStatusCode;
  }

  ticket(slot: number): number {
    return this.state(slot) >>> STATUS_BITS;
  }

  root(slot: number): number {
    return this.#words[this.#at(slot) + ROOT]!;
  }

  /** When it was claimed last. */
  since(slot: number): number {
    return this.#times[this.#at(slot) / 2 + SINCE]!;
  }

  /** Who claimed it last. */
  claimant(slot: number): number {
    return this.#words[this.#at(slot) + THREAD]!;
  }

  #set(slot: number, ticket: number, status: SlotStatusCode): void {
    Atomics.store(this.#words, this.#at(slot) + STATE, (ticket << STATUS_BITS) | status);
  }

  #at(slot: number): number {
    return this.#start + slot * SLOT_WORDS;
  }

  #setOf(hash: Int32Array): number {
    return Math.floor(((hash[0]! >>> 0) * this.#sets) / 2 ** 32);
  }
}
