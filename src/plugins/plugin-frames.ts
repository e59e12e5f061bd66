import { MOST_CAPACITY, MOST_INPUT, PluginError } from "./plugin.ts";

/*
 * What is said between a thread and the process of a plugin, both ways over one pipe:
 *
 *     0        4      5            9
 *     +--------+------+------------+----------------
 *     | length | kind | connection | payload …          little-endian; `length` is the payload's
 *     +--------+------+------------+----------------
 *
 *     thread ─▶ process                      process ─▶ thread
 *     begin   {path, file, config}           begun {name, transforms, filtersRequests} | failed
 *     open    client address
 *     toUpstream, toClient   bytes           bytes | closed | failed
 *     filter  head                           pass | head | status | failed
 *     close
 *
 * Answers come in the order of what they answer, for the process does one thing after the other. `open` and `close` have none.
 */

export const Frame = {
  begin: 1,
  open: 2,
  toUpstream: 3,
  toClient: 4,
  filter: 5,
  close: 6,
  begun: 16,
  bytes: 17,
  closed: 18,
  pass: 19,
  head: 20,
  status: 21,
  failed: 22,
} as const;

/** Most bytes of a payload, by the kinds that may come at all. */
export type FrameLimits = ReadonlyMap<number, number>;

/** Bytes of what a plugin is called, and of what went wrong with it. */
const LONGEST_TEXT = 8 * 1024;
/** Configurations and heads are as long as others let them be. */
const LONGEST_QUESTION = 64 * 1024 * 1024;

/** What a process may be sent. */
export const QUESTIONS: FrameLimits = new Map<number, number>([
  [Frame.begin, LONGEST_QUESTION],
  [Frame.open, LONGEST_TEXT],
  [Frame.toUpstream, MOST_INPUT],
  [Frame.toClient, MOST_INPUT],
  [Frame.filter, LONGEST_QUESTION],
  [Frame.close, 0],
]);

/** What may come from one. */
export const ANSWERS: FrameLimits = new Map<number, number>([
  [Frame.begun, LONGEST_TEXT],
  [Frame.bytes, MOST_CAPACITY],
  [Frame.closed, 0],
  [Frame.pass, 0],
  [Frame.head, MOST_CAPACITY],
  [Frame.status, 2],
  [Frame.failed, LONGEST_TEXT],
]);

export const FRAME_HEAD = 9;

/** Writes a frame's head at the beginning of `target`, where there is room for it. */
export function writeFrameHead(target: Buffer, kind: number, connection: number, length: number): void {
  target.writeUInt32LE(length, 0);
  target[4] = kind;
  target.writeUInt32LE(connection, 5);
}

/** A whole frame, with a copy of the payload. */
export function encodeFrame(kind: number, connection: number, payload: Uint8Array = NOTHING): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + payload.length);
  writeFrameHead(frame, kind, connection, payload.length);
  frame.set(payload, FRAME_HEAD);
  return frame;
}

const NOTHING = Buffer.alloc(0);

/** A text as an answer, cut off where it is too long. */
export function encodeText(kind: number, connection: number, text: string): Buffer {
  return encodeFrame(kind, connection, Buffer.from(text).subarray(0, LONGEST_TEXT));
}

/** @param payload a view of what was pushed, or memory of its own when it came in pieces */
export type FrameTaker = (kind: number, connection: number, payload: Buffer) => void;

/** Finds frames in bytes that come in pieces. Keeps one frame at most. */
export class FrameReader {
  readonly #limits: FrameLimits;
  readonly #take: FrameTaker;
  readonly #head = Buffer.alloc(FRAME_HEAD);
  /** Bytes of the head that are there. */
  #headLength = 0;
  /** The payload that has begun to come; null between frames. */
  #payload: Buffer | null = null;
  #payloadLength = 0;

  constructor(limits: FrameLimits, take: FrameTaker) {
    this.#limits = limits;
    this.#take = take;
  }

  /** @throws PluginError when that is no frame which may come; nothing can be read from there on */
  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#payload !== null) at = this.#goOn(this.#payload, bytes, at);
      else if (this.#headLength === 0 && bytes.length - at >= FRAME_HEAD) at = this.#begin(bytes, at);
      else at = this.#collect(bytes, at);
    }
  }

  /** A head that came in pieces. */
  #collect(bytes: Buffer, at: number): number {
    const end = Math.min(at + FRAME_HEAD - this.#headLength, bytes.length);
    bytes.copy(this.#head, this.#headLength, at, end);
    this.#headLength += end - at;
    if (this.#headLength < FRAME_HEAD) return end;
    const length = this.#check(this.#head, 0);
    if (length === 0) this.#finish(NOTHING);
    else this.#expect(length);
    return end;
  }

  /** A head that is there as a whole. */
  #begin(bytes: Buffer, at: number): number {
    const length = this.#check(bytes, at);
    const start = at + FRAME_HEAD;
    const end = start + length;
    if (end <= bytes.length) {
      this.#take(bytes[at + 4]!, bytes.readUInt32LE(at + 5), bytes.subarray(start, end));
      return end;
    }
    bytes.copy(this.#head, 0, at, start);
    this.#headLength = FRAME_HEAD;
    this.#expect(length);
    return start;
  }

  #expect(length: number): void {
    this.#payload = Buffer.allocUnsafeSlow(length);
    this.#payloadLength = 0;
  }

  #goOn(payload: Buffer, bytes: Buffer, at: number): number {
    const end = Math.min(at + payload.length - this.#payloadLength, bytes.length);
    bytes.copy(payload, this.#payloadLength, at, end);
    this.#payloadLength += end - at;
    if (this.#payloadLength === payload.length) this.#finish(payload);
    return end;
  }

  #finish(payload: Buffer): void {
    this.#headLength = 0;
    this.#payload = null;
    this.#take(this.#head[4]!, this.#head.readUInt32LE(5), payload);
  }

  /** How long the payload is. */
  #check(head: Buffer, at: number): number {
    const length = head.readUInt32LE(at);
    const kind = head[at + 4]!;
    const most = this.#limits.get(kind);
    if (most === undefined) throw new PluginError(`a frame came of kind ${kind}, which doesn't belong here`);
    if (length > most)
      throw new PluginError(`a frame of kind ${kind} came with ${length} bytes; ${most} are the most`);
    return length;
  }
}
