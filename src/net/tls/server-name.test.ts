import assert from "node:assert/strict";
import { test } from "node:test";
import { toServerName, toServerPattern } from "./server-name.ts";

test("names come out in lower case, what is no name comes out as null", () => {
  assert.equal(toServerName("Www.Example.COM"), "www.example.com");
  assert.equal(toServerName("a_b.x-1.test"), "a_b.x-1.test");
  for (const text of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a.test",
    "a-.test",
    "a b",
    "*.test",
    "[::1]",
    "a:1",
    "\u212a.test",
  ]) {
    assert.equal(toServerName(text), null, text);
  }
});

test("patterns are names, or have a star for their first label", () => {
  assert.equal(toServerPattern("*.Example.com"), "*.example.com");
  assert.equal(toServerPattern("example.com"), "example.com");
  for (const text of ["*", "*.com", "a.*.com", "*a.example.com", "*.*.com"]) {
    assert.equal(toServerPattern(text), null, text);
  }
});
