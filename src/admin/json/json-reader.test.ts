import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { JsonSyntaxError, readFirstJson } from "./json-reader.ts";
import type { JsonValue } from "./json-value.ts";

function read(text: string): JsonValue {
  return readFirstJson(Buffer.from(text));
}

/** The value as `JSON.parse` would give it. */
function toPlain(value: JsonValue): unknown {
  switch (value.kind) {
    case "null":
      return null;
    case "number":
      return Number(value.digits);
    case "array":
      return value.items.map(toPlain);
    case "object":
      return Object.fromEntries(value.members.map(([key, member]) => [key, toPlain(member)]));
    default:
      return value.value;
  }
}

/** What Go 1.26's `encoding/json` says, byte for byte. */
const ERRORS: readonly (readonly [text: string, message: string])[] = [
  ["", "EOF"],
  [" \n ", "EOF"],
  ["{", "unexpected EOF"],
  ['{"a"', "unexpected EOF"],
  ['{"a":', "unexpected EOF"],
  ["[[[[", "unexpected EOF"],
  ["nul", "unexpected EOF"],
  ["-", "unexpected EOF"],
  ["1.", "unexpected EOF"],
  ["1e", "unexpected EOF"],
  ['"abc', "unexpected EOF"],
  ['"\\', "unexpected EOF"],
  ['"\\u12', "unexpected EOF"],
  ['{"a":}', "invalid character '}' looking for beginning of value"],
  ["[1,]", "invalid character ']' looking for beginning of value"],
  ["'", "invalid character '\\'' looking for beginning of value"],
  ["/*", "invalid character '/' looking for beginning of value"],
  ["é", "invalid character 'Ã' looking for beginning of value"],
  ["\u0000", "invalid character '\\x00' looking for beginning of value"],
  ["\u0007", "invalid character '\\a' looking for beginning of value"],
  ["\u001b", "invalid character '\\x1b' looking for beginning of value"],
  ["\u007f", "invalid character '\\x7f' looking for beginning of value"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ['{"a":01}', "invalid character '1' after object key:value pair"],
  ["[1 2]", "invalid character '2' after array element"],
  ["nulx", "invalid character 'x' in literal null (expecting 'l')"],
  ["truE", "invalid character 'E' in literal true (expecting 'e')"],
  ["falsy", "invalid character 'y' in literal false (expecting 'e')"],
  ["-x", "invalid character 'x' in numeric literal"],
  ["[1.]", "invalid character ']' after decimal point in numeric literal"],
  ["[1e]", "invalid character ']' in exponent of numeric literal"],
  ["[1e+]", "invalid character ']' in exponent of numeric literal"],
  ['"a\u0001"', "invalid character '\\x01' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u12"', "invalid character '\"' in \\u hexadecimal character escape"],
  ["[".repeat(10_001), "invalid character '[' exceeded max depth"],
];

describe("the first JSON value of a text", () => {
  for (const [text, message] of ERRORS) {
    test(`isn't there in ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => read(text), new JsonSyntaxError(message));
    });
  }

  test("is named by its bytes when it isn't text", () => {
    const messageOf = (byte: number): RegExp =>
      new RegExp(`invalid character '\\\\u00${byte.toString(16)}' looking`);
    for (const byte of [0x80, 0xa0, 0xad])
      assert.throws(() => readFirstJson(Buffer.of(byte)), messageOf(byte));
    assert.throws(() => readFirstJson(Buffer.of(0xff)), /invalid character 'ÿ' looking/);
  });

  test("is all that is read", () => {
    assert.deepEqual(read('{"a":1} trailing'), {
      kind: "object",
      members: [["a", { kind: "number", digits: "1" }]],
    });
    assert.deepEqual(read("[]{"), { kind: "array", items: [] });
    assert.deepEqual(read("12x"), { kind: "number", digits: "12" });
    assert.deepEqual(read("01"), { kind: "number", digits: "0" });
    assert.deepEqual(read('"s"x'), { kind: "string", value: "s" });
    assert.deepEqual(read("true x"), { kind: "bool", value: true });
  });

  test("keeps digits, the order of members and repeated ones", () => {
    assert.deepEqual(read('{"b":5.0,"a":1e3,"b":-0}'), {
      kind: "object",
      members: [
        ["b", { kind: "number", digits: "5.0" }],
        ["a", { kind: "number", digits: "1e3" }],
        ["b", { kind: "number", digits: "-0" }],
      ],
    });
  });

  test("has replacement characters for what is no text", () => {
    assert.deepEqual(readFirstJson(Buffer.from('"a\xff\xfe"', "latin1")), {
      kind: "string",
      value: "a\ufffd\ufffd",
    });
    assert.deepEqual(read('"\\ud800x\\u20AC"'), { kind: "string", value: "\ufffdx€" });
  });

  test("is what JSON.parse reads, whatever the value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value, null, 1);
        assert.deepEqual(toPlain(read(text)), JSON.parse(text));
      }),
    );
  });

  test("is there when JSON.parse finds one, and only then", () => {
    const pieces = fc.constantFrom(...'{}[]:,"\\u-+.0e1 \ntrfalsn'.split(""));
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (characters) => {
        const text = characters.join("");
        if (canParse(text)) assert.ok(canRead(text), text);
        if (canRead(text)) assert.ok(beginningsOf(text).some(canParse), text);
      }),
      { numRuns: 2_000 },
    );
  });
});

function canRead(text: string): boolean {
  try {
    read(text);
    return true;
  } catch {
    return false;
  }
}

function canParse(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function beginningsOf(text: string): string[] {
  return Array.from(text, (_, i) => text.slice(0, i + 1));
}
