import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { cacheFiles, get, openDiskCache, put } from "../../../../test/kit/disk-cache.ts";
import { createTemporaryDirectory } from "../../../../test/kit/files.ts";
import { FileCalls } from "./file-calls.ts";
import { parseHead } from "./file-format.ts";
import { openFile } from "./open-file.ts";

test("no byte of a file is another one, and none is missing, without being noticed", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "key", Buffer.from("body"), "meta");
  const [found = ""] = await cacheFiles(cache.folder);
  const whole = await readFile(found);
  const { id, bodyAt } = parseHead(whole);
  const path = folder.join("injured");
  const calls = new FileCalls();
  /** What comes out of it, null when it was found to be wrong. */
  const outcome = async (bytes: Buffer): Promise<string | null> => {
    await writeFile(path, bytes);
    try {
      const file = await openFile(calls, { path, id, keyText: "key", length: bytes.length });
      await calls.close(file.descriptor);
      return `${file.head.meta} ${file.body}`;
    } catch {
      return null;
    }
  };
  assert.equal(await outcome(whole), "meta body");
  let noticed = 0;
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    const seen = await outcome(bytes);
    if (seen === null) noticed++;
    else assert.equal(seen, "meta body", `byte ${at}`);
    if (at >= bodyAt) assert.equal(seen, null, `byte ${at}`);
    assert.equal(await outcome(whole.subarray(0, at)), null, `cut at ${at}`);
  }
  // What is left stands in places of meta that nothing was written to.
  assert.ok(noticed > 80, `${noticed}`);
});

test("a file whose meta another version has written is none", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  {
    await using cache = await openDiskCache(path);
    for (const meta of ["old", "new"]) await put(cache.store, meta, Buffer.from("body"), meta);
  }
  await using cache = await openDiskCache(path, { isMeta: (bytes) => bytes.toString() === "new" });
  assert.equal(await get(cache.store, "old"), null);
  assert.equal((await get(cache.store, "new"))?.body.toString(), "body");
  await cache.store.settled();
  assert.equal((await cacheFiles(path)).length, 1);
});
