import assert from "node:assert/strict";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, utimesSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { folderPrefix, removeLeftCopies } from "./left-copies.ts";

/** Above all numbers that Linux gives to processes. */
const NOBODY = 2 ** 22 + 1;

test("only folders of one's own are removed, of processes that are gone", async () => {
  await using folder = await createTemporaryDirectory();
  const own = mkdtempSync(folder.join(folderPrefix()));
  const gone = folderPrefix().replace(String(process.pid), String(NOBODY));
  const left = mkdtempSync(folder.join(gone));
  await writeFile(`${left}/1-a.so`, "");
  // Other things of such a name: a link, what another container has, somebody else's.
  mkdirSync(folder.join("target"));
  symlinkSync(folder.join("target"), folder.join(`${gone}abcdef`));
  mkdirSync(folder.join(`sluice-plugins-${NOBODY}-1-abcdef`));
  const old = folder.join(`sluice-plugins-${NOBODY}-1-ghijkl`);
  mkdirSync(old);
  utimesSync(old, 1, 1);
  mkdirSync(folder.join("sluice-plugins-abcdef"));
  if (process.geteuid?.() === 0) {
    const others = mkdtempSync(folder.join(gone));
    chownSync(others, 65534, 65534);
  }
  const before = readdirSync(folder.path);
  await removeLeftCopies(folder.path);
  assert.deepEqual(
    before
      .map((name) => folder.join(name))
      .filter((path) => !existsSync(path))
      .toSorted(),
    [left, old].toSorted(),
  );
  assert.ok(existsSync(own));
  await removeLeftCopies(folder.join("missing"));
});
