import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

/** Time and chance are given to toxics: otherwise no seed would make a run repeatable, and no test could stand still. */
test("nothing here tells the time or draws lots by itself", async () => {
  const forbidden = /Math\.random|Date\.now|new Date|performance\.now|setTimeout\(|setInterval|setImmediate/;
  let count = 0;
  for await (const path of glob("**/*.ts", { cwd: import.meta.dirname })) {
    if (/\.(test|contract)\.ts$/.test(path)) continue;
    count++;
    const text = await readFile(join(import.meta.dirname, path), "utf8");
    assert.doesNotMatch(text, forbidden, path);
  }
  assert.ok(count > 20);
});
