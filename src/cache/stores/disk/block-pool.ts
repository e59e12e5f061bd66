import { BLOCK_BYTES } from "./file-format.ts";

/** Blocks that wait for their next use: 4 MiB. */
const MOST_IDLE = 64;

/** Buffers of a block each, used again and again. Whoever gives one back has lent it to nobody. */
export class BlockPool {
  readonly #idle: Buffer[] = [];

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  give(block: Buffer): void {
    if (this.#idle.length < MOST_IDLE) this.#idle.push(block);
  }
}
