import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeGrpcMessage } from "./grpc-message.ts";

/** Of each number of bytes in UTF-8, what has to be encoded, and halves of characters. */
const unit = fc.constantFrom("a", "~", "%", "\n", "\0", "\x7f", "é", "€", "😀", "\ud800", "\udc00");

test("messages are printable ASCII, and any client makes the text of them again", () => {
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
      const message = encodeGrpcMessage(text);
      assert.match(message, /^[ -~]*$/);
      assert.equal(decodeURIComponent(message), text.toWellFormed());
    }),
  );
  assert.equal(encodeGrpcMessage("100% ~ é\n"), "100%25 ~ %C3%A9%0A");
});

test("long messages are cut between characters", () => {
  for (const char of ["a", "é", "€", "😀"]) {
    const decoded = decodeURIComponent(encodeGrpcMessage(`x${char.repeat(2000)}`));
    assert.match(decoded, new RegExp(`^x${char}+$`, "u"));
    const { length } = Buffer.from(decoded);
    assert.ok(length <= 1024 && length > 1020, `${length}`);
  }
});
