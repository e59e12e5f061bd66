import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import { until } from "../../../test/kit/deadline.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import type { CoderOwner } from "../../proxy/body-coder.ts";
import { CODINGS, type Coding, DEFAULT_LEVELS } from "./coding-settings.ts";
import { CODING_KINDS, type CodingStream } from "./codings.ts";
import { type CoderWork, ZlibCoder } from "./zlib-coder.ts";

const DECODERS: Readonly<Record<Coding, (bytes: Buffer) => Buffer>> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
};

/** Whose body is coded: keeps what comes out. */
class Owner implements CoderOwner {
  readonly pieces: Buffer[] = [];
  isEnded = false;
  isBusy = false;
  error: Error | null = null;

  onCoded(bytes: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  onCodedEnd(): void {
    this.isEnded = true;
  }

  onCoderBusy(): void {
    this.isBusy = true;
  }

  onCoderIdle(): void {
    this.isBusy = false;
  }

  onCoderFailed(error: Error): void {
    this.error = error;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  ended(): Promise<unknown> {
    return until("the body is coded", () => this.isEnded);
  }
}

class Rig {
  readonly owner = new Owner();
  readonly clock = new ManualAlarmClock();
  readonly streams: CodingStream[] = [];
  readonly coder: ZlibCoder;

  constructor(coding: Coding, work: Partial<CoderWork> = {}, length: number | null = null) {
    const kind = CODING_KINDS[coding];
    const whole: CoderWork = {
      wholeUpTo: 1024,
      codeWhole: (bytes) => kind.encodeWhole(bytes, DEFAULT_LEVELS[coding]),
      open: () => {
        const stream = kind.openEncoder(DEFAULT_LEVELS[coding], false, null);
        this.streams.push(stream);
        return stream;
      },
      flushKind: kind.flushKind,
      checkSizes: () => undefined,
      toError: (error) => error,
      ...work,
    };
    this.coder = new ZlibCoder(this.owner, whole, this.clock, length);
  }

  push(text: string | Buffer): void {
    const bytes = Buffer.from(text);
    this.coder.push(bytes, 0, bytes.length);
    // It was borrowed.
    bytes.fill(0);
  }
}

for (const coding of CODINGS) {
  describe(coding, () => {
    test("codes a short body at once when all of it came", () => {
      const rig = new Rig(coding);
      rig.push("hello ");
      rig.push("world");
      assert.equal(rig.owner.pieces.length, 0);
      rig.coder.end();
      assert.ok(rig.owner.isEnded);
      assert.equal(DECODERS[coding](rig.owner.bytes).toString(), "hello world");
      assert.equal(rig.streams.length, 0);
    });

    test("codes a short body where it lies when all of it comes at once", () => {
      const rig = new Rig(coding, {}, 11);
      rig.push("hello world");
      assert.equal(DECODERS[coding](rig.owner.bytes).toString(), "hello world");
      assert.ok(!rig.owner.isEnded);
      rig.coder.end();
      assert.ok(rig.owner.isEnded);
      assert.equal(rig.owner.pieces.length, 1);
    });

    test("waits for all of a short body, however many pieces it comes in", () => {
      const rig = new Rig(coding, { wholeUpTo: 100_000 }, 90_000);
      for (let i = 0; i < 3; i++) rig.push(Buffer.alloc(30_000, `${i}`));
      assert.deepEqual([rig.owner.isBusy, rig.owner.pieces.length], [false, 0]);
      rig.coder.end();
      assert.ok(rig.owner.isEnded);
      assert.equal(DECODERS[coding](rig.owner.bytes).length, 90_000);
      assert.equal(rig.streams.length, 0);
    });

    test("codes a body of nothing", () => {
      const rig = new Rig(coding);
      rig.coder.end();
      assert.ok(rig.owner.isEnded);
      assert.equal(DECODERS[coding](rig.owner.bytes).length, 0);
    });

    test("codes a longer one by a stream", async () => {
      const rig = new Rig(coding);
      const pieces = Array.from({ length: 300 }, (_, i) => `${i} `.repeat(100));
      for (const [i, piece] of pieces.entries()) {
        rig.push(piece);
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      rig.coder.end();
      await rig.owner.ended();
      const expected = pieces.join("");
      assert.equal(DECODERS[coding](rig.owner.bytes).toString(), expected);
      assert.equal(rig.streams.length, 1);
    });

    test("holds nothing back when the sender pauses", async () => {
      const rig = new Rig(coding);
      const decoder = CODING_KINDS[coding].openDecoder();
      let decoded = "";
      decoder.on("data", (piece: Buffer) => {
        decoded += piece.toString();
      });
      for (const word of ["one ", "two ", "three"]) {
        rig.push(word);
        rig.clock.advance(9);
        const known = rig.owner.pieces.length;
        rig.clock.advance(1);
        let written = known;
        await until("it can be read", () => {
          for (; written < rig.owner.pieces.length; written++) decoder.write(rig.owner.pieces[written]!);
          return decoded.endsWith(word);
        });
      }
      rig.coder.end();
      await rig.owner.ended();
      assert.equal(DECODERS[coding](rig.owner.bytes).toString(), "one two three");
      decoder.destroy();
    });

    test("has a fast sender held, and let go", async () => {
      const rig = new Rig(coding);
      const piece = Buffer.alloc(64 * 1024, "0123456789");
      let pushed = 0;
      for (; !rig.owner.isBusy; pushed++) rig.push(piece);
      assert.ok(pushed < 10, `${pushed}`);
      await until("it goes on", () => !rig.owner.isBusy);
      rig.coder.end();
      await rig.owner.ended();
      assert.equal(DECODERS[coding](rig.owner.bytes).length, pushed * piece.length);
    });

    test("decodes what comes in any pieces", async () => {
      const kind = CODING_KINDS[coding];
      const text = "decoded ".repeat(5_000);
      const coded = kind.encodeWhole(Buffer.from(text), DEFAULT_LEVELS[coding]);
      const rig = new Rig(coding, { wholeUpTo: 4, open: () => kind.openDecoder() });
      for (let at = 0; at < coded.length; at += 7) {
        rig.push(coded.subarray(at, at + 7));
        if (at % 21 === 0) rig.clock.advance(10);
      }
      rig.coder.end();
      await rig.owner.ended();
      assert.equal(rig.owner.bytes.toString(), text);
    });

    test("reports what can't be decoded, and no more than once", async () => {
      const kind = CODING_KINDS[coding];
      const rig = new Rig(coding, { flushKind: null, open: () => kind.openDecoder() });
      rig.push("\xff this is no coded text at all, but some other");
      await until("it fails", () => rig.owner.error !== null);
      rig.push("more");
      rig.coder.end();
      assert.ok(!rig.owner.isEnded);
    });
  });
}

test("what is stopped lets go of its stream and says nothing more", async () => {
  const rig = new Rig("gzip");
  rig.push(Buffer.alloc(200_000, "x"));
  const closed = once(rig.streams[0]!, "close");
  rig.coder.stop();
  await closed;
  rig.push("more");
  rig.coder.end();
  rig.clock.advance(1_000);
  assert.deepEqual([rig.owner.pieces.length, rig.owner.isEnded, rig.owner.error], [0, false, null]);
});

test("while it is paused nothing comes out, and no more than a little is made", async () => {
  const kind = CODING_KINDS.gzip;
  const bomb = zlib.gzipSync(Buffer.alloc(16 * 1024 * 1024));
  let stream: CodingStream | null = null;
  const rig = new Rig("gzip", {
    wholeUpTo: 1024 * 1024,
    codeWhole: () => null,
    open: () => {
      stream = kind.openDecoder();
      return stream;
    },
  });
  rig.coder.pause();
  rig.push(bomb);
  rig.coder.end();
  await until("it is decoded in part", () => stream!.readableLength > 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(rig.owner.pieces.length, 0);
  assert.ok(stream!.readableLength <= 256 * 1024, `${stream!.readableLength}`);
  rig.coder.resume();
  await rig.owner.ended();
  assert.equal(rig.owner.bytes.length, 16 * 1024 * 1024);
});

test("what becomes too much is given up", async () => {
  const rig = new Rig("gzip", {
    flushKind: null,
    open: () => CODING_KINDS.gzip.openDecoder(),
    checkSizes: (taken, made) => {
      if (made > taken * 10) throw new RangeError("too much");
    },
  });
  rig.push(zlib.gzipSync(Buffer.alloc(1024 * 1024)));
  await until("it fails", () => rig.owner.error !== null);
  assert.equal(rig.owner.error?.message, "too much");
});

test("a window that nobody may ask for is refused, however short the body", async () => {
  const encoder = zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_windowLog]: 24 } });
  encoder.write("short");
  await new Promise((resolve) => encoder.flush(() => resolve(null)));
  encoder.end();
  const wide = Buffer.concat(await encoder.toArray());
  assert.throws(() => CODING_KINDS.zstd.decodeWhole(wide, 1024), /too much memory/);
});
