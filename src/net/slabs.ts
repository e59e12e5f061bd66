/** Bytes that all sockets of a thread read into. Large enough for a 64 KB body with its head. */
const READ_SLAB = 96 * 1024;
/** Bytes of the buffers in which output is gathered: all of one read goes out in one write. */
const OUTPUT_SLAB = READ_SLAB + 4 * 1024;
/** Bytes of a slab that one fast connection reads into alone. */
const BULK_SLAB = 256 * 1024;
/** Unused bulk slabs a thread keeps for the next fast connection. */
const SPARE_BULK_SLABS = 8;
const SPARE_OUTPUT_SLABS = 32;
/** Bytes of the buffers that many connections may have at once, for a few heads and small bodies each. */
const SMALL_OUTPUT_SLAB = 8 * 1024;
const SPARE_SMALL_SLABS = 128;
/** Below this, copying into the output slab is cheaper than a write of its own. */
export const COPY_LIMIT: number = 8 * 1024;

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

const lent = new WeakMap<ArrayBufferLike, () => void>();

/**
 * Whoever sends bytes out of this memory may write a view of it: its owner writes into it again only if that was done at once.
 * @param onHeld called when such a write has to wait: the memory belongs to it from then on, and its owner takes other
 */
export function lendMemory({ buffer }: Buffer, onHeld: () => void): void {
  lent.set(buffer, onHeld);
}

export function isLent({ buffer }: Buffer): boolean {
  return lent.has(buffer);
}

/** A view has to wait to be written: whoever has lent the memory it lies in gives it up. */
export function holdLent({ buffer }: Buffer): void {
  lent.get(buffer)?.();
}

const fleeting = new WeakSet<ArrayBufferLike>();

/**
 * What lies in this memory is somebody else's again once it was handed over: writes refer to a copy of it, unless a keeper hands it
 * over. For memory that is shared with other threads.
 */
export function copyOnWrite({ buffer }: Buffer): void {
  fleeting.add(buffer);
}

export function isFleeting({ buffer }: Buffer): boolean {
  return fleeting.has(buffer);
}

const spareBulk: Slab[] = [];
const spareOutput: OutputSlab[] = [];
const spareSmall: OutputSlab[] = [];

/** A slab for one fast connection's own use. */
export function takeBulkSlab(): Slab {
  return spareBulk.pop() ?? { buffer: Buffer.allocUnsafeSlow(BULK_SLAB), holders: 0 };
}

/** Counts whoever has these as a holder of one more, once. */
export function holdSlab(held: Slab[], slab: Slab): void {
  if (held.includes(slab)) return;
  held.push(slab);
  slab.holders++;
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

/** A slab of the smallest size that has room for `bytes`; one that is made for them where none has. */
export function takeOutputSlabFor(bytes: number): OutputSlab {
  if (bytes <= SMALL_OUTPUT_SLAB) return spareSmall.pop() ?? new OutputSlab(SMALL_OUTPUT_SLAB);
  return bytes <= OUTPUT_SLAB ? takeOutputSlab() : new OutputSlab(bytes);
}

/** Gives back an output slab whose pending write is done. One that was made larger for a large head isn't kept. */
export function returnOutputSlab(slab: OutputSlab): void {
  const { length } = slab.buffer;
  if (length === OUTPUT_SLAB) {
    if (spareOutput.length < SPARE_OUTPUT_SLABS) spareOutput.push(slab);
  } else if (length === SMALL_OUTPUT_SLAB && spareSmall.length < SPARE_SMALL_SLABS) spareSmall.push(slab);
}
