/** Of a message's six numbers: which it is, what it says of itself, and how many of each kind follow. */
export type MessageHead = readonly [
  id: number,
  flags: number,
  questions: number,
  answers: number,
  authorities: number,
  additionals: number,
];

/** Longest name, in bytes, with the length of each label and that of the root (RFC 1035 §2.3.4). */
const LONGEST_NAME = 255;

/** The two highest bits of a label's length: both set is a pointer, one alone means nothing. */
const POINTER = 0xc0;

/** Reads a message of the DNS (RFC 1035 §4.1) from front to back. Whatever isn't there or makes no sense is a RangeError. */
export class MessageReader {
  /** Where is read next. */
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  readHead(): MessageHead {
    const next = (): number => this.readU16();
    return [next(), next(), next(), next(), next(), next()];
  }

  readU16(): number {
    const value = this.#view.getUint16(this.at);
    this.at += 2;
    return value;
  }

  readU32(): number {
    const value = this.#view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  readBytes(length: number): Uint8Array {
    const start = this.at;
    this.skipTo(start + length);
    return this.#bytes.subarray(start, this.at);
  }

  skipTo(end: number): void {
    if (end > this.#bytes.length) throw new RangeError("The message ends too early");
    this.at = end;
  }

  /**
   * Labels with dots between them, "" for the root. A name may end in a pointer to one that stood before it; as each
   * pointer has to lead further to the front, that comes to an end.
   */
  readName(): string {
    const labels: string[] = [];
    let start = this.at;
    let after = 0;
    let length = 1;
    for (let size = this.#readU8(); size !== 0; size = this.#readU8()) {
      if ((size & POINTER) === POINTER) {
        const target = ((size & ~POINTER) << 8) | this.#readU8();
        if (target >= start) throw new RangeError("A name leads to one behind it");
        after ||= this.at;
        start = target;
        this.at = target;
        continue;
      }
      length += size + 1;
      if (size > 63 || length > LONGEST_NAME) throw new RangeError("A name is too long");
      labels.push(formatLabel(this.readBytes(size)));
    }
    if (after !== 0) this.at = after;
    return labels.join(".");
  }

  #readU8(): number {
    return this.#view.getUint8(this.at++);
  }
}

/** Bytes that can't be told from something else as text are written as their number (RFC 1035 §5.1). */
function formatLabel(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return text.replace(/[^!-~]|[.\\]/g, (one) => `\\${one.charCodeAt(0).toString().padStart(3, "0")}`);
}
