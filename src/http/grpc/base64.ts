/** Bytes of one group of four characters. */
const GROUP = 3;

/**
 * Bytes as base64 text, piece by piece. What doesn't fill a group is kept for the next piece, two bytes at most, or
 * sent at once with padding where a reader waits for it: text of gRPC-Web may be padded anywhere.
 */
export class Base64Encoder {
  readonly #kept: Buffer = Buffer.alloc(GROUP - 1);
  #size = 0;

  /** @param isFlushed whether the text is to have all bytes that came so far */
  encode(bytes: Buffer, start: number, end: number, isFlushed: boolean): string {
    const total = this.#size + end - start;
    const whole = isFlushed ? total : total - (total % GROUP);
    if (whole === 0) {
      this.#keep(bytes, start, end);
      return "";
    }
    // The first group is made of what was kept and of what completes it.
    const head = this.#size === 0 ? 0 : Math.min(GROUP - this.#size, end - start);
    let text = "";
    if (this.#size > 0) {
      const group = Buffer.concat([this.#kept.subarray(0, this.#size), bytes.subarray(start, start + head)]);
      text = group.toString("base64");
      this.#size = 0;
    }
    const from = start + head;
    const to = isFlushed ? end : end - ((end - from) % GROUP);
    if (to > from) text += bytes.toString("base64", from, to);
    this.#keep(bytes, to, end);
    return text;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    bytes.copy(this.#kept, this.#size, start, end);
    this.#size += end - start;
  }
}

/** Values of characters; 64 for `=`, 255 for what doesn't belong there. */
const VALUES = new Uint8Array(256).fill(255);
for (const [value, char] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries())
  VALUES[char.charCodeAt(0)] = value;
const PAD = 64;
VALUES["=".charCodeAt(0)] = PAD;

/** Base64 text as bytes, piece by piece, with padding wherever a group ends. It keeps less than a group. */
export class Base64Decoder {
  /** The values of the group that isn't whole, six bits each, and how many. */
  #bits = 0;
  #count = 0;
  #pads = 0;

  /** True when no group is begun: text may end here. */
  get isWhole(): boolean {
    return this.#count === 0;
  }

  /** @returns null when it is no base64 */
  decode(text: Buffer, start: number, end: number): Buffer | null {
    const bytes = Buffer.allocUnsafe((((this.#count + end - start) >> 2) + 1) * GROUP);
    let size = 0;
    for (let at = start; at < end; at++) {
      const value = VALUES[text[at]!]!;
      if (!this.#take(value)) return null;
      if (this.#count < 4) continue;
      const ended = this.#endGroup(bytes, size);
      if (ended === -1) return null;
      size = ended;
    }
    return bytes.subarray(0, size);
  }

  /** False for what can't stand there: only the last two of a group may be padding, and nothing follows it. */
  #take(value: number): boolean {
    if (value > PAD) return false;
    const isPad = value === PAD;
    if (isPad ? this.#count < 2 : this.#pads > 0) return false;
    if (isPad) this.#pads++;
    this.#bits = (this.#bits << 6) | (isPad ? 0 : value);
    this.#count++;
    return true;
  }

  /** Writes a whole group; -1 when bits are set that padding leaves to nobody (RFC 4648 §3.5). */
  #endGroup(bytes: Buffer, at: number): number {
    const bits = this.#bits;
    const length = GROUP - this.#pads;
    this.#bits = 0;
    this.#count = 0;
    this.#pads = 0;
    if ((bits & ((1 << (8 * (GROUP - length))) - 1)) !== 0) return -1;
    bytes[at] = bits >> 16;
    if (length > 1) bytes[at + 1] = bits >> 8;
    if (length > 2) bytes[at + 2] = bits;
    return at + length;
  }
}
