/** Of a message: whether it is compressed, and its length. */
const PREFIX = 5;

/**
 * Follows the messages of a call through its bytes, however they are cut. It keeps a number or two, and never a message.
 *
 *     | flag | length: 4 bytes | message … | flag | length | …
 */
export class MessageTracker {
  /** Bytes of the prefix that have come, 0 to 4; what follows a whole one is counted down. */
  #prefix = 0;
  #length = 0;
  #left = 0;

  /** True before and between messages. */
  get isBetween(): boolean {
    return this.#prefix === 0 && this.#left === 0;
  }

  take(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        at += taken;
      } else this.#takePrefix(bytes[at++]!);
    }
  }

  #takePrefix(byte: number): void {
    if (this.#prefix > 0) this.#length = this.#length * 256 + byte;
    if (++this.#prefix < PREFIX) return;
    this.#left = this.#length;
    this.#prefix = 0;
    this.#length = 0;
  }
}
