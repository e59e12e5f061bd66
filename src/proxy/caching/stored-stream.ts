import { describeThrown, ProxyError } from "../../base/errors.ts";
import { type CacheEntry, EntryState, type Piece } from "../../cache/store.ts";
import type { UpstreamSink } from "../../http/streams.ts";
import { beginHandOver, endHandOver, type Gatherer, type Keeper } from "../../net/keepers.ts";
import { CacheStream } from "./cache-stream.ts";
import type { PassStream } from "./pass-stream.ts";
import { RestOfSpan } from "./rest-of-span.ts";

/** Bytes of an entry's body; Infinity: to its end, wherever that will be. */
export interface BodySpan {
  readonly start: number;
  readonly end: number;
}

/** What a body is put together of: bytes of the entry's, and bytes made here, such as the heads of the parts of a multipart. */
export type BodyPart = BodySpan | Buffer;

export const WHOLE: readonly BodyPart[] = [{ start: 0, end: Number.POSITIVE_INFINITY }];
export const NOTHING: readonly BodyPart[] = [];

/**
 * An entry of a cache in the place of a server: sends its body, whole or in parts, as fast as it is taken, and waits for what
 * is still being written. The entry is held until then, and until the last write that refers to its bytes is done.
 */
export class StoredStream extends CacheStream implements Keeper {
  #entry: CacheEntry;
  #parts: readonly BodyPart[];
  /** Where it goes on when the store fails; null: nowhere. */
  readonly #rest: PassStream | null;
  #isHandedOver = false;
  #sink: UpstreamSink | null = null;
  #part = 0;
  /** How far the part that is being sent has come; -1 before it has begun. */
  #at = -1;
  #isPaused = false;
  /** True while pieces are handed over. */
  #isSending = false;
  /** True while one is awaited. */
  #isReading = false;
  #isOver = false;
  gatherer: Gatherer | null = null;
  /** Writes that refer to the entry's bytes. */
  #pending = 0;
  #onMore: (() => void) | null = null;

  constructor(entry: CacheEntry, parts: readonly BodyPart[], rest: PassStream | null = null) {
    super();
    this.#entry = entry;
    this.#parts = parts;
    this.#rest = rest;
  }

  get entry(): CacheEntry {
    return this.#entry;
  }

  begin(sink: UpstreamSink): void {
    this.#sink = sink;
    this.#pump();
  }

  /** Before anything of it was sent: another entry's body takes the place of this one's, or `parts` do that need no entry. */
  turnTo(entry: CacheEntry | null, parts: readonly BodyPart[]): void {
    if (entry !== null && this.#isOver) entry.release();
    else if (entry !== null) {
      this.#entry.release();
      this.#entry = entry;
    }
    this.#parts = parts;
  }

  pauseResponse(): void {
    this.#isPaused = true;
    if (this.#isHandedOver) this.#rest!.pauseResponse();
  }

  resumeResponse(): void {
    this.#isPaused = false;
    if (this.#isHandedOver) this.#rest!.resumeResponse();
    else if (this.#sink !== null) this.#pump();
  }

  abort(): void {
    this.#finish();
    this.#rest?.abort();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#pending === 0) this.#entry.release();
  }

  keep(): void {
    this.#pending++;
  }

  letGo(): void {
    this.#pending--;
    if (this.#pending === 0 && this.#isOver) this.#entry.release();
  }

  #pump(): void {
    if (this.#isSending || this.#isReading) return;
    this.#isSending = true;
    while (!this.#isPaused && !this.#isOver && this.#sendNext());
    this.#isSending = false;
  }

  /** @returns whether there may be more at once */
  #sendNext(): boolean {
    const part = this.#parts[this.#part];
    if (part === undefined) {
      this.abort();
      this.#sink!.onResponseEnd(null);
      return false;
    }
    // `Buffer` as a global is looked up each time.
    if (!(part instanceof Uint8Array)) return this.#sendSpan(part);
    this.#nextPart();
    this.#sink!.onResponseBody(part, 0, part.length);
    return true;
  }

  #nextPart(): void {
    this.#part++;
    this.#at = -1;
  }

  #sendSpan(span: BodySpan): boolean {
    if (this.#at === -1) this.#at = span.start;
    const last = this.#sendPieces(span.end);
    if (this.#isOver) return false;
    if (last instanceof Promise) {
      void this.#await(last, span);
      return false;
    }
    if (this.#at < span.end) return last !== null || this.#waitForMore(span);
    this.#nextPart();
    return true;
  }

  /**
   * Sends what there is, as long as it is taken. It is held meanwhile, whatever becomes of the stream.
   * @returns what was read last
   */
  #sendPieces(end: number): Piece | null | Promise<Piece | null> {
    let piece: Piece | null | Promise<Piece | null> = null;
    this.keep();
    const before = beginHandOver(this);
    while (!this.#isPaused && !this.#isOver) {
      piece = this.#at < end ? this.#entry.read(this.#at, end) : null;
      if (piece === null || piece instanceof Promise) break;
      this.#send(piece);
    }
    endHandOver(this, before);
    this.letGo();
    return piece;
  }

  #send({ bytes, start, end }: Piece): void {
    this.#at += end - start;
    this.#sink!.onResponseBody(bytes, start, end);
  }

  async #await(read: Promise<Piece | null>, span: BodySpan): Promise<void> {
    this.#isReading = true;
    try {
      const piece = await read;
      this.#isReading = false;
      if (this.#isOver) return;
      if (piece !== null) this.#send(piece);
      if (piece !== null || this.#waitForMore(span)) this.#pump();
    } catch (thrown) {
      this.#isReading = false;
      this.#fail(describeThrown(thrown));
    }
  }

  #waitForMore(span: BodySpan): boolean {
    const { state } = this.#entry;
    if (state === EntryState.Writing) {
      this.#onMore ??= () => this.#pump();
      this.#entry.whenMore(this.#at, this.#onMore);
      return false;
    }
    if (state === EntryState.Complete && span.end === Number.POSITIVE_INFINITY) {
      this.#nextPart();
      return true;
    }
    if (state === EntryState.Failed && this.#handOver(span)) return false;
    this.#fail(
      state === EntryState.Failed ? "the response came to no end" : "the stored response is too short",
    );
    return false;
  }

  /** The store couldn't go on, but whoever writes there may. @returns whether the rest comes from there */
  #handOver(span: BodySpan): boolean {
    const rest = this.#rest;
    if (rest === null || rest.isOver || this.#part !== this.#parts.length - 1) return false;
    this.#finish();
    this.#isHandedOver = true;
    rest.from = this.#at;
    if (this.#isPaused) rest.pauseResponse();
    rest.begin(new RestOfSpan(this.#sink!, rest, span.end - this.#at));
    return true;
  }

  #fail(detail: string): void {
    if (this.#isOver) return;
    this.abort();
    this.#sink!.onUpstreamError(new ProxyError("UPSTREAM_CLOSED", detail));
  }
}
