import assert from "node:assert/strict";
import { test } from "node:test";
import { edit, type Field, openField } from "./field.ts";
import type { KeyName, KeyPress } from "./keys.ts";

/** Single characters are typed, longer words are keys. */
function type(field: Field, ...keys: readonly (string | KeyName)[]): Field {
  return keys.reduce((before, key) => edit(before, toPress(key)), field);
}

function toPress(key: string): KeyPress {
  return key.length === 1 ? { name: "text", text: key } : { name: key as KeyName, text: "" };
}

test("the first character takes the place of what the field began with", () => {
  assert.equal(type(openField("100"), "2", "5").text, "25");
  assert.equal(type(openField("100"), "backspace").text, "");
  assert.equal(type(openField("100"), "delete", "7").text, "7");
});

test("after a move the text is edited where the cursor is", () => {
  assert.equal(type(openField("100"), "end", "5").text, "1005");
  assert.equal(type(openField("100"), "home", "5").text, "5100");
  assert.equal(type(openField("100"), "left", "right", "5").text, "1500");
  assert.equal(type(openField("123"), "end", "left", "backspace").text, "13");
  assert.equal(type(openField("123"), "home", "delete").text, "23");
  assert.equal(type(openField("123"), "end", "clear").text, "");
});

test("keys at the ends do nothing", () => {
  const empty = openField("");
  assert.deepEqual(type(empty, "backspace", "delete", "left", "right"), empty);
  assert.equal(type(openField("1"), "end", "delete", "right").text, "1");
  assert.equal(type(openField("1"), "home", "backspace").text, "1");
});

test("a change takes the complaint away; other keys change nothing", () => {
  const wrong = { ...openField("x"), problem: "no number" };
  assert.equal(type(wrong, "1").problem, "");
  assert.equal(edit(wrong, { name: "tab", text: "" }), wrong);
});

test("a field has an end", () => {
  assert.equal(type(openField(""), ..."9".repeat(200)).text.length, 60);
});
