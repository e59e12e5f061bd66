import * as zlib from "node:zlib";

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

/** How much longer than its input an output may be that can't be compressed: a few bytes a block, and the head. */
function roomFor(length: number): number {
  return length + (length >> 8) + 128;
}

/**
 * Compresses short bodies one after the other in memory that is kept. `gzipSync` takes 268 KiB for each and has them cleared and given
 * back: with 1 KiB of text that is two thirds of the time (`npm run bench:coding`).
 *
 * Node documents `reset` for gzip, and no way to write to a stream at once; so its handle is written to, which has been the same since Node 10.
 * Where it isn't any more, `gzipSync` is called. There is nothing in it of one body when the next one comes: `reset` is what zlib
 * itself has for that, and it comes first.
 */
export class KeptGzip {
  readonly #level: number;
  readonly #handle: ZlibHandle | null;
  readonly #state: Uint32Array;
  #output: Buffer = Buffer.alloc(0);

  constructor(level: number) {
    this.#level = level;
    const { _handle: handle, _writeState: state } = zlib.createGzip({ level }) as unknown as OpenedStream;
    const isKnown = typeof handle?.writeSync === "function" && typeof handle.reset === "function";
    this.#handle = isKnown && state instanceof Uint32Array ? (handle as ZlibHandle) : null;
    this.#state = state ?? new Uint32Array(2);
  }

  /** @returns bytes that are good until the next call */
  encode(bytes: Buffer): Buffer {
    const handle = this.#handle;
    if (handle === null) return zlib.gzipSync(bytes, { level: this.#level });
    const room = roomFor(bytes.length);
    if (this.#output.length < room) this.#output = Buffer.allocUnsafeSlow(room);
    handle.reset();
    handle.writeSync(zlib.constants.Z_FINISH, bytes, 0, bytes.length, this.#output, 0, room);
    const [left = 0, unread = 0] = this.#state;
    if (left === 0 || unread > 0) return zlib.gzipSync(bytes, { level: this.#level });
    return this.#output.subarray(0, room - left);
  }
}
