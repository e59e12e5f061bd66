import assert from "node:assert/strict";
import { test } from "node:test";
import { replaceBlock } from "./document.ts";

const document =
  "# A\n\n<!-- bench:small -->\nold\n<!-- /bench:small -->\n\n<!-- bench:4k --><!-- /bench:4k -->\nend\n";

test("only the named block changes", () => {
  assert.equal(
    replaceBlock(document, "small", "new"),
    "# A\n\n<!-- bench:small -->\n\nnew\n\n<!-- /bench:small -->\n\n<!-- bench:4k --><!-- /bench:4k -->\nend\n",
  );
});

test("replacing twice is like replacing once", () => {
  const once = replaceBlock(document, "4k", "$& new");
  assert.equal(replaceBlock(once, "4k", "$& new"), once);
});

test("a missing block is an error that names it", () => {
  assert.throws(() => replaceBlock(document, "64k", "new"), /bench:64k/);
});
