import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { test } from "node:test";
import { findBreaches } from "./checks.ts";
import { rules } from "./rules.ts";
import type { SourceTree } from "./source-facts.ts";

const root = join(import.meta.dirname, "..", "..");

async function readTree(): Promise<SourceTree> {
  const tree = new Map<string, string>();
  for await (const path of glob("{src,test}/**/*.{ts,tsx}", { cwd: root })) {
    tree.set(path.split(sep).join("/"), await readFile(join(root, path), "utf8"));
  }
  return tree;
}

test("the source tree keeps its rules", async () => {
  const tree = await readTree();
  assert.ok(tree.size > 0, "no sources were found");
  const breaches = findBreaches(tree, rules);
  assert.equal(breaches.length, 0, `\n${breaches.join("\n")}`);
});

test("every exception to the length of files still names a file", async () => {
  const tree = await readTree();
  assert.deepEqual(
    rules.longTables.filter((path) => !tree.has(path)),
    [],
  );
});
