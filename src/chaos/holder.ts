/** Bytes that one holder may keep by default: enough to smooth, little enough that a sender feels the fault. */
const CAPACITY = 64 * 1024;
/** Bytes that all holders of a thread may keep together before each is allowed no more than the default. */
const BUDGET = 256 * 1024 * 1024;

/** Bytes held in this thread. */
let heldByAll = 0;

/** Counts what somebody holds back and tells when that becomes too much, and when there is room again. */
export class Holder {
  capacity: number = CAPACITY;
  held = 0;
  readonly #onFull: () => void;
  readonly #onRoom: () => void;
  #isFull = false;

  constructor(onFull: () => void, onRoom: () => void) {
    this.#onFull = onFull;
    this.#onRoom = onRoom;
  }

  hold(bytes: number): void {
    this.held += bytes;
    heldByAll += bytes;
    if (this.#isFull || this.held < this.#allowed) return;
    this.#isFull = true;
    this.#onFull();
  }

  release(bytes: number): void {
    this.held -= bytes;
    heldByAll -= bytes;
    if (!this.#isFull || this.held > this.#allowed / 2) return;
    this.#isFull = false;
    this.#onRoom();
  }

  empty(): void {
    this.release(this.held);
  }

  get #allowed(): number {
    return heldByAll > BUDGET ? Math.min(this.capacity, CAPACITY) : this.capacity;
  }
}
