const NO_BYTES = Buffer.alloc(0);
/** A block is at least so large once it has to be gathered at all. */
const LEAST = 1024;

/**
 * Gathers a header block that comes in several frames or pieces. Memory is taken as bytes come, twice as much each time, and
 * given up with the block: nearly every block lies in one piece and never gets here.
 */
export class HeaderBlock {
  readonly #limit: number;
  readonly #maxContinuations: number;
  bytes: Buffer = NO_BYTES;
  length = 0;
  /** True between HEADERS and the frame with END_HEADERS, when they aren't the same: CONTINUATION must come. */
  isOpen = false;
  #continuations = 0;

  constructor(limit: number, maxContinuations: number) {
    this.#limit = limit;
    this.#maxContinuations = maxContinuations;
  }

  open(): void {
    this.isOpen = true;
    this.#continuations = 0;
  }

  /**
   * False when this is one too many: frames without bytes cost no memory, but a block that never ends keeps us busy
   * (CVE-2024-27316 and its likes).
   */
  countContinuation(): boolean {
    return ++this.#continuations <= this.#maxContinuations;
  }

  hasRoom(more: number): boolean {
    return this.length + more <= this.#limit;
  }

  append(bytes: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.bytes.length) this.#grow(length);
    bytes.copy(this.bytes, this.length, start, end);
    this.length = length;
  }

  clear(): void {
    this.isOpen = false;
    this.bytes = NO_BYTES;
    this.length = 0;
  }

  #grow(needed: number): void {
    const size = Math.min(this.#limit, Math.max(LEAST, needed, this.bytes.length * 2));
    const larger = Buffer.allocUnsafe(size);
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
