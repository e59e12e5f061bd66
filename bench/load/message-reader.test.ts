import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageReader } from "./message-reader.ts";

const withLength = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
const chunked =
  "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhe\r\no\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
const noBody = "GET /13b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

for (const [name, text, bodyBytes] of [
  ["a length", withLength, 5],
  ["chunks", chunked, 15],
  ["no body", noBody, 0],
] as const) {
  test(`a message with ${name} ends at its last byte, wherever it is split`, () => {
    const bytes = Buffer.from(text);
    for (let split = 0; split < bytes.length; split++) {
      const reader = new MessageReader();
      assert.equal(reader.feed(bytes.subarray(0, split)), false, `split at ${split}`);
      assert.equal(reader.feed(bytes.subarray(split)), true, `split at ${split}`);
      assert.equal(reader.bodyBytes, bodyBytes);
    }
  });
}

test("one reader reads message after message", () => {
  const reader = new MessageReader();
  assert.equal(reader.feed(Buffer.from(noBody)), true);
  assert.equal(reader.closes, true);
  assert.equal(reader.startLine, "GET /13b HTTP/1.1");
  assert.equal(reader.feed(Buffer.from(withLength)), true);
  assert.equal(reader.closes, false);
  assert.equal(reader.status, 200);
  assert.equal(reader.bodyBytes, 5);
});

test("bytes it was fed may be overwritten afterwards", () => {
  const reader = new MessageReader();
  const slab = Buffer.from(withLength.slice(0, 12));
  reader.feed(slab);
  slab.fill(0);
  assert.equal(reader.feed(Buffer.from(withLength.slice(12))), true);
  assert.equal(reader.status, 200);
});
