import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { runProgram } from "../../test/kit/process.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { PluginError } from "./plugin.ts";
import { PluginCopies, readPluginFile } from "./plugin-files.ts";

test("a file is read as a whole, or not at all", async () => {
  await using folder = await createTemporaryDirectory();
  const file = await folder.write("a.wasm", "bytes");
  assert.equal(String((await readPluginFile(file)).bytes), "bytes");
  mkdirSync(folder.join("b.so"));
  await folder.write("empty.so", "");
  await runProgram("mkfifo", [folder.join("pipe.so")]);
  for (const [name, problem] of [
    ["missing.so", /^there is no such file$/],
    ["b.so", /^it is no regular file$/],
    ["pipe.so", /^it is no regular file$/],
    ["empty.so", /^it isn't whole/],
  ] as const)
    await assert.rejects(
      readPluginFile(folder.join(name)),
      (error) => error instanceof PluginError && problem.test(error.message),
    );
});

test("a file that is written to while it is read isn't used", async () => {
  await using folder = await createTemporaryDirectory();
  const file = await folder.write("a.wasm", "bytes");
  let time = 1;
  let isRead = false;
  const touch = (): void => {
    if (isRead) return;
    utimesSync(file, time, time++);
    setImmediate(touch);
  };
  touch();
  const reading = readPluginFile(file).finally(() => {
    isRead = true;
  });
  await assert.rejects(reading, /^PluginError: it isn't whole: is it still being written\?$/);
});

test("copies look new as long as they are wanted", async () => {
  const clock = new ManualAlarmClock();
  const copies = new PluginCopies(clock);
  const bytes = Buffer.from("bytes");
  const file = await copies.add("a.so", { bytes, digest: "" });
  const other = await copies.add("b.so", { bytes, digest: "" });
  await copies.remove(other);
  for (let hour = 0; hour < 2; hour++) {
    const paths = [copies.folder!, file];
    for (const path of paths) utimesSync(path, 1, 1);
    clock.advance(3_600_000);
    for (const path of paths) assert.ok(statSync(path).mtimeMs > 1_000_000);
  }
  copies.close();
  clock.advance(3_600_000);
  assert.equal(existsSync(file), false);
});

test("copies stand in one folder, also after one couldn't be made, and in another when that is removed", async () => {
  const copies = new PluginCopies();
  const file = { bytes: Buffer.from("bytes"), digest: "" };
  const first = await copies.add("a.so", file);
  const folder = copies.folder!;
  const tooLong = copies.add(`${"a".repeat(300)}.so`, file);
  await assert.rejects(tooLong, /^PluginError: it can't be copied aside: ENAMETOOLONG/);
  assert.equal(dirname(await copies.add("b.so", file)), dirname(first));
  rmSync(folder, { recursive: true });
  await assert.rejects(copies.add("c.so", file), /it can't be copied aside: ENOENT/);
  assert.notEqual(dirname(await copies.add("c.so", file)), folder);
  copies.close();
  assert.equal(existsSync(folder), false);
});
