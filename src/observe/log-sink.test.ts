import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { LogSink } from "./log-sink.ts";

describe("a log", () => {
  test("has every line in order, whatever their length, and what other threads wrote", async () => {
    await using folder = await createTemporaryDirectory();
    const file = folder.join("logs", "today", "access.log");
    const lines = Array.from({ length: 5_000 }, (_, i) => `${i} ${"é".repeat(i % 300)}\n`);
    const sink = new LogSink(file);
    const other = new LogSink(file);
    for (const line of lines) sink.write(line);
    await sink.close();
    other.write("another thread\n");
    await other.close();
    assert.equal(readFileSync(file, "utf8"), `${lines.join("")}another thread\n`);
  });

  test("has the lines that were written while it was being closed", async () => {
    await using folder = await createTemporaryDirectory();
    const sink = new LogSink(folder.join("access.log"));
    const closed = sink.close();
    setImmediate(() => sink.write("cut\n"));
    await closed;
    assert.equal(readFileSync(folder.join("access.log"), "utf8"), "cut\n");
  });

  test("that was moved away goes on in a new file, with all that still waited", async () => {
    await using folder = await createTemporaryDirectory();
    const [file, moved] = [folder.join("access.log"), folder.join("access.log.1")];
    const sink = new LogSink(file);
    const line = `${"x".repeat(99)}\n`;
    // Enough for a write to be under way, and more behind it.
    for (let i = 0; i < 1_000; i++) sink.write(line);
    renameSync(file, moved);
    sink.reopen();
    sink.reopen();
    sink.write("last\n");
    await sink.close();
    const [before, after] = [readFileSync(moved, "utf8"), readFileSync(file, "utf8")];
    assert.equal(before + after, `${line.repeat(1_000)}last\n`);
    assert.ok(before.length > 0 && after.length > 0);
  });

  test("that can't be opened is an error that names it", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("file", "");
    for (const [path, reason] of [
      [folder.path, /EISDIR/],
      [`${file}/access.log`, /ENOTDIR|EEXIST/],
    ] as const) {
      assert.throws(
        () => new LogSink(path),
        (error: Error) =>
          error.message.startsWith(`The log ${path} can't be written: `) && reason.test(error.message),
      );
    }
  });

  test("on a full disk loses lines and nothing else", async () => {
    const sink = new LogSink("/dev/full");
    for (let i = 0; i < 2_000; i++) sink.write(`${"x".repeat(99)}\n`);
    const before = performance.now();
    await sink.close();
    assert.ok(performance.now() - before < 900, "it gave up at once");
  });
});
