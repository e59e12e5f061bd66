import * as zlib from "node:zlib";
import type { Coding } from "./coding-settings.ts";
import { KeptEncoder, roomFor } from "./kept-encoder.ts";

const Z = zlib.constants;

/** A stream of zlib's: works on the thread pool, a piece at a time. */
export type CodingStream = ReturnType<typeof zlib.createGzip | typeof zlib.createZstdCompress>;

/** A coding as Node has it. */
export interface CodingKind {
  /** Bytes up to which a body is coded in one go on the spot: it takes less than 0.5 ms, and a change of threads 0.06. */
  wholeUpTo(level: number): number;
  /** @returns bytes that are good until the next call */
  encodeWhole(bytes: Buffer, level: number): Buffer;
  /**
   * @param flushes whether everything comes out as soon as it went in
   * @param length of the whole body; null: nobody knows
   */
  openEncoder(level: number, flushes: boolean, length: number | null): CodingStream;
  /** What has a stream put out what it holds back. */
  readonly flushKind: number;
  /** Bytes up to which a coded body is decoded in one go on the spot: whatever is in it, that takes less than 0.5 ms. */
  readonly decodesWholeUpTo: number;
  /** @throws RangeError (ERR_BUFFER_TOO_LARGE) when it becomes more than `most` bytes; Error when it is malformed */
  decodeWhole(bytes: Buffer, most: number): Buffer;
  openDecoder(): CodingStream;
}

/** Bytes: a stream that decodes puts so many out at a time. */
const DECODED_PIECE = 64 * 1024;

/** RFC 9659: nobody may send what takes a larger window than 8 MiB. */
const ZSTD_WINDOW = { [Z.ZSTD_d_windowLogMax]: 23 };

/** Bytes: of less zlib makes no pieces. */
const LEAST_PIECE = 64;

/**
 * The window of what is streamed is 512 KiB, with which a stream takes 1.5 MiB. Their own are 4 MiB with brotli and 2 with zstd: only a body that is
 * longer than 512 KiB, and repeats itself from so far back, would gain by that.
 */
const WINDOW_BITS = 19;

/** What a level costs per byte, in steps: the slow ones are no work for the event loop. */
function upTo(steps: readonly (readonly [level: number, bytes: number])[]): (level: number) => number {
  return (level) => steps.find(([most]) => level <= most)?.[1] ?? 0;
}

function brotliOptions(level: number, length: number | null): zlib.BrotliOptions {
  return {
    params: {
      [Z.BROTLI_PARAM_QUALITY]: level,
      [Z.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
      ...(length === null ? {} : { [Z.BROTLI_PARAM_SIZE_HINT]: Math.min(length, 2 ** 30) }),
    },
  };
}

/** @param bits of the window; more than the body needs would only cost memory to clear */
function zstdOptions(level: number, bits: number): zlib.ZstdOptions {
  return { params: { [Z.ZSTD_c_compressionLevel]: level, [Z.ZSTD_c_windowLog]: bits } };
}

/** Of what is coded in one go: no body is longer than 64 KiB. */
const SHORT_WINDOW_BITS = 16;

/** One for each level, in each thread: of gzip 0.3 MiB, of zstd 0.5. */
const keptGzips: KeptEncoder[] = [];
const keptZstds: KeptEncoder[] = [];

function gzipOf(level: number): KeptEncoder {
  keptGzips[level] ??= new KeptEncoder({
    open: () => zlib.createGzip({ level }),
    finish: Z.Z_FINISH,
    resets: true,
    encodeOnce: (bytes) => zlib.gzipSync(bytes, { level }),
  });
  return keptGzips[level];
}

function zstdOf(level: number): KeptEncoder {
  keptZstds[level] ??= new KeptEncoder({
    open: () => zlib.createZstdCompress(zstdOptions(level, SHORT_WINDOW_BITS)),
    finish: Z.ZSTD_e_end,
    resets: false,
    encodeOnce: (bytes) =>
      zlib.zstdCompressSync(bytes, {
        ...zstdOptions(level, SHORT_WINDOW_BITS),
        pledgedSrcSize: bytes.length,
      }),
  });
  return keptZstds[level];
}

/** Kinds by their names. */
export const CODING_KINDS: Readonly<Record<Coding, CodingKind>> = {
  gzip: {
    wholeUpTo: upTo([
      [6, 16 * 1024],
      [9, 8 * 1024],
    ]),
    encodeWhole: (bytes, level) => gzipOf(level).encode(bytes),
    openEncoder: (level, flushes) =>
      zlib.createGzip({ level, flush: flushes ? Z.Z_SYNC_FLUSH : Z.Z_NO_FLUSH }),
    flushKind: Z.Z_SYNC_FLUSH,
    decodesWholeUpTo: 16 * 1024,
    decodeWhole: (bytes, maxOutputLength) => zlib.gunzipSync(bytes, { maxOutputLength }),
    openDecoder: () => zlib.createGunzip({ chunkSize: DECODED_PIECE }),
  },
  br: {
    // Level 9 takes 3 ms for 4 KiB already.
    wholeUpTo: upTo([
      [5, 16 * 1024],
      [8, 8 * 1024],
    ]),
    encodeWhole: (bytes, level) =>
      zlib.brotliCompressSync(bytes, {
        ...brotliOptions(level, bytes.length),
        chunkSize: Math.max(LEAST_PIECE, roomFor(bytes.length)),
      }),
    openEncoder: (level, flushes, length) =>
      zlib.createBrotliCompress({
        ...brotliOptions(level, length),
        flush: flushes ? Z.BROTLI_OPERATION_FLUSH : Z.BROTLI_OPERATION_PROCESS,
      }),
    flushKind: Z.BROTLI_OPERATION_FLUSH,
    // A few bytes may fill all of the window, of 16 MiB, before it can be told to stop: 20 ms.
    decodesWholeUpTo: 0,
    decodeWhole: (bytes, maxOutputLength) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
    openDecoder: () => zlib.createBrotliDecompress({ chunkSize: DECODED_PIECE }),
  },
  zstd: {
    wholeUpTo: upTo([
      [4, 64 * 1024],
      [5, 32 * 1024],
      [7, 16 * 1024],
      [12, 4 * 1024],
    ]),
    encodeWhole: (bytes, level) => zstdOf(level).encode(bytes),
    openEncoder: (level, flushes, length) =>
      zlib.createZstdCompress({
        ...zstdOptions(level, WINDOW_BITS),
        ...(length === null ? {} : { pledgedSrcSize: length }),
        flush: flushes ? Z.ZSTD_e_flush : Z.ZSTD_e_continue,
      }),
    flushKind: Z.ZSTD_e_flush,
    decodesWholeUpTo: 16 * 1024,
    decodeWhole: (bytes, maxOutputLength) =>
      zlib.zstdDecompressSync(bytes, { maxOutputLength, params: ZSTD_WINDOW }),
    openDecoder: () => zlib.createZstdDecompress({ chunkSize: DECODED_PIECE, params: ZSTD_WINDOW }),
  },
};
