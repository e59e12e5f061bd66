import { FrameType } from "./frames.ts";

/**
 * Where a stream is in its life (RFC 9113 §5.1). Push is off, so there are no reserved streams:
 *
 *            HEADERS             END_STREAM from us            END_STREAM from the peer
 *     Idle ───────────▶ Open ───────────────────▶ LocalEnded ──────────────────────────▶ Closed
 *                        │  └─ END_STREAM from the peer ─▶ RemoteEnded ─ END_STREAM from us ─▶ ▲
 *                        └──────────────────────── RST_STREAM of either ───────────────────────┘
 */
export const StreamState = {
  Idle: 0,
  Open: 1,
  /** Half-closed (local): we have sent everything. */
  LocalEnded: 2,
  /** Half-closed (remote): the peer has. */
  RemoteEnded: 3,
  Closed: 4,
} as const;

export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** How a stream that is gone came to its end. */
export const Ending = {
  /** It isn't remembered: long ago, or never there because a later one was opened before it. */
  Unknown: 0,
  /** Both sides sent END_STREAM. */
  Complete: 1,
  PeerReset: 2,
  WeReset: 3,
} as const;

export type Ending = (typeof Ending)[keyof typeof Ending];

/** What is to be done with a frame that came for a stream. */
export const Verdict = {
  Accept: 0,
  /**
   * Nothing comes of it, but a header block must still be decoded, and DATA still counts for the connection's window: the
   * peer hadn't heard yet that the stream is gone.
   */
  Ignore: 1,
  /** RST_STREAM with STREAM_CLOSED. */
  StreamClosed: 2,
  /** GOAWAY with STREAM_CLOSED. */
  ConnectionStreamClosed: 3,
  /** GOAWAY with PROTOCOL_ERROR. */
  ProtocolError: 4,
} as const;

export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** The state after we have sent END_STREAM. */
export function afterLocalEnd(state: StreamState): StreamState {
  return state === StreamState.RemoteEnded ? StreamState.Closed : StreamState.LocalEnded;
}

/** The state after the peer has sent END_STREAM. */
export function afterRemoteEnd(state: StreamState): StreamState {
  return state === StreamState.LocalEnded ? StreamState.Closed : StreamState.RemoteEnded;
}

/** What a frame of this type means on a stream that is there. */
export function judgeOnStream(state: StreamState, type: number): Verdict {
  if (state === StreamState.RemoteEnded && (type === FrameType.Data || type === FrameType.Headers)) {
    return Verdict.StreamClosed;
  }
  return Verdict.Accept;
}

/** What a frame of this type means on a stream that is gone. */
export function judgeOnClosed(ending: Ending, type: number): Verdict {
  // Window updates and resets cross with whatever ended the stream; priorities mean nothing any more.
  if (type !== FrameType.Data && type !== FrameType.Headers) return Verdict.Ignore;
  if (ending === Ending.WeReset) return Verdict.Ignore;
  if (ending === Ending.PeerReset) return Verdict.StreamClosed;
  if (ending === Ending.Complete) return Verdict.ConnectionStreamClosed;
  // HEADERS on a number that was passed over would open a stream out of order (§5.1.1). DATA may belong to a stream that we
  // have reset and forgotten.
  return type === FrameType.Headers ? Verdict.ProtocolError : Verdict.StreamClosed;
}

/** Streams whose end is remembered, the latest ones: 2 to the power of `PLACE_BITS`. */
const REMEMBERED = 128;
const PLACE_BITS = 7;
/** Bits of an ending. */
const ENDING_BITS = 2;

/** The numbers of one side's streams: which are new, and how the latest that are gone have ended. */
export class StreamNumbers {
  /** The highest number so far, 0 before the first. */
  highest = 0;
  readonly #parity: number;
  /** At the place that the middle bits of a stream's number say, its upper bits and its ending; the later stream has it. */
  #endings: Uint32Array | null = null;

  /** @param side whose streams these are: clients use odd numbers, servers even ones */
  constructor(side: "client" | "server") {
    this.#parity = side === "client" ? 1 : 0;
  }

  /** Whether `id` is one of this side's at all. */
  owns(id: number): boolean {
    return id !== 0 && (id & 1) === this.#parity;
  }

  /** Whether nobody has opened `id`. Push is off, so that the other side never opens any. */
  isIdle(id: number): boolean {
    return id > this.highest || !this.owns(id);
  }

  /** Whether HEADERS with this number open a stream (§5.1.1). */
  isNew(id: number): boolean {
    return id > this.highest && this.owns(id);
  }

  open(id: number): void {
    this.highest = id;
  }

  /** Notes how one of these streams ended. What ended it first counts. */
  close(id: number, ending: Ending): void {
    if (this.endingOf(id) !== Ending.Unknown) return;
    this.#endings ??= new Uint32Array(REMEMBERED);
    this.#endings[placeOf(id)] = (upperBits(id) << ENDING_BITS) | ending;
  }

  /** How one of these streams that is gone has ended. */
  endingOf(id: number): Ending {
    const word = this.#endings === null ? 0 : this.#endings[placeOf(id)]!;
    if (word >>> ENDING_BITS !== upperBits(id)) return Ending.Unknown;
    return (word & ((1 << ENDING_BITS) - 1)) as Ending;
  }
}

/** The lowest bit is the same for all streams of a side. */
function placeOf(id: number): number {
  return (id >>> 1) & (REMEMBERED - 1);
}

function upperBits(id: number): number {
  return id >>> (1 + PLACE_BITS);
}
