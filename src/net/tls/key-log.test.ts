import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
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
