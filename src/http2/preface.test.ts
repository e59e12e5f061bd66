import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_PREFACE, startsWithPreface } from "./preface.ts";

test("the preface is known as soon as it is certain", () => {
  const bytes = Buffer.concat([Buffer.from("xx"), CLIENT_PREFACE, Buffer.from("more")]);
  for (let size = 0; size < CLIENT_PREFACE.length; size++) {
    assert.equal(startsWithPreface(bytes, 2, 2 + size), "maybe");
  }
  assert.equal(startsWithPreface(bytes, 2, 2 + CLIENT_PREFACE.length), "yes");
  assert.equal(startsWithPreface(bytes, 2, bytes.length), "yes");
  for (const text of ["G", "PRI * HTTP/2.1", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", "PUT", "pri"]) {
    const other = Buffer.from(text);
    assert.equal(startsWithPreface(other, 0, other.length), "no", text);
  }
});
