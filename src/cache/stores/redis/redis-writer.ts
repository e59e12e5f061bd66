import type { CacheEntry, EntryWriter, WriterOwner } from "../../store.ts";

/** Room for a body of unknown length, at first. */
const FIRST_ROOM = 16 * 1024;

/** @internal What becomes of what was written. */
export interface ValueKeeper {
  /** Asks for more memory, or gives some back. @returns whether there is as much */
  reserve(bytes: number): boolean;
  /** Sends all of it. */
  put(target: ValueTarget, value: Buffer): void;
  onFailure(): void;
}

/** Where a value goes. */
export interface ValueTarget {
  /** Of its key in Redis. */
  readonly name: string;
  /** A copy. */
  readonly meta: Buffer;
  /** Whether nobody has taken it out before it was there. */
  readonly isValid: () => boolean;
}

export interface BodyRoom {
  readonly largest: number;
  readonly length: number | null;
}

/** Gathers an entry, which goes to Redis as a whole. */
export class RedisWriter implements EntryWriter {
  readonly #keeper: ValueKeeper;
  readonly #target: ValueTarget;
  readonly #owner: WriterOwner;
  /** Bytes of the whole value: at most, and when it was announced. */
  readonly #most: number;
  readonly #announced: number;
  #value: Buffer;
  #at: number;
  #isOver = false;

  /**
   * @param head what stands before the body
   * @param room bytes of the largest body, and of this one; null: unknown. The memory for that is reserved
   */
  constructor(keeper: ValueKeeper, target: ValueTarget, head: Buffer, room: BodyRoom, owner: WriterOwner) {
    this.#keeper = keeper;
    this.#target = target;
    this.#owner = owner;
    const { largest, length } = room;
    this.#most = head.length + largest;
    this.#announced = length === null ? -1 : head.length + length;
    this.#value = Buffer.allocUnsafe(reservedFor(head.length, length));
    this.#at = head.copy(this.#value);
  }

  open(): CacheEntry | null {
    return null;
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isOver) return true;
    const total = this.#at + end - start;
    if (this.#announced !== -1 && total > this.#announced) return this.#fail("longer than was announced");
    if (total > this.#most) return this.#fail("larger than what is kept in Redis");
    if (total > this.#value.length && !this.#grow(total)) return this.#fail("too much is being written");
    this.#at += bytes.copy(this.#value, this.#at, start, end);
    return true;
  }

  finish(): void {
    if (this.#isOver) return;
    if (this.#announced !== -1 && this.#at !== this.#announced) {
      this.#fail("shorter than was announced");
      return;
    }
    this.#isOver = true;
    const value = this.#value.subarray(0, this.#at);
    this.#letGo();
    this.#keeper.put(this.#target, value);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#keeper.onFailure();
    this.#letGo();
  }

  #grow(total: number): boolean {
    const size = Math.min(this.#most, Math.max(total, 2 * this.#value.length));
    if (!this.#keeper.reserve(size - this.#value.length)) return false;
    const value = Buffer.allocUnsafe(size);
    this.#value.copy(value, 0, 0, this.#at);
    this.#value = value;
    return true;
  }

  #letGo(): void {
    this.#keeper.reserve(-this.#value.length);
    this.#value = NO_BYTES;
  }

  #fail(why: string): true {
    this.abort();
    this.#owner.onFailure(new Error(`A response wasn't cached: ${why}`));
    return true;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** Bytes that a writer takes from the beginning. */
export function reservedFor(head: number, length: number | null): number {
  return head + (length ?? FIRST_ROOM);
}
