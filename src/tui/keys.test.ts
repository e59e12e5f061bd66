import assert from "node:assert/strict";
import { test } from "node:test";
import { keysOf, type TerminalKey } from "./keys.ts";

const NOTHING: TerminalKey = {
  ...{
    upArrow: false,
    downArrow: false,
    leftArrow: false,
    rightArrow: false,
    pageUp: false,
    pageDown: false,
  },
  ...{ home: false, end: false, return: false, escape: false, tab: false, backspace: false, delete: false },
  ...{ ctrl: false, meta: false },
};

function names(input: string, key: Partial<TerminalKey> = {}): string[] {
  return keysOf(input, { ...NOTHING, ...key }).map(({ name, text }) => (text === "" ? name : text));
}

test("keys have names, characters are text", () => {
  assert.deepEqual(names("", { upArrow: true }), ["up"]);
  assert.deepEqual(names("\r", { return: true }), ["enter"]);
  assert.deepEqual(names("±"), ["±"]);
  assert.deepEqual(names("c", { ctrl: true }), ["interrupt"]);
});

test("what comes in one piece is taken key by key", () => {
  assert.deepEqual(names("l25\rq"), ["l", "2", "5", "enter", "q"]);
  assert.deepEqual(names("9\u007f8\u0003"), ["9", "backspace", "8", "interrupt"]);
});

test("keys that mean nothing give none", () => {
  assert.deepEqual(names("z", { ctrl: true }), []);
  assert.deepEqual(names("q", { meta: true }), []);
  assert.deepEqual(names("\u0000"), []);
});
