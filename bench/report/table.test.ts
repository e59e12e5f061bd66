import assert from "node:assert/strict";
import { test } from "node:test";
import { markdownTable, textTable } from "./table.ts";

const cells = [
  ["peer", "µs", "errors"],
  ["nginx", "9.6", "0"],
  ["! node-http", "59.0", "12"],
];

test("names stand to the left and numbers to the right", () => {
  const expected = ["peer           µs  errors", "nginx         9.6       0", "! node-http  59.0      12"];
  assert.equal(textTable(cells), expected.join("\n"));
});

test("a Markdown table aligns by its second line", () => {
  const expected = [
    "| peer        |   µs | errors |",
    "| ----------- | ---: | -----: |",
    "| nginx       |  9.6 |      0 |",
    "| ! node-http | 59.0 |     12 |",
  ];
  assert.equal(markdownTable(cells), expected.join("\n"));
});

test("a table may be only a heading, or nothing", () => {
  assert.equal(textTable([["peer"]]), "peer");
  assert.equal(textTable([]), "");
});
