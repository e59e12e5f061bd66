import { ProxyError } from "../../base/errors.ts";
import type { Coding, DecompressSettings } from "./coding-settings.ts";
import { CODING_KINDS, type CodingKind, type CodingStream } from "./codings.ts";
import type { CoderWork } from "./zlib-coder.ts";

/** What a short body may become before it is looked at as a stream. */
const MOST_WHOLE = 256 * 1024;
/** Bytes that a body may always become: a few that are all alike are no attack. */
const HARMLESS = 1024 * 1024;

/** Compresses bodies. */
export class EncodingWork implements CoderWork {
  readonly wholeUpTo: number;
  readonly flushKind: number | null;
  readonly #kind: CodingKind;
  readonly #level: number;

  /** @param flushes whether everything comes out as soon as it went in */
  constructor(coding: Coding, level: number, flushes: boolean) {
    this.#kind = CODING_KINDS[coding];
    this.#level = level;
    this.wholeUpTo = flushes ? -1 : this.#kind.wholeUpTo(level);
    this.flushKind = flushes ? null : this.#kind.flushKind;
  }

  codeWhole(bytes: Buffer): Buffer {
    return this.#kind.encodeWhole(bytes, this.#level);
  }

  open(length: number | null): CodingStream {
    return this.#kind.openEncoder(this.#level, this.flushKind === null, length);
  }

  checkSizes(): void {}

  toError(error: Error): Error {
    return error;
  }
}

/** Decompresses those of servers, which may be anything. */
export class DecodingWork implements CoderWork {
  readonly wholeUpTo: number;
  readonly flushKind: number;
  readonly #coding: Coding;
  readonly #kind: CodingKind;
  readonly #settings: DecompressSettings;

  constructor(coding: Coding, settings: DecompressSettings) {
    this.#coding = coding;
    this.#kind = CODING_KINDS[coding];
    this.#settings = settings;
    this.wholeUpTo = this.#kind.decodesWholeUpTo;
    this.flushKind = this.#kind.flushKind;
  }

  codeWhole(bytes: Buffer): Buffer | null {
    // Some servers say it of nothing at all.
    if (bytes.length === 0) return bytes;
    try {
      return this.#kind.decodeWhole(bytes, Math.min(MOST_WHOLE, this.#settings.maxSize));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") return null;
      throw error;
    }
  }

  open(): CodingStream {
    return this.#kind.openDecoder();
  }

  checkSizes(taken: number, made: number): void {
    const { maxRatio, maxSize } = this.#settings;
    if (made > maxSize) throw new RangeError(`it becomes more than ${maxSize} bytes`);
    if (made > HARMLESS && made > taken * maxRatio)
      throw new RangeError(`it becomes more than ${maxRatio} times as long`);
  }

  toError(cause: Error): Error {
    const detail = `its ${this.#coding} can't be decoded: ${cause.message}`;
    return new ProxyError("UPSTREAM_BAD_RESPONSE", detail, { cause });
  }
}
