import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeHealthResponse, encodeHealthRequest } from "./grpc-health.ts";

/** A frame of a message in hexadecimal digits. */
const frame = (message: string): Buffer => {
  const bytes = Buffer.from(message.replaceAll(" ", ""), "hex");
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

describe("a health request", () => {
  test("names the service, or nothing for the server as a whole", () => {
    assert.equal(encodeHealthRequest("").toString("hex"), "0000000000");
    assert.equal(encodeHealthRequest("a.B").toString("hex"), "0000000005" + "0a03612e42");
    assert.equal(encodeHealthRequest("ü").toString("hex"), "0000000004" + "0a02c3bc");
  });

  test("may name a long one", () => {
    const bytes = encodeHealthRequest("s".repeat(300));
    assert.equal(bytes.toString("hex", 0, 9), "000000012f" + "0aac02" + "73");
    assert.equal(bytes.length, 5 + 3 + 300);
  });
});

describe("a health response", () => {
  test("has a status, by default 0", () => {
    assert.equal(decodeHealthResponse(frame("")), 0);
    assert.equal(decodeHealthResponse(frame("0801")), 1);
    assert.equal(decodeHealthResponse(frame("0802")), 2);
    assert.equal(decodeHealthResponse(frame("08ac02")), 300);
    assert.equal(decodeHealthResponse(frame("0802 0801")), 1);
  });

  test("may have fields that are not known", () => {
    assert.equal(decodeHealthResponse(frame("10ac02 0801 18ffffffff0f")), 1);
    assert.equal(decodeHealthResponse(frame("1203080208 0801")), 1);
    assert.equal(decodeHealthResponse(frame("0801 190102030405060708")), 1);
    assert.equal(decodeHealthResponse(frame("1d01020304 0801")), 1);
  });

  test("is none when it is cut, compressed, too long or of unknown kinds", () => {
    for (const message of [
      "08",
      "0880",
      `08${"ff".repeat(10)}01`,
      "12",
      "1205 01",
      "1901",
      "1d01",
      "0b",
      "0c",
      "0e",
    ])
      assert.equal(decodeHealthResponse(frame(message)), null, message);
    const whole = frame("0801");
    for (let length = 0; length < whole.length; length++)
      assert.equal(decodeHealthResponse(whole.subarray(0, length)), null);
    assert.equal(decodeHealthResponse(Buffer.concat([whole, whole])), null);
    whole[0] = 1;
    assert.equal(decodeHealthResponse(whole), null);
  });

  test("is read to its end or refused, whatever it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const status = decodeHealthResponse(frame(Buffer.from(bytes).toString("hex")));
        assert.ok(status === null || status >= 0);
      }),
      { numRuns: 2000 },
    );
  });
});
