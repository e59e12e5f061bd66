import { classesByUnits, UNIT } from "./size-classes.ts";
import {
  ChunkWord,
  CLASS_WORDS,
  ClassWord,
  Header,
  PAGE_WORDS,
  PageWord,
  type StoreMemory,
} from "./store-memory.ts";

/** What knows the chunks: which may be moved, and who has to be told where they are now. */
export interface ChunkMover {
  mayMove(chunk: number): boolean;
  /** Everything that names the chunk is to name `to`. Its bytes are there already. */
  moved(from: number, to: number): void;
}

/** Pages that are looked at to find one that can be emptied with little to move. */
const MOST_LOOKED_AT = 32;
/** Of a chunk, in eighths: what may stay empty rather than the rest going to another chunk. */
const WASTE_SHARE = 8;

/**
 * Chunks of the sizes that pages are divided into. Where one size has as many free chunks in its pages as a page has, another
 * size can have a page: one page's chunks are moved to the others. So no more than a page for each size is ever lost, whatever was
 * stored before. All of it under the lock.
 */
export class ChunkPages {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #mover: ChunkMover;
  readonly #classOf: Uint8Array;

  constructor(memory: StoreMemory, mover: ChunkMover) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#mover = mover;
    this.#classOf = classesByUnits(memory.sizes);
  }

  /** Units of a chunk. */
  unitsOf(chunk: number): number {
    return this.#memory.sizes[this.#words[this.#pageAt(Math.floor(chunk / this.#memory.pageUnits))]! - 1]!;
  }

  /**
   * The class for so many bytes; a smaller one when too much of that would stay empty.
   * @param least bytes that it has to hold in any case, at most a page
   */
  classFor(bytes: number, least: number): number {
    const { sizes } = this.#memory;
    const fitting = this.fittingClass(bytes);
    const waste = sizes[fitting]! - Math.ceil(bytes / UNIT);
    const isWasteful = waste * WASTE_SHARE > sizes[fitting]!;
    return isWasteful && sizes[fitting - 1]! * UNIT >= least ? fitting - 1 : fitting;
  }

  /** The smallest class that holds so many bytes; that of whole pages when none does. */
  fittingClass(bytes: number): number {
    const units = Math.ceil(bytes / UNIT);
    const { sizes, pageUnits } = this.#memory;
    return units >= pageUnits ? sizes.length - 1 : this.#classOf[units]!;
  }

  /** @returns a chunk of that class, -1 when something has to go first */
  take(sizeClass: number): number {
    const words = this.#words;
    const at = this.#classAt(sizeClass);
    let page = words[at + ClassWord.FirstPage]! - 1;
    if (page === -1) {
      page = this.#takePage();
      if (page === -1) return -1;
      this.#divide(page, sizeClass);
    }
    return this.#takeFrom(page, sizeClass);
  }

  /** Makes a page free if that can be done by moving alone. */
  compact(): boolean {
    const { sizes, pageUnits } = this.#memory;
    for (let sizeClass = 0; sizeClass < sizes.length - 1; sizeClass++) {
      const perPage = Math.floor(pageUnits / sizes[sizeClass]!);
      if (this.#words[this.#classAt(sizeClass) + ClassWord.FreeChunks]! < perPage) continue;
      const page = this.#easiestPage(sizeClass);
      if (page === -1) continue;
      this.#empty(page, sizeClass);
      return true;
    }
    return false;
  }

  free(chunk: number): void {
    const words = this.#words;
    const { pageUnits, sizes } = this.#memory;
    const page = Math.floor(chunk / pageUnits);
    const at = this.#pageAt(page);
    const sizeClass = words[at + PageWord.Class]! - 1;
    const size = sizes[sizeClass]!;
    words[this.#memory.wordOf(chunk) + ChunkWord.Owner] = -words[at + PageWord.Free]!;
    words[at + PageWord.Free] = (chunk - page * pageUnits) / size + 1;
    words[this.#classAt(sizeClass) + ClassWord.FreeChunks]!++;
    const used = --words[at + PageWord.Used]!;
    if (used === 0) this.#freePage(page, sizeClass);
    else if (used === Math.floor(pageUnits / size) - 1) this.#list(page, sizeClass);
  }

  /** Makes all free but `kept`, chunks that are in use. Nothing but the classes of their pages is taken to be right. */
  reset(kept: ReadonlySet<number>): void {
    const { sizes, pages, pageUnits } = this.#memory;
    const words = this.#words;
    for (let at = this.#memory.at.classes; at < this.#classAt(sizes.length); at++) words[at] = 0;
    const keptByPage = Map.groupBy(kept, (chunk) => Math.floor(chunk / pageUnits));
    words[Header.FreePage] = 0;
    const fresh = Math.min(words[Header.FreshPage]!, pages);
    for (let page = fresh - 1; page >= 0; page--) {
      const chunks = keptByPage.get(page);
      if (chunks === undefined) this.#putPage(page);
      else this.#redivide(page, new Set(chunks));
    }
  }

  #pageAt(page: number): number {
    return this.#memory.at.pages + page * PAGE_WORDS;
  }

  #classAt(sizeClass: number): number {
    return this.#memory.at.classes + sizeClass * CLASS_WORDS;
  }

  #takePage(): number {
    const words = this.#words;
    const free = words[Header.FreePage]! - 1;
    if (free !== -1) {
      words[Header.FreePage] = words[this.#pageAt(free) + PageWord.Next]!;
      return free;
    }
    const fresh = words[Header.FreshPage]!;
    if (fresh === this.#memory.pages) return -1;
    words[Header.FreshPage] = fresh + 1;
    return fresh;
  }

  #putPage(page: number): void {
    const at = this.#pageAt(page);
    this.#words[at + PageWord.Class] = 0;
    this.#words[at + PageWord.Next] = this.#words[Header.FreePage]!;
    this.#words[Header.FreePage] = page + 1;
  }

  #divide(page: number, sizeClass: number): void {
    const words = this.#words;
    const at = this.#pageAt(page);
    words[at + PageWord.Class] = sizeClass + 1;
    words[at + PageWord.Used] = 0;
    words[at + PageWord.Free] = 0;
    words[at + PageWord.Fresh] = 0;
    const perPage = Math.floor(this.#memory.pageUnits / this.#memory.sizes[sizeClass]!);
    words[this.#classAt(sizeClass) + ClassWord.FreeChunks]! += perPage;
    this.#list(page, sizeClass);
  }

  #takeFrom(page: number, sizeClass: number): number {
    const words = this.#words;
    const at = this.#pageAt(page);
    const { pageUnits, sizes } = this.#memory;
    const size = sizes[sizeClass]!;
    const free = words[at + PageWord.Free]!;
    const chunk = page * pageUnits + (free === 0 ? words[at + PageWord.Fresh]! : free - 1) * size;
    if (free === 0) words[at + PageWord.Fresh]!++;
    else words[at + PageWord.Free] = -words[this.#memory.wordOf(chunk) + ChunkWord.Owner]!;
    words[this.#classAt(sizeClass) + ClassWord.FreeChunks]!--;
    if (++words[at + PageWord.Used]! === Math.floor(pageUnits / size)) this.#unlist(page, sizeClass);
    return chunk;
  }

  #freePage(page: number, sizeClass: number): void {
    const perPage = Math.floor(this.#memory.pageUnits / this.#memory.sizes[sizeClass]!);
    // A page of one chunk was full until now, so it isn't in the list.
    if (perPage > 1) this.#unlist(page, sizeClass);
    this.#words[this.#classAt(sizeClass) + ClassWord.FreeChunks]! -= perPage;
    this.#putPage(page);
  }

  #list(page: number, sizeClass: number): void {
    const words = this.#words;
    const at = this.#pageAt(page);
    const head = this.#classAt(sizeClass) + ClassWord.FirstPage;
    const first = words[head]!;
    words[at + PageWord.Prev] = 0;
    words[at + PageWord.Next] = first;
    if (first !== 0) words[this.#pageAt(first - 1) + PageWord.Prev] = page + 1;
    words[head] = page + 1;
  }

  #unlist(page: number, sizeClass: number): void {
    const words = this.#words;
    const at = this.#pageAt(page);
    const prev = words[at + PageWord.Prev]!;
    const next = words[at + PageWord.Next]!;
    if (prev === 0) words[this.#classAt(sizeClass) + ClassWord.FirstPage] = next;
    else words[this.#pageAt(prev - 1) + PageWord.Next] = next;
    if (next !== 0) words[this.#pageAt(next - 1) + PageWord.Prev] = prev;
  }

  /** The page with the fewest chunks in use of those at the front, all of which may be moved; -1 when there is none. */
  #easiestPage(sizeClass: number): number {
    const words = this.#words;
    let best = -1;
    let fewest = 0x7fff_ffff;
    let page = words[this.#classAt(sizeClass) + ClassWord.FirstPage]! - 1;
    for (let looks = 0; page !== -1 && looks < MOST_LOOKED_AT; looks++) {
      const used = words[this.#pageAt(page) + PageWord.Used]!;
      if (used < fewest && this.#mayEmpty(page)) {
        best = page;
        fewest = used;
      }
      page = words[this.#pageAt(page) + PageWord.Next]! - 1;
    }
    return best;
  }

  #mayEmpty(page: number): boolean {
    let may = true;
    this.#forEach(page, (chunk) => {
      may &&= this.#mover.mayMove(chunk);
    });
    return may;
  }

  #empty(page: number, sizeClass: number): void {
    this.#unlist(page, sizeClass);
    const size = this.#memory.sizes[sizeClass]! * UNIT;
    const { bytes } = this.#memory;
    this.#forEach(page, (chunk) => {
      const to = this.take(sizeClass);
      const from = this.#memory.byteOf(chunk);
      bytes.copyWithin(this.#memory.byteOf(to), from, from + size);
      this.#mover.moved(chunk, to);
    });
    const perPage = Math.floor((this.#memory.pageUnits * UNIT) / size);
    const wereFree = perPage - this.#words[this.#pageAt(page) + PageWord.Used]!;
    this.#words[this.#classAt(sizeClass) + ClassWord.FreeChunks]! -= wereFree;
    this.#putPage(page);
  }

  #forEach(page: number, visit: (chunk: number) => void): void {
    const at = this.#pageAt(page);
    const { pageUnits, sizes } = this.#memory;
    const size = sizes[this.#words[at + PageWord.Class]! - 1]!;
    for (let i = 0; i < this.#words[at + PageWord.Fresh]!; i++) {
      const chunk = page * pageUnits + i * size;
      if (this.#words[this.#memory.wordOf(chunk) + ChunkWord.Owner]! > 0) visit(chunk);
    }
  }

  #redivide(page: number, kept: ReadonlySet<number>): void {
    const words = this.#words;
    const at = this.#pageAt(page);
    const { pageUnits, sizes } = this.#memory;
    const sizeClass = words[at + PageWord.Class]! - 1;
    const size = sizes[sizeClass]!;
    const perPage = Math.floor(pageUnits / size);
    words[at + PageWord.Used] = kept.size;
    words[at + PageWord.Fresh] = perPage;
    words[at + PageWord.Free] = 0;
    for (let i = perPage - 1; i >= 0; i--) {
      const chunk = page * pageUnits + i * size;
      if (kept.has(chunk)) continue;
      words[this.#memory.wordOf(chunk) + ChunkWord.Owner] = -words[at + PageWord.Free]!;
      words[at + PageWord.Free] = i + 1;
    }
    words[this.#classAt(sizeClass) + ClassWord.FreeChunks]! += perPage - kept.size;
    if (kept.size < perPage) this.#list(page, sizeClass);
  }
}
