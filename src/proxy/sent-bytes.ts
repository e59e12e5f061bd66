/** Bytes of a buffer: as much as is kept of a body unless a program asks for more. */
const BUFFER_BYTES = 64 * 1024;
/** Unused buffers that a thread keeps. */
const SPARE_BUFFERS = 32;
/** Pieces below this get memory of their own: a buffer for each of many small bodies would be a waste. */
const SMALL = 8 * 1024;

const spare: Buffer[] = [];

/** Memory with what was copied into it so far. */
interface Piece {
  readonly memory: Buffer;
  used: number;
}

/**
 * What was sent of a request's body, kept to be sent again. The memory is used again and again: a copy of each body that
 * V8's garbage collector has to find and free made uploads of 64 KiB three times as dear.
 */
export class SentBytes {
  readonly #pieces: Piece[] = [];
  #isLent = false;

  /** Keeps a copy of borrowed bytes. */
  add(bytes: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const piece = this.#roomFor(end - from);
      const stop = Math.min(end, from + piece.memory.length - piece.used);
      bytes.copy(piece.memory, piece.used, from, stop);
      piece.used += stop - from;
      from = stop;
    }
  }

  #roomFor(bytes: number): Piece {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.used < last.memory.length) return last;
    const piece = { memory: bytes < SMALL ? Buffer.allocUnsafe(bytes) : takeBuffer(), used: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  /** Hands everything out again. Whoever gets it may still be writing it when the session is over. */
  replay(send: (bytes: Buffer, start: number, end: number) => void): void {
    this.#isLent ||= this.#pieces.length > 0;
    for (const { memory, used } of this.#pieces) send(memory, 0, used);
  }

  /** Nothing of it is needed any more. */
  drop(): void {
    for (const { memory } of this.#pieces.splice(0)) if (!this.#isLent) returnBuffer(memory);
  }
}

function takeBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

function returnBuffer(buffer: Buffer): void {
  if (buffer.length === BUFFER_BYTES && spare.length < SPARE_BUFFERS) spare.push(buffer);
}
