/** Places for views; a power of two. */
const PLACES = 1024;
/** Metas begin at any byte, but chunks at units of so many. */
const UNIT_BITS = 6;

/**
 * Views of a store's memory. To make one costs as much as to find the entry, so the last ones are kept, by where they begin: what is
 * asked for often is seen through the same view each time. A view says where to look and nothing of what is there: none is ever out
 * of date.
 */
export class KeptViews {
  readonly #bytes: Buffer;
  readonly #views: Buffer[];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#views = new Array<Buffer>(PLACES).fill(bytes.subarray(0, 0));
  }

  of(start: number, length: number): Buffer {
    const place = (start >>> UNIT_BITS) & (PLACES - 1);
    const kept = this.#views[place]!;
    if (kept.byteOffset === start && kept.length === length) return kept;
    const view = this.#bytes.subarray(start, start + length);
    this.#views[place] = view;
    return view;
  }
}
