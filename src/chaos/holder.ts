/** Bytes that one holder may keep by default: enough to smooth, little enough that a sender feels the fault. */
export const DEFAULT_CAPACITY: number = 64 * 1024;
/** Bytes that all holders of a thread may keep together before each is allowed no more than the default. */
const BUDGET = 256 * 1024 * 1024;

/** Bytes held in this thread. */
let heldByAll = 0;

/** Counts what somebody holds back and tells when that becomes too much, and when there is room again. */
export class Holder {
  held = 0;
  #capacity: number;
  readonly #onFull: () => void;
  readonly #onRoom: () => void;
  #isFull = false;

  constructor(onFull: () => void, onRoom: () => void, capacity: number = DEFAULT_CAPACITY) {
    this.#capacity = capacity;
    this.#onFull = onFull;
    this.#onRoom = onRoom;
  }

  hold(bytes: number): void {
    this.held += bytes;
    heldByAll += bytes;
    this.#look();
  }

  release(bytes: number): void {
    this.held -= bytes;
    heldByAll -= bytes;
    this.#look();
  }

  empty(): void {
    this.release(this.held);
  }

  /** Bytes that may be held from now on. */
  setCapacity(bytes: number): void {
    this.#capacity = bytes;
    this.#look();
  }

  /** Tells at the upper mark and at half of it, once each. */
  #look(): void {
    const allowed = heldByAll > BUDGET ? Math.min(this.#capacity, DEFAULT_CAPACITY) : this.#capacity;
    if (!this.#isFull && this.held >= allowed) {
      this.#isFull = true;
      this.#onFull();
    } else if (this.#isFull && this.held <= allowed / 2) {
      this.#isFull = false;
      this.#onRoom();
    }
  }
}
