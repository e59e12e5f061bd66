import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { pidIn, readPid, toPid } from "./pid.ts";

test("a process has a number, and none is 0, which stands for all around us", async () => {
  await using folder = await createTemporaryDirectory();
  assert.equal(readPid(await folder.write("good.pid", "42\n")), 42);
  for (const text of ["0\n", "00", "-1", "", "soon"]) {
    const file = await folder.write("bad.pid", text);
    assert.throws(() => readPid(file), /holds no process id$/);
    assert.equal(pidIn(file), null);
  }
  assert.equal(toPid("42"), 42);
  for (const text of ["0", "-1", "4194305"]) assert.throws(() => toPid(text), /from 1 to 4194304/);
});
