/** Bytes that all sockets of a thread read into. Large enough for a 64 KB body with its head. */
const READ_SLAB = 96 * 1024;
/** Bytes of the buffers in which output is gathered: all of one read goes out in one write. */
const OUTPUT_SLAB = READ_SLAB + 4 * 1024;
/** Bytes of a slab that one fast connection reads into alone. */
const BULK_SLAB = 256 * 1024;
/** Unused bulk slabs a thread keeps for the next fast connection. */
const SPARE_BULK_SLABS = 8;
const SPARE_OUTPUT_SLABS = 32;

/**
 * A buffer to read into. Writers with a view of it in a write that is still pending count as its holders: as long as
 * there is one, the slab belongs to those writes and nobody may read into it. There can be several: one read may bring
 * the end of one upload and the beginning of the next, which go to different servers.
 */
export interface Slab {
  readonly buffer: Buffer;
  holders: number;
}

/**
 * The slab that all sockets of this thread read into unless they have one of their own. Each socket's native half holds
 * a pointer to it, so it is never replaced, and **a view of it must never reach a write that may be pending**.
 */
export const sharedReadSlab: Slab = { buffer: Buffer.allocUnsafeSlow(READ_SLAB), holders: 0 };

const spareBulk: Slab[] = [];
const spareOutput: OutputSlab[] = [];

/** A slab for one fast connection's own use. */
export function takeBulkSlab(): Slab {
  return spareBulk.pop() ?? { buffer: Buffer.allocUnsafeSlow(BULK_SLAB), holders: 0 };
}

/** Gives back a bulk slab that nobody reads into and no pending write refers to. */
export function returnBulkSlab(slab: Slab): void {
  if (spareBulk.length < SPARE_BULK_SLABS) spareBulk.push(slab);
}

/** Views of an output slab up to this size are kept: heads and small messages have few different sizes. */
const KEPT_VIEW = 2048;

/** A buffer to gather output in. Every write needs a view of what was gathered, and making one costs 0.15 µs. */
export class OutputSlab {
  readonly buffer: Buffer;
  readonly #views: (Buffer | undefined)[] = new Array(KEPT_VIEW);

  constructor(size: number = OUTPUT_SLAB) {
    this.buffer = Buffer.allocUnsafeSlow(size);
  }

  /** The first `size` bytes. */
  view(size: number): Buffer {
    if (size >= KEPT_VIEW) return this.buffer.subarray(0, size);
    let view = this.#views[size];
    if (view === undefined) this.#views[size] = view = this.buffer.subarray(0, size);
    return view;
  }
}

export function takeOutputSlab(): OutputSlab {
  return spareOutput.pop() ?? new OutputSlab();
}

/** Gives back an output slab whose pending write is done. One that was made larger for a large head isn't kept. */
export function returnOutputSlab(slab: OutputSlab): void {
  if (spareOutput.length < SPARE_OUTPUT_SLABS && slab.buffer.length === OUTPUT_SLAB) spareOutput.push(slab);
}
