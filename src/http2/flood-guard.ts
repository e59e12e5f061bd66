import { Http2Error } from "./error-codes.ts";
import { FLOOD_KINDS, Flood, type FloodRules } from "./flood-limits.ts";
import { FRAME_HEAD } from "./frames.ts";

/** What a connection can be ended for; `Headers` is a header block in too many frames, or over what is taken of one. */
export type FloodKind = keyof typeof Flood | "Headers";

/** DATA that may come on streams that were reset, once, beyond what their windows allowed. */
const STRAY_ROOM = 1024 * 1024;

/** What may cross a reset of ours, besides DATA: a head, trailers, a reset. */
const STRAY_FRAMES = 3;

/** Window updates that one DATA frame of ours may call for: of the stream and the connection, in small steps. */
const UPDATES_PER_DATA = 8;
/** Bytes of frame head and padding that one byte of payload pays for: frames of three bytes and more are never too many. */
const OVERHEAD_PER_BYTE = 4;

/** What of an allowance is used up. */
const USED = 0;
/** When that was worked out last. */
const SINCE = 1;
const STRIDE = 2;

/**
 * Counts what a peer does on one connection that is allowed, cheap for it and not for us. Each kind has a bucket of
 * allowances that fills with time; an empty one is a flood, and the verdict ENHANCE_YOUR_CALM, with which the connection is to
 * be ended. Time comes in as milliseconds of any clock that doesn't go back.
 */
export class FloodGuard {
  readonly #rules: FloodRules;
  /** For each kind `USED` and `SINCE`, in one array: a connection that does nothing has one of these too. */
  readonly #notes: Float64Array = new Float64Array(FLOOD_KINDS.length * STRIDE);
  /** The kind that was too much first, null while there is none. */
  flood: keyof typeof Flood | null = null;
  #strayRoom = STRAY_ROOM;

  constructor(rules: FloodRules) {
    this.#rules = rules;
  }

  /** The peer did something of this kind, which isn't DATA. */
  count(kind: Flood, now: number): Http2Error {
    return this.#use(kind, 1, now);
  }

  /** @param payload bytes of DATA; @param padding with the byte of its length */
  countData(payload: number, padding: number, isEndStream: boolean, now: number): Http2Error {
    const balance = payload * OVERHEAD_PER_BYTE - FRAME_HEAD - padding;
    if (balance >= 0) {
      this.#pay(Flood.TinyData, balance);
      return Http2Error.NoError;
    }
    if (payload === 0) {
      // An end without bytes is how many clients end a stream.
      if (isEndStream && padding === 0) return Http2Error.NoError;
      const verdict = this.count(Flood.EmptyData, now);
      if (verdict !== Http2Error.NoError) return verdict;
    }
    return this.#use(Flood.TinyData, -balance, now);
  }

  /** A stream ended as it should, with all of its request and its response. The peer's reset may be on its way nevertheless. */
  streamEnded(): void {
    this.#pay(Flood.PeerReset, 1);
    this.#pay(Flood.OwnReset, 1);
    this.#pay(Flood.Ignored, 1);
  }

  /** We have reset a stream on which the peer may have sent so much more before it hears of that, with heads around it. */
  streamReset(window: number): void {
    this.#strayRoom += window;
    this.#pay(Flood.Ignored, STRAY_FRAMES);
  }

  /** Counts DATA on such a stream. False when it is more than can have been on its way: a peer that goes on has us read it for nothing. */
  takesStray(length: number): boolean {
    this.#strayRoom -= length;
    return this.#strayRoom >= 0;
  }

  /** We sent a DATA frame. */
  dataSent(): void {
    this.#pay(Flood.WindowUpdate, UPDATES_PER_DATA);
  }

  /** Everything that we wrote so far is out. */
  answersWritten(): void {
    this.#notes[Flood.UnreadAnswers * STRIDE + USED] = 0;
  }

  #pay(kind: Flood, allowances: number): void {
    const at = kind * STRIDE + USED;
    const used = this.#notes[at]!;
    if (used > 0) this.#notes[at] = Math.max(0, used - allowances);
  }

  #use(kind: Flood, allowances: number, now: number): Http2Error {
    const notes = this.#notes;
    const at = kind * STRIDE;
    const { bursts, rates } = this.#rules;
    const recovered = (now - notes[at + SINCE]!) * rates[kind]!;
    const used = Math.max(0, notes[at + USED]! - recovered) + allowances;
    notes[at + USED] = used;
    notes[at + SINCE] = now;
    if (used <= bursts[kind]!) return Http2Error.NoError;
    this.flood ??= FLOOD_KINDS[kind]!;
    return Http2Error.EnhanceYourCalm;
  }
}
