import assert from "node:assert/strict";
import { mkdir, truncate } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { findProgram } from "../../../test/kit/peer.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { readNamedFile } from "./read-named-file.ts";

test("what is no file, or far too large a one, is refused, and waited for by nobody", async () => {
  await using folder = await createTemporaryDirectory();
  const [pipe, huge] = [folder.join("pipe.pem"), await folder.write("huge.pem", "")];
  await runProgram(findProgram("mkfifo")!, [pipe]);
  await mkdir(folder.join("folder.pem"));
  await truncate(huge, 65 * 1024 * 1024);
  await assert.rejects(readNamedFile(pipe), /pipe\.pem: is no regular file$/);
  await assert.rejects(readNamedFile(folder.join("folder.pem")), /folder\.pem: is a folder$/);
  await assert.rejects(readNamedFile("/dev/zero"), /zero: is no regular file$/);
  await assert.rejects(readNamedFile(huge), /huge\.pem: has 68157440 bytes, more than any such file$/);
  await assert.rejects(readNamedFile(folder.join("none.pem")), /none\.pem: there is no such file$/);
});
