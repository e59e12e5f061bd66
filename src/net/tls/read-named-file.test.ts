import assert from "node:assert/strict";
import { mkdir, truncate } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { findProgram } from "../../../test/kit/peer.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { readNamedFile, readNamedFileSync } from "./read-named-file.ts";

test("what is no file, or far too large a one, is refused, and waited for by nobody", async () => {
  await using folder = await createTemporaryDirectory();
  const [pipe, huge] = [folder.join("pipe.pem"), await folder.write("huge.pem", "")];
  await runProgram(findProgram("mkfifo")!, [pipe]);
  await mkdir(folder.join("folder.pem"));
  await truncate(huge, 65 * 1024 * 1024);
  for (const [file, problem] of [
    [pipe, "is no regular file"],
    [folder.join("folder.pem"), "is a folder"],
    ["/dev/zero", "is no regular file"],
    [huge, "has 68157440 bytes, more than any such file"],
    [folder.join("none.pem"), "there is no such file"],
  ] as const) {
    await assert.rejects(readNamedFile(file), { name: "CertificateError", message: `${file}: ${problem}` });
    assert.throws(() => readNamedFileSync(file, "a.pem"), { message: `a.pem: ${problem}` });
  }
  const file = await folder.write("a.pem", "text");
  assert.deepEqual([readNamedFileSync(file, "a.pem"), await readNamedFile(file)].map(String), [
    "text",
    "text",
  ]);
});
