import { lendMemory } from "../net/slabs.ts";
import { LEAST_CAPACITY } from "./plugin.ts";

/** Memory needed once is kept for the next time up to this. */
const MOST_KEPT = 1024 * 1024;

/** Where something stays until the next is put there; a write that has to wait keeps it for itself. */
export class LentSpace {
  #bytes: Buffer = Buffer.alloc(0);
  /** A write still refers to the memory: it isn't ours any more. */
  #isHeld = false;

  /** Takes a copy. @returns a view of it, borrowed */
  put(bytes: Buffer): Buffer {
    const { length } = bytes;
    const size = this.#bytes.length;
    if (this.#isHeld || length > size || (size > MOST_KEPT && length <= MOST_KEPT))
      this.#allocate(Math.max(length, LEAST_CAPACITY));
    this.#bytes.set(bytes);
    return this.#bytes.subarray(0, length);
  }

  #allocate(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.#bytes = bytes;
    this.#isHeld = false;
    lendMemory(bytes, () => {
      if (this.#bytes === bytes) this.#isHeld = true;
    });
  }
}
