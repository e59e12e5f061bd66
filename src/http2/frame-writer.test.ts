import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { frame, readPieces, SERVER_START, uint32 } from "../../test/kit/http2-frames.ts";
import { Http2Error, nameOfHttp2Error } from "./error-codes.ts";
import {
  closeHeaders,
  goawaySize,
  headersSize,
  PING_FRAME,
  RESET_FRAME,
  settingsSize,
  WINDOW_UPDATE_FRAME,
  writeDataHead,
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "./frame-writer.ts";
import { FRAME_HEAD, FrameFlag, FrameType, MAX_31_BITS } from "./frames.ts";

const BEFORE = 5;

/** What `write` wrote, which must be `size` bytes, nothing beside them touched. */
function written(size: number, write: (out: Buffer, at: number) => number): Buffer {
  const out = Buffer.alloc(BEFORE + size + 5, 0xaa);
  assert.equal(write(out, BEFORE), BEFORE + size);
  const around = Buffer.concat([out.subarray(0, BEFORE), out.subarray(BEFORE + size)]);
  assert.deepEqual(around, Buffer.alloc(10, 0xaa));
  return Buffer.from(out.subarray(BEFORE, BEFORE + size));
}

function headers(block: Buffer, streamId: number, isEnd: boolean, frameSize: number): Buffer {
  return written(headersSize(block.length, frameSize), (out, at) => {
    const end = at + FRAME_HEAD + block.copy(out, at + FRAME_HEAD);
    return closeHeaders(out, at, end, streamId, isEnd, frameSize);
  });
}

describe("a written frame", () => {
  test("of DATA has its head before the payload", () => {
    const head = written(FRAME_HEAD, (out, at) => writeDataHead(out, at, 0x123456, MAX_31_BITS, true));
    assert.deepEqual([...head], [0x12, 0x34, 0x56, 0, 1, 0x7f, 0xff, 0xff, 0xff]);
    const open = written(FRAME_HEAD, (out, at) => writeDataHead(out, at, 1, 3, false));
    assert.deepEqual(Buffer.concat([open, Buffer.from("x")]), frame(FrameType.Data, 0, 3, "x"));
  });

  test("of the other kinds is what the RFC draws", () => {
    assert.deepEqual(
      written(settingsSize(2), (out, at) =>
        writeSettings(out, at, [
          [3, 100],
          [0xabcd, 0xfedcba98],
        ]),
      ),
      frame(FrameType.Settings, 0, 0, "\0\x03\0\0\0\x64\xab\xcd\xfe\xdc\xba\x98"),
    );
    assert.deepEqual(written(FRAME_HEAD, writeSettingsAck), frame(FrameType.Settings, FrameFlag.Ack, 0));
    const payload = Buffer.from("..12345678..");
    assert.deepEqual(
      written(PING_FRAME, (out, at) => writePing(out, at, payload, 2, true)),
      frame(FrameType.Ping, FrameFlag.Ack, 0, "12345678"),
    );
    assert.deepEqual(
      written(WINDOW_UPDATE_FRAME, (out, at) => writeWindowUpdate(out, at, 7, MAX_31_BITS)),
      frame(FrameType.WindowUpdate, 0, 7, uint32(MAX_31_BITS)),
    );
    assert.deepEqual(
      written(RESET_FRAME, (out, at) => writeReset(out, at, 9, Http2Error.Cancel)),
      frame(FrameType.ResetStream, 0, 9, uint32(8)),
    );
    assert.deepEqual(
      written(goawaySize("why"), (out, at) => writeGoaway(out, at, MAX_31_BITS, 1, "why")),
      frame(FrameType.Goaway, 0, 0, Buffer.concat([uint32(MAX_31_BITS, 1), Buffer.from("why")])),
    );
  });
});

describe("header blocks", () => {
  test("in one frame stay where they are", () => {
    const block = Buffer.from("block");
    const flags = FrameFlag.EndHeaders | FrameFlag.EndStream;
    assert.deepEqual(headers(block, 3, true, 5), frame(FrameType.Headers, flags, 3, "block"));
    assert.deepEqual(
      headers(Buffer.alloc(0), 3, false, 5),
      frame(FrameType.Headers, FrameFlag.EndHeaders, 3),
    );
  });

  test("over the frame size go on in CONTINUATION", () => {
    assert.deepEqual(
      headers(Buffer.from("abcdefgh"), 3, true, 3),
      Buffer.concat([
        frame(FrameType.Headers, FrameFlag.EndStream, 3, "abc"),
        frame(FrameType.Continuation, 0, 3, "def"),
        frame(FrameType.Continuation, FrameFlag.EndHeaders, 3, "gh"),
      ]),
    );
    assert.deepEqual(
      headers(Buffer.from("abcdef"), 3, false, 3),
      Buffer.concat([
        frame(FrameType.Headers, 0, 3, "abc"),
        frame(FrameType.Continuation, FrameFlag.EndHeaders, 3, "def"),
      ]),
    );
  });
});

interface Written {
  readonly bytes: Buffer;
  readonly lines: readonly string[];
}

const streamId = fc.integer({ min: 1, max: MAX_31_BITS });
const text = fc.string({ unit: "binary-ascii", maxLength: 60 });
const number32 = fc.integer({ min: 0, max: 0xffffffff });

const anyFrame: fc.Arbitrary<Written> = fc.oneof(
  fc.tuple(streamId, text, fc.boolean()).map(([id, body, isEnd]): Written => {
    const head = written(FRAME_HEAD, (out, at) => writeDataHead(out, at, body.length, id, isEnd));
    return {
      bytes: Buffer.concat([head, Buffer.from(body)]),
      lines: [`data ${id} length ${body.length} padding 0`, `  "${body}"${isEnd ? " end" : ""}`],
    };
  }),
  fc
    .tuple(streamId, text, fc.boolean(), fc.integer({ min: 5, max: 70 }))
    .map(([id, block, isEnd, size]): Written => {
      const bytes = headers(Buffer.from(block), id, isEnd, size);
      return { bytes, lines: [`headers ${id} "${block}"${isEnd ? " end" : ""}`] };
    }),
  fc.array(fc.tuple(fc.integer({ min: 0, max: 0xffff }), number32), { maxLength: 5 }).map((list): Written => {
    const bytes = written(settingsSize(list.length), (out, at) => writeSettings(out, at, list));
    return { bytes, lines: [...list.map(([id, value]) => `setting ${id} ${value}`), "settings end"] };
  }),
  fc.tuple(streamId, fc.integer({ min: 1, max: MAX_31_BITS })).map(([id, increment]): Written => {
    const bytes = written(WINDOW_UPDATE_FRAME, (out, at) => writeWindowUpdate(out, at, id, increment));
    return { bytes, lines: [`window ${id} +${increment}`] };
  }),
  fc.tuple(streamId, number32).map(([id, code]): Written => {
    const bytes = written(RESET_FRAME, (out, at) => writeReset(out, at, id, code));
    return { bytes, lines: [`reset ${id} ${nameOfHttp2Error(code)}`] };
  }),
  fc
    .tuple(
      streamId,
      number32,
      text.map((why) => why.slice(0, 50)),
    )
    .map(([id, code, why]): Written => {
      const bytes = written(goawaySize(why), (out, at) => writeGoaway(out, at, id, code, why));
      return { bytes, lines: [`goaway ${id} ${nameOfHttp2Error(code)} "${why}"`] };
    }),
  fc
    .tuple(fc.string({ unit: "binary-ascii", minLength: 8, maxLength: 8 }), fc.boolean())
    .map(([opaque, isAck]): Written => {
      const bytes = written(PING_FRAME, (out, at) => writePing(out, at, Buffer.from(opaque), 0, isAck));
      return { bytes, lines: [`ping ${isAck ? "ack " : ""}${opaque}`] };
    }),
);

test("whatever is written is read again, however it is cut", () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 12, size: "max" }), cuts, (frames, places) => {
      const bytes = Buffer.concat([SERVER_START, ...frames.map((one) => one.bytes)]);
      const offsets = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
      const pieces = [0, ...offsets].map((from, i) => bytes.subarray(from, offsets[i] ?? bytes.length));
      const expected = ["settings end", ...frames.flatMap((one) => one.lines)];
      assert.deepEqual(readPieces("client", pieces), expected);
    }),
    { numRuns: 500 },
  );
});

test("names of errors are the RFC's", () => {
  assert.equal(nameOfHttp2Error(Http2Error.NoError), "NO_ERROR");
  assert.equal(nameOfHttp2Error(Http2Error.EnhanceYourCalm), "ENHANCE_YOUR_CALM");
  assert.equal(nameOfHttp2Error(Http2Error.Http11Required), "HTTP_1_1_REQUIRED");
  assert.equal(nameOfHttp2Error(14), "0xe");
});
