import { isThenable } from "../base/errors.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { BodyFilter, FilteredBody, MaybePromise } from "./phases.ts";
import type { Session } from "./session.ts";

/** Where filtered bytes go, and who is slowed down while a filter takes its time. */
export interface PumpOwner {
  onFiltered(bytes: Buffer): void;
  onFilteredEnd(trailers: HttpHeaders | null): void;
  onFilterBusy(): void;
  onFilterIdle(): void;
  onFilterFailed(thrown: unknown): void;
}

/** A chunk, or null for the end. */
interface Waiting {
  readonly chunk: Buffer | null;
  readonly trailers: HttpHeaders | null;
}

/**
 * Takes a body through its filters, in order. A filter that answers at once costs no promise; while one takes its time,
 * what comes next waits and the source is paused, so that at most what one read brought is kept.
 */
export class BodyPump<C> {
  readonly #session: Session<C>;
  readonly #filters: readonly BodyFilter<C>[];
  readonly #owner: PumpOwner;
  readonly #waiting: Waiting[] = [];
  #busy = false;
  #stopped = false;

  constructor(session: Session<C>, filters: readonly BodyFilter<C>[], owner: PumpOwner) {
    this.#session = session;
    this.#filters = filters;
    this.#owner = owner;
  }

  /** A borrowed chunk. The filters get a copy of their own: they may keep it, and an async one would lose it. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#take({ chunk: Buffer.from(bytes.subarray(start, end)), trailers: null });
  }

  /** The end of the body. */
  finish(trailers: HttpHeaders | null): void {
    this.#take({ chunk: null, trailers });
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  #take(item: Waiting): void {
    if (this.#stopped) return;
    if (this.#busy) this.#waiting.push(item);
    else this.#filter(item, item.chunk, 0);
  }

  /** Runs the filters from `index` on over what the ones before made of the item. */
  #filter(item: Waiting, input: Buffer | null, index: number): void {
    let chunk = input;
    for (let i = index; i < this.#filters.length; i++) {
      // A dropped chunk reaches no further filter; the end reaches all of them.
      if (chunk === null && item.chunk !== null) return;
      let result: MaybePromise<FilteredBody>;
      try {
        result = this.#filters[i]!(this.#session, chunk, item.chunk === null);
      } catch (thrown) {
        this.#fail(thrown);
        return;
      }
      if (isThenable(result) || isDelayed(result)) {
        this.#wait(item, chunk, i, result);
        return;
      }
      chunk = apply(chunk, result);
    }
    this.#emit(item, chunk);
  }

  #wait(item: Waiting, chunk: Buffer | null, index: number, result: MaybePromise<FilteredBody>): void {
    this.#busy = true;
    this.#owner.onFilterBusy();
    settle(result).then(
      (value) => this.#resume(item, apply(chunk, value), index + 1),
      (thrown) => this.#fail(thrown),
    );
  }

  #resume(item: Waiting, chunk: Buffer | null, index: number): void {
    if (this.#stopped) return;
    this.#busy = false;
    this.#filter(item, chunk, index);
    while (!this.#busy && !this.#stopped) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#owner.onFilterIdle();
        return;
      }
      this.#filter(next, next.chunk, 0);
    }
  }

  #emit(item: Waiting, chunk: Buffer | null): void {
    if (chunk !== null && chunk.length > 0) this.#owner.onFiltered(chunk);
    if (item.chunk === null && !this.#stopped) this.#owner.onFilteredEnd(item.trailers);
  }

  #fail(thrown: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#owner.onFilterFailed(thrown);
  }
}

function apply(chunk: Buffer | null, result: FilteredBody): Buffer | null {
  if (result === undefined) return chunk;
  if (result === null) return null;
  if (typeof result === "string") return Buffer.from(result);
  if (Buffer.isBuffer(result)) return result;
  if (result instanceof Uint8Array) return Buffer.from(result.buffer, result.byteOffset, result.byteLength);
  return "body" in result && result.body !== undefined ? apply(chunk, result.body) : chunk;
}

function isDelayed(result: FilteredBody): result is Exclude<FilteredBody, Uint8Array | string | null | undefined> {
  return typeof result === "object" && result !== null && "delay" in result && !(result instanceof Uint8Array);
}

/** Waits for a filter's promise and for the delay it asks for. */
async function settle(result: MaybePromise<FilteredBody>): Promise<FilteredBody> {
  const value = await result;
  if (isDelayed(value) && value.delay > 0) await new Promise((resolve) => setTimeout(resolve, value.delay));
  return value;
}
