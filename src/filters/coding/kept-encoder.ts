/** What Node's streams of zlib work by, as far as it is used here. */
interface ZlibHandle {
  reset(): void;
  /** Works at once. What is left then, of room and of input, stands in the stream's `_writeState`. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

interface OpenedStream {
  readonly _handle?: Partial<ZlibHandle> | null;
  /** Bytes of room, and of input, that are left. */
  readonly _writeState?: Uint32Array;
}

/** A coding whose memory can serve one body after the other. */
export interface KeptWork {
  /** A stream of zlib's, of which nothing is used but its handle. */
  open(): object;
  /** What says that a body ends with what is written. */
  readonly finish: number;
  /** Whether it has to be told that another body begins; otherwise the end of one says that. */
  readonly resets: boolean;
  /** The same in memory of its own, for when that isn't possible. */
  encodeOnce(bytes: Buffer): Buffer;
}

/** How much longer than its input an output may be that can't be compressed: a few bytes a block, and the head. */
export function roomFor(length: number): number {
  return length + (length >> 8) + 128;
}

/**
 * Compresses short bodies one after the other in memory that is kept. `gzipSync` takes 268 KiB for each and has them cleared and given
 * back, `zstdCompressSync` is as costly: with 1 KiB of text that is two thirds, or four fifths, of the time (`npm run bench:coding`).
 *
 * Node documents no way to write to a stream at once; so its handle is written to, which has been the same since Node 10. Where it isn't any
 * more, a context is made for each. There is nothing in it of one body when the next one comes: with gzip `reset` comes first, which is what zlib
 * itself has for that, and each frame of zstd's stands for itself.
 */
export class KeptEncoder {
  readonly #work: KeptWork;
  #handle: ZlibHandle | null;
  readonly #state: Uint32Array;
  #output: Buffer = Buffer.alloc(0);

  constructor(work: KeptWork) {
    this.#work = work;
    const { _handle: handle, _writeState: state } = work.open() as OpenedStream;
    const isKnown = typeof handle?.writeSync === "function" && typeof handle.reset === "function";
    this.#handle = isKnown && state instanceof Uint32Array ? (handle as ZlibHandle) : null;
    this.#state = state ?? new Uint32Array(2);
  }

  /** @returns bytes that are good until the next call */
  encode(bytes: Buffer): Buffer {
    const handle = this.#handle;
    const { finish, resets } = this.#work;
    if (handle === null) return this.#work.encodeOnce(bytes);
    const room = roomFor(bytes.length);
    if (this.#output.length < room) this.#output = Buffer.allocUnsafeSlow(room);
    if (resets) handle.reset();
    handle.writeSync(finish, bytes, 0, bytes.length, this.#output, 0, room);
    const [left = 0, unread = 0] = this.#state;
    if (left > 0 && unread === 0) return this.#output.subarray(0, room - left);
    // It may be in the middle of a body now.
    this.#handle = null;
    return this.#work.encodeOnce(bytes);
  }
}
