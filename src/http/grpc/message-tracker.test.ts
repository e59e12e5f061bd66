import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MessageTracker } from "./message-tracker.ts";

test("messages are followed byte by byte as in one piece", () => {
  const messages = fc.array(fc.nat(300), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sizes, steps) => {
      const bytes = Buffer.concat(
        sizes.map((size) => {
          const message = Buffer.alloc(5 + size, 0xff);
          message[0] = 0;
          message.writeUInt32BE(size, 1);
          return message;
        }),
      );
      const ends = new Set([0]);
      let total = 0;
      for (const size of sizes) {
        total += 5 + size;
        ends.add(total);
      }
      const tracker = new MessageTracker();
      assert.equal(tracker.isBetween, true);
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const end = Math.min(bytes.length, at + steps[i % steps.length]!);
        tracker.take(bytes, at, end);
        at = end;
        assert.equal(tracker.isBetween, ends.has(at), `at ${at}`);
      }
    }),
  );
});

test("a length of four gigabytes is one", () => {
  const tracker = new MessageTracker();
  tracker.take(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), 0, 5);
  const million = Buffer.alloc(1_000_000);
  for (let left = 0xffff_ffff; left > 0; ) {
    const size = Math.min(left, million.length);
    assert.equal(tracker.isBetween, false);
    tracker.take(million, 0, size);
    left -= size;
  }
  assert.equal(tracker.isBetween, true);
});
