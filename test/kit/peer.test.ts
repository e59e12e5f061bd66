// In a process of its own: it changes where programs are looked for.

import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "./files.ts";
import { findProgram, skipWithout } from "./peer.ts";

test("findProgram finds programs of the system alone", async (t) => {
  await using directory = await createTemporaryDirectory();
  const own = await directory.write("node_modules/.bin/tool", "");
  const outside = await directory.write("usr/bin/tool", "");
  await directory.write("usr/bin/data", "");
  await Promise.all([own, outside].map((file) => chmod(file, 0o755)));
  const path = process.env["PATH"];
  t.after(() => {
    process.env["PATH"] = path;
  });

  process.env["PATH"] = `${directory.join("node_modules", ".bin")}:${directory.join("usr", "bin")}`;
  assert.equal(findProgram("tool"), outside);
  assert.equal(findProgram("data"), undefined);
});

test("skipWithout names what is missing", () => {
  assert.equal(skipWithout("sh"), false);
  assert.equal(
    skipWithout("sh", "no-such-program", "nor-this"),
    "not installed here: no-such-program, nor-this",
  );
});
