import assert from "node:assert/strict";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { findProgram } from "../../../test/kit/peer.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { openKeyLog } from "./key-log.ts";

test("secrets are appended to a file that only its owner can read", async () => {
  await using folder = await createTemporaryDirectory();
  const file = folder.join("keys");
  openKeyLog(file)(Buffer.from("one\n"));
  openKeyLog(file)(Buffer.from("two\n"));
  assert.equal(await readFile(file, "utf8"), "one\ntwo\n");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.throws(
    () => openKeyLog(folder.join("none", "keys")),
    /^Error: the log of TLS keys can't be written: .*none\/keys/,
  );
});

test("a pipe is written to while somebody reads it, and is waited for by nobody", async () => {
  await using folder = await createTemporaryDirectory();
  const pipe = folder.join("pipe");
  await runProgram(findProgram("mkfifo")!, [pipe]);
  assert.throws(
    () => openKeyLog(pipe),
    /^Error: the log of TLS keys can't be written: nobody reads the pipe .*pipe$/,
  );
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openKeyLog(pipe);
  write(Buffer.from("one\n"));
  const read = Buffer.alloc(8);
  assert.equal(read.toString("latin1", 0, readSync(reader, read)), "one\n");
  // More than it holds: what doesn't fit is left out.
  for (let i = 0; i < 40; i++) write(Buffer.alloc(4096, "x"));
  closeSync(reader);
  write(Buffer.from("two\n"));
});
