import assert from "node:assert/strict";
import { existsSync, symlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { HeldPidFile } from "./held-pid-file.ts";

describe("the file with the process number", () => {
  test("becomes another one, or stays", async () => {
    await using folder = await createTemporaryDirectory();
    const [one, two] = [folder.join("one.pid"), folder.join("two.pid")];
    const held = new HeldPidFile();
    held.write(one);
    await held.prepare(two).abandon();
    assert.deepEqual([existsSync(one), existsSync(two)], [true, false]);
    await held.prepare(two).commit();
    assert.deepEqual([existsSync(one), existsSync(two)], [false, true]);
    await held.prepare(two).commit();
    assert.ok(existsSync(two));
    await held.prepare(null).commit();
    assert.equal(existsSync(two), false);
  });

  test("stays, whatever else it is called by", async () => {
    await using folder = await createTemporaryDirectory();
    const file = folder.join("one.pid");
    symlinkSync(".", folder.join("link"));
    const other = folder.join("link/one.pid");
    const held = new HeldPidFile();
    held.write(file);
    await held.prepare(other).abandon();
    assert.ok(existsSync(file));
    await held.prepare(other).commit();
    assert.ok(existsSync(file));
    held.remove();
    assert.equal(existsSync(file), false);
  });

  test("that belongs to another process is refused", async () => {
    await using folder = await createTemporaryDirectory();
    await folder.write("other.pid", `${process.ppid}\n`);
    assert.throws(() => new HeldPidFile().prepare(folder.join("other.pid")), /belongs to process/);
  });
});
