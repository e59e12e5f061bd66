import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setEnvironmentData } from "node:worker_threads";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { type OutputPlaces, setFutureOutput, withFutureOutput } from "./future-output.ts";

test("what a process starts writes where the process itself will", async (t) => {
  t.after(() => setEnvironmentData("sluice.future-output", undefined));
  await using folder = await createTemporaryDirectory();
  const places = (): OutputPlaces => withFutureOutput((found) => found);
  assert.deepEqual(places(), ["inherit", "inherit"]);
  setFutureOutput(null);
  assert.deepEqual(places(), ["ignore", "ignore"]);
  setFutureOutput(folder.join("missing/errors.log"));
  assert.deepEqual(places(), ["ignore", "ignore"]);
  setFutureOutput(folder.join("errors.log"));
  for (const line of ["one\n", "two\n"])
    withFutureOutput(([stdout, stderr]) => {
      assert.equal(stdout, "ignore");
      writeSync(stderr as number, line);
    });
  assert.equal(await readFile(folder.join("errors.log"), "utf8"), "one\ntwo\n");
});
