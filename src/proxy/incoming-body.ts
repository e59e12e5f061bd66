/** Whoever a body comes from: slowed down while nobody reads on, told when nobody wants the rest. */
export interface BodySource {
  /** Nobody takes more for now. Called again whenever somebody reads on, but has not yet read all there is. */
  pause(): void;
  resume(): void;
  cancel(): void;
}

/** Bytes that may wait to be read before the source is paused. */
const HIGH_WATER = 64 * 1024;

interface Reader {
  resolve(result: IteratorResult<Buffer, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A body on its way from callbacks to one reader: pieces are kept until they are asked for, and a reader that is slower
 * than the source pauses it. Iterating ends the body: one that is left early is cancelled.
 */
export class IncomingBody implements AsyncIterableIterator<Buffer, undefined, undefined> {
  readonly #source: BodySource;
  #pieces: Buffer[] = [];
  #size = 0;
  #readers: Reader[] = [];
  #paused = false;
  #ended = false;
  #failure: unknown = null;
  #used = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** True once somebody began to read. */
  get used(): boolean {
    return this.#used;
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return this.#size;
  }

  // ── the source's side ──────────────────────────────────────────────────────────────────────────────────────────

  /** @param piece the reader's to keep */
  push(piece: Buffer): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ value: piece, done: false });
      return;
    }
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size < HIGH_WATER || this.#paused) return;
    this.#paused = true;
    this.#source.pause();
  }

  /** What was pushed is still read. */
  finish(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader.resolve(DONE);
  }

  /** What was pushed is lost: whoever reads has to learn that this body isn't whole. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    this.#drop();
    for (const reader of this.#readers.splice(0)) reader.reject(error);
  }

  #drop(): void {
    this.#pieces = [];
    this.#size = 0;
  }

  // ── the reader's side ──────────────────────────────────────────────────────────────────────────────────────────

  next(): Promise<IteratorResult<Buffer, undefined>> {
    this.#used = true;
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#size -= piece.length;
      if (this.#paused) this.#relax();
      return Promise.resolve({ value: piece, done: false });
    }
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** Nobody wants the rest. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.cancel();
    return Promise.resolve(DONE);
  }

  cancel(): void {
    this.#used = true;
    this.#drop();
    if (this.#ended) return;
    this.finish();
    this.#source.cancel();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #relax(): void {
    if (this.#size > 0) {
      this.#source.pause();
      return;
    }
    this.#paused = false;
    this.#source.resume();
  }
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ value: undefined, done: true });
