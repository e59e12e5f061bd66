import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_FRAME_LIMITS } from "../../src/http2/frame-reader.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { CLIENT_PREFACE } from "../../src/http2/preface.ts";
import { frame, readPieces } from "../kit/http2-frames.ts";
import { readPlainly } from "./plain-frame-reader.ts";
import { Random } from "./random.ts";

/*
 * FUZZ_ITERATIONS=1000000 FUZZ_SEED=7 node --test test/fuzz/http2-frames.test.ts
 *
 * A failure names its iteration's seed; FUZZ_SEED with it and FUZZ_ITERATIONS=1 repeat it alone.
 */
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 20_000);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);

/** Small, so that they are met. */
const LIMITS = { ...DEFAULT_FRAME_LIMITS, frameSize: 100, blockBytes: 150, continuations: 4 };
const TYPES = Object.values(FrameType);
/** Payloads that have a meaning for some frame. */
const SIZES = [0, 1, 4, 5, 6, 8, 12, 18, 64, 65, 100];

function anyBytes(random: Random, size: number): Buffer {
  const isQuiet = random.below(2) === 0;
  return Buffer.from(Array.from({ length: size }, () => random.below(isQuiet ? 4 : 256)));
}

/** The length that a type usually has. */
function usualSize(type: number, random: Random): number {
  if (type === FrameType.Priority) return 5;
  if (type === FrameType.ResetStream || type === FrameType.WindowUpdate) return 4;
  if (type === FrameType.Ping) return 8;
  if (type === FrameType.Settings) return 6 * random.below(3);
  return random.below(40);
}

function anyFrame(random: Random): Buffer {
  const type = random.below(10) === 0 ? random.below(256) : TYPES[random.below(TYPES.length)]!;
  const isConnections = [FrameType.Settings, FrameType.Ping, FrameType.Goaway].includes(type as 4 | 6 | 7);
  const streamId = isConnections === random.below(20) > 0 ? 0 : 1 + random.below(5);
  const flags =
    random.below(5) === 0 ? random.below(256) : random.below(3) === 0 ? 0 : 0x04 | random.below(2);
  const isOdd = random.below(10) === 0;
  const size = isOdd ? SIZES[random.below(SIZES.length)]! : usualSize(type, random);
  const isAck = type === FrameType.Settings && (flags & 1) !== 0;
  return frame(type, flags, streamId, anyBytes(random, isAck && !isOdd ? 0 : size));
}

/** A header block that goes on, or one that is interrupted. */
function anyBlock(random: Random): Buffer {
  const frames = [frame(FrameType.Headers, random.below(2), 3, anyBytes(random, random.below(30)))];
  for (let i = random.below(6); i >= 0; i--) {
    const flags = i === 0 ? 0x04 : 0;
    const isStray = random.below(30) === 0;
    frames.push(frame(FrameType.Continuation, flags, isStray ? 5 : 3, anyBytes(random, random.below(60))));
  }
  return Buffer.concat(frames);
}

function anyConversation(random: Random, role: "server" | "client"): Buffer {
  const start = role === "server" ? [CLIENT_PREFACE] : [];
  const frames = [...start, frame(FrameType.Settings, 0, 0, anyBytes(random, 6 * random.below(3)))];
  for (let i = random.below(12); i > 0; i--)
    frames.push(random.below(4) === 0 ? anyBlock(random) : anyFrame(random));
  const bytes = Buffer.concat(frames);
  for (let i = random.below(4) - 1; i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const count = random.below(4) === 0 ? bytes.length : random.below(6);
  const places = Array.from({ length: count }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

describe("frames of all kinds, whole and broken, in one piece and many", () => {
  for (const role of ["server", "client"] as const) {
    test(`are read by a ${role} as a plain reader reads them`, () => {
      let ended = 0;
      let lines = 0;
      for (let i = 0; i < iterations; i++) {
        const seed = firstSeed + i;
        const random = new Random(seed);
        const bytes = anyConversation(random, role);
        const context = `seed ${seed}: ${bytes.toString("hex")}`;
        const expected = readPlainly(role, bytes, LIMITS);
        assert.deepEqual(readPieces(role, [bytes], LIMITS), expected, context);
        assert.deepEqual(readPieces(role, cut(bytes, random), LIMITS), expected, context);
        lines += expected.length;
        if (expected.at(-1)?.startsWith("connection error") === true) ended++;
      }
      // A fuzzer whose mutations break everything, or nothing, tests nothing.
      if (iterations >= 1000) {
        assert.ok(ended > iterations / 5 && ended < iterations * 0.95, `${ended} of ${iterations} ended`);
        assert.ok(lines > iterations * 3, `${lines} lines`);
      }
    });
  }

  test("bytes without any sense do no harm", () => {
    for (let i = 0; i < iterations; i++) {
      const random = new Random(firstSeed + i);
      const bytes = anyBytes(random, random.below(200));
      assert.deepEqual(
        readPieces("client", cut(bytes, random), LIMITS),
        readPlainly("client", bytes, LIMITS),
      );
    }
  });
});
