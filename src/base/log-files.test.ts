// In a process of its own: it opens all logs of its thread anew, and tells what is wrong with any.
import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { findProgram } from "../../test/kit/peer.ts";
import { runProgram } from "../../test/kit/process.ts";
import { AppendedFile, reopenLogFiles } from "./log-files.ts";

test("a log that was moved away begins anew, and one that can't goes on where it is", async () => {
  await using folder = await createTemporaryDirectory();
  const [path, moved, stuckPath] = [
    folder.join("a.log"),
    folder.join("a.log.1"),
    folder.join("sub", "b.log"),
  ];
  const log = new AppendedFile(path);
  const stuck = new AppendedFile(stuckPath);
  try {
    writeSync(log.descriptor, "before\n");
    renameSync(path, moved);
    renameSync(folder.join("sub"), folder.join("elsewhere"));
    await folder.write("sub", "a file in the way");
    const problems = reopenLogFiles();
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /b\.log can't be written: E(NOTDIR|EXIST)/);
    writeSync(log.descriptor, "after\n");
    writeSync(stuck.descriptor, "still\n");
  } finally {
    log.close();
    stuck.close();
  }
  assert.equal(readFileSync(moved, "utf8"), "before\n");
  assert.equal(readFileSync(path, "utf8"), "after\n");
  assert.equal(readFileSync(folder.join("elsewhere", "b.log"), "utf8"), "still\n");
  assert.deepEqual(reopenLogFiles(), []);
});

test("a pipe is waited for by nobody", async () => {
  await using folder = await createTemporaryDirectory();
  const pipe = folder.join("pipe");
  await runProgram(findProgram("mkfifo")!, [pipe]);
  assert.throws(() => new AppendedFile(pipe), /The log .*pipe can't be written: nobody reads the pipe /);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const log = new AppendedFile(pipe);
  assert.throws(
    () => {
      for (;;) writeSync(log.descriptor, Buffer.alloc(4096));
    },
    { code: "EAGAIN" },
  );
  log.close();
  closeSync(reader);
});
