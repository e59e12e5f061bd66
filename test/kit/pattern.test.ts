import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { PatternVerifier, patternBytes, patternStream, patternView } from "./pattern.ts";

describe("the pattern", () => {
  test("is the same bytes however it is cut", async () => {
    const whole = patternBytes(300_000);
    assert.deepEqual(await buffer(patternStream(300_000)), whole);
    for (const [start, end] of [
      [0, 1],
      [65_520, 65_522],
      [131_000, 200_000],
    ] as const) {
      assert.deepEqual(patternBytes(end - start, start), whole.subarray(start, end));
    }
  });

  test("gives views of at most 64 KiB, right to their last byte", () => {
    const twoPeriods = Buffer.concat([patternView(65_521), patternView(65_521)]);
    const view = patternView(1_000_000, 65_520);
    assert.equal(view.length, 65_536);
    assert.deepEqual(view, Buffer.concat([twoPeriods, twoPeriods]).subarray(65_520, 65_520 + 65_536));
  });

  test("differs at every shift by a size that buffers have", () => {
    for (const shift of [1, 1460, 4096, 16_384, 65_536, 131_072, 1_048_576]) {
      assert.notDeepEqual(patternBytes(64, shift), patternBytes(64));
    }
  });

  test("differs between seeds", () => {
    const starts = Array.from({ length: 100 }, (_, seed) => patternBytes(16, 0, seed).toString("hex"));
    assert.equal(new Set(starts).size, 100);
  });
});

describe("the verifier", () => {
  test("accepts a body in chunks of any size", () => {
    const verifier = new PatternVerifier(3);
    let offset = 0;
    for (const size of [1, 0, 65_535, 2, 200_000, 7]) {
      verifier.write(patternBytes(size, offset, 3));
      offset += size;
    }
    assert.equal(verifier.offset, offset);
  });

  test("names the first wrong byte", () => {
    const bytes = patternBytes(100_000);
    bytes[70_001]! ^= 1;
    const verifier = new PatternVerifier();
    verifier.write(bytes.subarray(0, 50_000));
    assert.throws(() => verifier.write(bytes.subarray(50_000)), /differs at byte 70001: wanted/);
  });

  test("refuses the bytes of another seed", () => {
    assert.throws(() => new PatternVerifier(1).write(patternBytes(20, 0, 2)), /differs at byte 0/);
  });

  test("begins where it is told to", () => {
    new PatternVerifier(0, 1000).write(patternBytes(10, 1000));
  });
});
