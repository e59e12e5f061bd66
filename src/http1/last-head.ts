import { wordsOf } from "./field-content.ts";

/** Heads up to so many bytes are remembered: usual responses have a quarter of it. */
const LONGEST = 1024;
/** After so many heads in a row that weren't the same as the one before, only one in so many is remembered. */
const PATIENCE = 8;

/**
 * The head that was read last, to know it again. Servers answer many requests with the same head, second by second; to
 * compare its 230 bytes with what was kept takes a tenth of the time of reading them.
 */
export class LastHead {
  readonly #words = new Int32Array(LONGEST / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  /** 0: none is remembered. */
  #length = 0;
  #misses = 0;

  forget(): void {
    this.#length = 0;
  }

  /** True when the same bytes stand at `start`, before `end`. */
  isAt(bytes: Buffer, start: number, end: number): boolean {
    const length = this.#length;
    if (length === 0 || start + length > end) return false;
    const isSame = this.#isSame(bytes, start, length);
    this.#misses = isSame ? 0 : this.#misses + 1;
    return isSame;
  }

  #isSame(bytes: Buffer, start: number, length: number): boolean {
    const words = wordsOf(bytes);
    const kept = this.#words;
    const first = start >> 2;
    const count = length >> 2;
    if (words.length < first + count) return false;
    for (let i = 0; i < count; i++) if (words[first + i] !== kept[i]) return false;
    for (let i = count << 2; i < length; i++) if (bytes[start + i] !== this.#bytes[i]) return false;
    return true;
  }

  /** Remembers the head at `bytes[start..end)`, if it is worth it; only what is read word by word is. */
  keep(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    const words = wordsOf(bytes);
    const first = start >> 2;
    const count = (length + 3) >> 2;
    if (length > LONGEST || (start & 3) !== 0 || words.length < first + count) return;
    if (this.#misses > PATIENCE && this.#misses++ % PATIENCE !== 0) return;
    for (let i = 0; i < count; i++) this.#words[i] = words[first + i]!;
    this.#length = length;
  }
}
