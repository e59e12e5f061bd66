// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how variables are written
import assert from "node:assert/strict";
import { test } from "node:test";
import { substitute } from "./environment.ts";

const env = { PORT: "8080", EMPTY: "", NESTED: "${PORT}" };

function filled(text: string, allowsPlaceholders = false): string {
  const result = substitute(text, env, allowsPlaceholders);
  return result.kind === "value" ? result.text : `problem: ${result.piece}`;
}

test("variables are filled in", () => {
  assert.equal(filled("127.0.0.1:${PORT}"), "127.0.0.1:8080");
  assert.equal(filled("${PORT}${PORT}"), "80808080");
  assert.equal(filled("a ${EMPTY} b"), "a  b");
  assert.equal(filled("no $PORT, $ { }"), "no $PORT, $ { }");
});

test("defaults stand in for what is missing or empty", () => {
  assert.equal(filled("${PORT:-1}"), "8080");
  assert.equal(filled("${MISSING:-a b:c-d}"), "a b:c-d");
  assert.equal(filled("${EMPTY:-x}"), "x");
  assert.equal(filled("${MISSING:-}"), "");
});

test("a value is never looked into again", () => {
  assert.equal(filled("${NESTED}"), "${PORT}");
});

test("a doubled dollar is one", () => {
  assert.equal(filled("$${PORT} $${"), "${PORT} ${");
});

test("mistakes are named", () => {
  assert.equal(filled("a ${MISSING} b"), "problem: ${MISSING}");
  for (const text of ["${", "${}", "${PORT", "${1}", "${A B}", "${PORT-x}", "a $${b} ${"]) {
    assert.match(filled(text), /^problem: \$\{/, text);
  }
});

test("the placeholders of redirects pass where they may stand", () => {
  assert.equal(filled("https://${host}:${PORT}${path}", true), "https://${host}:8080${path}");
  assert.equal(filled("${path}"), "problem: ${path}");
  assert.equal(filled("${path:-x}"), "x");
});

test("tells whether anything changed", () => {
  const result = substitute("plain", env, false);
  assert.equal(result.kind === "value" && result.changed, false);
});
