/**
 * What two processes say to each other during an upgrade: JSON behind a head that tells its length, and how many
 * descriptors come along.
 *
 *     length of the JSON (4, lower byte first) · number of descriptors (4) · JSON in UTF-8
 */
export interface Frame {
  readonly message: Message;
  readonly descriptors: number;
}

/** Anything with a `type`: who gets it asks for the fields that it needs. */
export interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

const HEAD = 8;
/** Bytes. A hand-over tells of every listener and every server, some hundred bytes each. */
const MOST_BYTES = 64 * 1024 * 1024;
/** A socket for each of 256 threads and many listeners. */
const MOST_DESCRIPTORS = 1 << 16;

/** What was said breaks the rules; nothing that comes after it can be understood. */
export class FrameError extends Error {
  constructor(message: string) {
    super(`What the other process says is no message of an upgrade: ${message}`);
    this.name = "FrameError";
  }
}

export function encodeFrame(message: Message, descriptors: number = 0): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(json.length, 0);
  head.writeUInt32LE(descriptors, 4);
  return Buffer.concat([head, json]);
}

/** Bytes in, frames out, however the bytes are cut. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Keeps `bytes`; returns what is whole with them. @throws FrameError */
  read(bytes: Buffer): Frame[] {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  /** Bytes of a frame that isn't whole. */
  get pending(): number {
    return this.#length;
  }

  #next(): Frame | null {
    if (this.#length < HEAD) return null;
    const head = this.#peek(HEAD);
    const size = head.readUInt32LE(0);
    const descriptors = head.readUInt32LE(4);
    if (size > MOST_BYTES) throw new FrameError(`${size} bytes are too many`);
    if (descriptors > MOST_DESCRIPTORS) throw new FrameError(`${descriptors} descriptors are too many`);
    if (this.#length < HEAD + size) return null;
    const frame = this.#peek(HEAD + size);
    this.#pieces = [frame.subarray(HEAD + size), ...this.#pieces.slice(1)];
    this.#length -= HEAD + size;
    return { message: toMessage(frame.subarray(HEAD, HEAD + size)), descriptors };
  }

  /** All bytes in one piece, if `wanted` of them aren't in the first. */
  #peek(wanted: number): Buffer {
    if (this.#pieces[0]!.length < wanted) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!;
  }
}

function toMessage(json: Buffer): Message {
  const value = parse(json);
  if (typeof value !== "object" || value === null || typeof (value as { type?: unknown }).type !== "string")
    throw new FrameError("it has no type");
  return value as Message;
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString());
  } catch (error) {
    throw new FrameError((error as Error).message);
  }
}
