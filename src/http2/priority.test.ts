import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEFAULT_PRIORITY,
  isIncremental,
  parsePriority,
  toPriority,
  UNSIGNALED_PRIORITY,
  urgencyOf,
} from "./priority.ts";

function parse(text: string): [urgency: number, isIncremental: boolean] {
  const bytes = Buffer.from(`u=0,${text},i`, "latin1");
  const priority = parsePriority(bytes, 4, bytes.length - 2);
  return [urgencyOf(priority), isIncremental(priority)];
}

test("a priority field is read (RFC 9218 §4)", () => {
  const cases: [text: string, urgency: number, isIncremental: boolean][] = [
    ["", 3, false],
    ["u=0", 0, false],
    ["u=7, i", 7, true],
    ["i", 3, true],
    ["i=?1,u=5", 5, true],
    ["i=?0", 3, false],
    ["u=1;x=2, i;y", 1, true],
    ["u=2, u=4", 4, false],
    ["x=1, u=2, yy=(1 2), i", 2, true],
  ];
  for (const [text, ...expected] of cases) assert.deepEqual(parse(text), expected, text);
});

test("what is of another type or out of range is passed over", () => {
  for (const text of ["u=8", "u=-1", "u=1.0", 'u="1"', "u", "u=?1", "u=a", "u=2, u=9", "uu=1", "u=(1)"]) {
    assert.deepEqual(parse(`${text}, i`), [3, true], text);
  }
  for (const text of ["i=1", "i=a", 'i="?1"', "i, i=?0", "i, i=0", "ii"]) {
    assert.deepEqual(parse(`u=1, ${text}`), [1, false], text);
  }
});

test("what is no dictionary says nothing at all", () => {
  for (const text of ["u=1, i, ", "u=1 i", "u=1, I", "u=1, é", "u=1,,i", 'u=1, x="']) {
    assert.deepEqual(parse(text), [3, false], text);
  }
});

test("streams of clients that know nothing of priorities share", () => {
  assert.equal(UNSIGNALED_PRIORITY, toPriority(3, true));
  assert.equal(DEFAULT_PRIORITY, toPriority(3, false));
});
