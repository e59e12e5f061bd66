import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { PidFile } from "./pid-file.ts";

test("a pid file is written, and removed by who wrote it", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("sluice.pid", "999999999\n");
  const file = PidFile.write(path);
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
  file.remove();
  assert.equal(existsSync(path), false);
  const taken = PidFile.write(path);
  await folder.write("sluice.pid", "999999999\n");
  taken.remove();
  assert.equal(existsSync(path), true);
});

test("a pid file that can't be used is named", async () => {
  await using folder = await createTemporaryDirectory();
  await folder.write("sluice.pid", `${process.ppid}\n`);
  for (const [path, problem] of [
    [folder.path, "can't hold the process id: EISDIR"],
    [folder.join("nowhere", "sluice.pid"), "can't hold the process id: ENOENT"],
    [folder.join("sluice.pid"), `belongs to process ${process.ppid}, which is running`],
  ] as const) {
    assert.throws(
      () => PidFile.write(path),
      (error: Error) => error.message.startsWith(`${path} ${problem}`),
    );
  }
});
