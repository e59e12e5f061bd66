import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHARACTER_CLASS,
  DIGIT,
  FIELD_VALUE,
  HEX,
  HEX_VALUE,
  isFieldValue,
  isRequestTarget,
  isToken,
  TARGET,
  TOKEN,
} from "./characters.ts";

/** The bytes that a class has, by the grammar's own words rather than by the table's. */
function assertClass(flag: number, expected: RegExp): void {
  for (let byte = 0; byte < 256; byte++) {
    const isIn = (CHARACTER_CLASS[byte]! & flag) !== 0;
    assert.equal(isIn, expected.test(String.fromCharCode(byte)), `byte 0x${byte.toString(16)}`);
  }
}

test("every byte is in the classes that the grammar puts it in", () => {
  assertClass(TOKEN, /[!#$%&'*+\-.^_`|~0-9A-Za-z]/);
  assertClass(FIELD_VALUE, /[\t\x20-\x7e\x80-\xff]/);
  assertClass(TARGET, /[!-"$-~]/);
  assertClass(HEX, /[0-9A-Fa-f]/);
  assertClass(DIGIT, /[0-9]/);
});

test("hexadecimal digits have their values", () => {
  for (const digit of "0123456789abcdefABCDEF") {
    assert.equal(HEX_VALUE[digit.charCodeAt(0)], Number.parseInt(digit, 16));
  }
});

test("tokens are not empty and hold nothing that separates", () => {
  for (const good of ["GET", "x-y", "!#$%&'*+-.^_`|~", "__proto__"]) assert.equal(isToken(good), true, good);
  for (const bad of ["", "a b", "a:b", "a\t", "a\r\n", "ä", "\u0141", "a/b", "\0"]) {
    assert.equal(isToken(bad), false, JSON.stringify(bad));
  }
});

test("field values hold no line break, however it is written", () => {
  for (const good of ["", " ", "a\tb", "\x80\xff", "text/html; q=0.9"])
    assert.equal(isFieldValue(good), true);
  // U+010A and U+010D would become LF and CR if only their low byte were written.
  for (const bad of ["a\r\nb: c", "a\nb", "a\rb", "\0", "\x7f", "\u010a", "\u010d", "\u2028", "😀"]) {
    assert.equal(isFieldValue(bad), false, JSON.stringify(bad));
  }
});

test("request targets are visible ASCII without a fragment", () => {
  for (const good of ["/", "*", "/a?b=c&d=%20", "host:80", '/[]{}|\\^`"']) {
    assert.equal(isRequestTarget(good), true, good);
  }
  for (const bad of ["", "/a b", "/a#b", "/\r\n", "/ä", "/\u0120", "/\t", "/\x7f"]) {
    assert.equal(isRequestTarget(bad), false, JSON.stringify(bad));
  }
});
