import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "./files.ts";

test("a temporary directory holds files and is gone afterwards", async () => {
  let path: string;
  {
    await using directory = await createTemporaryDirectory();
    path = directory.path;
    const file = await directory.write("deep/er/conf.yaml", "a: 1\n");
    assert.equal(file, directory.join("deep", "er", "conf.yaml"));
    assert.equal(await readFile(file, "utf8"), "a: 1\n");
  }
  assert.equal(existsSync(path), false);
});
