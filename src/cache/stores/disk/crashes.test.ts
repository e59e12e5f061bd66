import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../../test/kit/files.ts";
import { runCrashes } from "../../../../test/soak/cache-crash/run.ts";

test("serves after kills what it had, and nothing else", async () => {
  await using folder = await createTemporaryDirectory();
  const mostBytes = 4 * 1024 * 1024;
  const plan = { mostBytes, keys: 120, threads: 2, seed: 3, kills: 2, mostLoad: 400 };
  const { found, problems } = await runCrashes({ ...plan, folder: folder.join("cache") });
  assert.deepEqual(problems, []);
  assert.equal(found[0]?.served, 0);
});
