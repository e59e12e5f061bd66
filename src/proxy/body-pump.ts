import { isThenable, ProxyError } from "../base/errors.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { BodyFilter, DelayedBody, FilteredBody, MaybePromise } from "./phases.ts";
import type { Session } from "./session.ts";

/** Where filtered bytes go, and who is slowed down while a filter takes its time. */
export interface PumpOwner {
  onFiltered(bytes: Buffer): void;
  onFilteredEnd(trailers: HttpHeaders | null): void;
  onFilterBusy(): void;
  onFilterIdle(): void;
  onFilterFailed(thrown: unknown): void;
}

/** A filter that a configuration names, and not the program. */
export interface PlacedFilter {
  /** Which phase of which filter, and where, for errors. */
  readonly place?: string;
}

/** A chunk on its way, or the end of the body. */
interface Piece {
  /** Null for the end. */
  readonly chunk: Buffer | null;
  readonly trailers: HttpHeaders | null;
  /** The filter it comes to next. */
  readonly at: number;
}

/**
 * Takes a body through its filters, in order. A filter that answers at once costs no promise; while one takes its time,
 * what comes next waits and the source is paused, so that at most what one read brought is kept.
 *
 * What a filter adds at the end is a chunk to those behind it, which then see an end of their own.
 */
export class BodyPump<C> {
  readonly #session: Session<C>;
  readonly #filters: readonly BodyFilter<C>[];
  readonly #owner: PumpOwner;
  readonly #waiting: Piece[] = [];
  /** Bytes that each filter has added so far; null while none has changed a length. */
  #growth: number[] | null = null;
  #timer: NodeJS.Timeout | null = null;
  #busy = false;
  #stopped = false;

  constructor(session: Session<C>, filters: readonly BodyFilter<C>[], owner: PumpOwner) {
    this.#session = session;
    this.#filters = filters;
    this.#owner = owner;
  }

  /** A borrowed chunk. The filters get a copy of their own: they may keep it, and an async one would lose it. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#take({ chunk: Buffer.from(bytes.subarray(start, end)), trailers: null, at: 0 });
  }

  /** The end of the body. */
  finish(trailers: HttpHeaders | null): void {
    this.#take({ chunk: null, trailers, at: 0 });
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #take(piece: Piece): void {
    if (this.#stopped) return;
    this.#waiting.push(piece);
    if (!this.#busy) this.#run();
  }

  #run(): void {
    while (!this.#busy && !this.#stopped) {
      const piece = this.#waiting.shift();
      if (piece === undefined) return;
      this.#filter(piece);
    }
  }

  /** Takes a piece through the next filter, or out of the pump behind the last one. */
  #filter(piece: Piece): void {
    const filter = this.#filters[piece.at];
    if (filter === undefined) {
      if (piece.chunk === null) this.#owner.onFilteredEnd(piece.trailers);
      else this.#owner.onFiltered(piece.chunk);
      return;
    }
    let result: MaybePromise<FilteredBody>;
    let isLater: boolean;
    try {
      result = filter(this.#session, piece.chunk, piece.chunk === null);
      isLater = isThenable(result) || isDelayed(result);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (isLater) this.#wait(piece, result);
    else this.#goOn(piece, result as FilteredBody);
  }

  /** What a filter made of a piece goes before everything that waits. */
  #goOn(piece: Piece, result: FilteredBody): void {
    if (this.#stopped) return;
    let chunk: Buffer | null;
    try {
      chunk = toChunk(piece.chunk, result);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    const growth = (chunk?.length ?? 0) - (piece.chunk?.length ?? 0);
    if (growth !== 0) this.#noteGrowth(piece.at, growth);
    const at = piece.at + 1;
    if (piece.chunk === null) this.#waiting.unshift({ ...piece, at });
    if (chunk !== null && chunk.length > 0) this.#waiting.unshift({ chunk, trailers: null, at });
  }

  #noteGrowth(at: number, growth: number): void {
    this.#growth ??= this.#filters.map(() => 0);
    this.#growth[at]! += growth;
  }

  /** What is wrong when the body hasn't the length that its head declares; it names the filters that have changed it. */
  lengthMismatch(): ProxyError {
    const places = this.#filters.flatMap((filter, at) => {
      const { place } = filter as PlacedFilter;
      return place === undefined || (this.#growth?.[at] ?? 0) === 0 ? [] : [place];
    });
    return new ProxyError("BODY_LENGTH_MISMATCH", places.length === 0 ? undefined : places.join(" and "));
  }

  #wait(piece: Piece, result: MaybePromise<FilteredBody>): void {
    this.#busy = true;
    this.#owner.onFilterBusy();
    Promise.resolve(result)
      .then((value) => (isDelayed(value) ? this.#delay(value) : value))
      .then(
        (value) => this.#resume(piece, value),
        (thrown) => this.#fail(thrown),
      );
  }

  async #delay(delayed: DelayedBody): Promise<FilteredBody> {
    await new Promise((resolve) => {
      this.#timer = setTimeout(resolve, delayed.delay);
    });
    return "body" in delayed ? delayed.body : undefined;
  }

  #resume(piece: Piece, result: FilteredBody): void {
    if (this.#stopped) return;
    this.#busy = false;
    this.#goOn(piece, result);
    this.#run();
    if (!this.#busy && !this.#stopped) this.#owner.onFilterIdle();
  }

  #fail(thrown: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#owner.onFilterFailed(thrown);
  }
}

/** @throws TypeError when a filter returned what is no body */
function toChunk(chunk: Buffer | null, result: FilteredBody): Buffer | null {
  if (result === undefined) return chunk;
  if (result === null) return null;
  if (typeof result === "string") return Buffer.from(result);
  if (Buffer.isBuffer(result)) return result;
  if (result instanceof Uint8Array) return Buffer.from(result.buffer, result.byteOffset, result.byteLength);
  throw new TypeError(`A body filter returned ${typeof result}`);
}

function isDelayed(result: FilteredBody): result is DelayedBody {
  return (
    typeof result === "object" && result !== null && "delay" in result && !(result instanceof Uint8Array)
  );
}
