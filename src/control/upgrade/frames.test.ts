import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeFrame, FrameError, FrameReader } from "./frames.ts";

describe("frames of an upgrade", () => {
  test("are the same however their bytes are cut", () => {
    const bytes = Buffer.concat([
      encodeFrame({ type: "hello", pid: 7, name: "grüße" }),
      encodeFrame({ type: "estate" }, 3),
    ]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new FrameReader();
      const frames = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))];
      assert.deepEqual(frames, [
        { message: { type: "hello", pid: 7, name: "grüße" }, descriptors: 0 },
        { message: { type: "estate" }, descriptors: 3 },
      ]);
      assert.equal(reader.pending, 0);
    }
  });

  test("come one byte at a time, too", () => {
    const reader = new FrameReader();
    const frames = [...encodeFrame({ type: "go" })].flatMap((byte) => reader.read(Buffer.of(byte)));
    assert.deepEqual(frames, [{ message: { type: "go" }, descriptors: 0 }]);
  });

  test("are refused when they can't be meant", () => {
    const head = (length: number, descriptors: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32LE(length, 0);
      bytes.writeUInt32LE(descriptors, 4);
      return bytes;
    };
    const json = (text: string): Buffer => Buffer.concat([head(text.length, 0), Buffer.from(text)]);
    for (const bytes of [head(2 ** 31, 0), head(2, 70_000), json("{"), json("[]"), json("null"), json("{}")])
      assert.throws(() => new FrameReader().read(bytes), FrameError);
  });

  test("of any bytes are frames or an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          for (const { message } of new FrameReader().read(Buffer.from(bytes)))
            assert.equal(typeof message.type, "string");
        } catch (error) {
          assert.ok(error instanceof FrameError);
        }
      }),
    );
  });
});
