import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { startProgram } from "../../test/kit/process.ts";
import { PidFile } from "./pid-file.ts";
import { HeldPidFile } from "./reload/held-pid-file.ts";

test("a pid file is written, and removed by who wrote it", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("sluice.pid", "999999999\n");
  const file = PidFile.write(path);
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
  file.remove();
  assert.equal(existsSync(path), false);
  const taken = PidFile.write(path);
  await folder.write("sluice.pid", "999999999\n");
  taken.remove();
  assert.equal(existsSync(path), true);
});

test("nothing is written through links that others have put beside it", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("sluice.pid");
  const precious = await folder.write("precious", "all that I have");
  symlinkSync(precious, `${path}.${process.pid}`);
  PidFile.write(path);
  assert.equal(readFileSync(precious, "utf8"), "all that I have");
  assert.deepEqual(readdirSync(folder.path), ["precious", "sluice.pid"]);
});

test("a pid file that can't be used is named", async () => {
  await using folder = await createTemporaryDirectory();
  await folder.write("sluice.pid", `${process.ppid}\n`);
  const precious = await folder.write("sluice.yaml", "version: 1\n");
  for (const [path, problem] of [
    [folder.path, "can't hold the process id: it is no regular file"],
    [precious, "can't hold the process id: it holds something else"],
    [folder.join("nowhere", "sluice.pid"), "can't hold the process id: ENOENT"],
    [folder.join("sluice.pid"), `belongs to process ${process.ppid}, which is running`],
  ] as const) {
    assert.throws(
      () => PidFile.write(path),
      (error: Error) => error.message.startsWith(`${path} ${problem}`),
    );
  }
  assert.equal(readFileSync(precious, "utf8"), "version: 1\n");
});

test("a successor takes the file over from a process that runs still", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("sluice.pid", `${process.ppid}\n`);
  PidFile.write(path, process.ppid);
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
});

test("a place that wasn't taken after all is its owner's again, on either side", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("sluice.pid", `${process.ppid}\n`);
  const read = (): string => readFileSync(path, "utf8");
  const successor = new HeldPidFile();
  successor.write(path, process.ppid);
  successor.giveBack();
  assert.equal(read(), `${process.ppid}\n`);
  successor.remove();
  assert.equal(read(), `${process.ppid}\n`, "it isn't this one's any more");

  const other = folder.join("other.pid");
  successor.write(other, process.ppid);
  successor.giveBack();
  assert.equal(existsSync(other), false, "it was nobody's before");

  // The successor runs still, and will never say anything again.
  const predecessor = new HeldPidFile();
  predecessor.write(path, process.ppid);
  await folder.write("sluice.pid", `${process.ppid}\n`);
  predecessor.reclaim(process.ppid);
  assert.equal(read(), `${process.pid}\n`);
  predecessor.remove();
  assert.equal(existsSync(path), false);
});

test("of several processes that find an old file at the same moment one gets it", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("sluice.pid", "999999999\n");
  const script = `
    const { PidFile } = await import(${JSON.stringify(import.meta.resolve("./pid-file.ts"))});
    console.log("loaded");
    process.stdin.once("data", () => {
      try { PidFile.write(${JSON.stringify(path)}); console.log("mine", process.pid); }
      catch (error) { console.log(/is running$/.test(error.message) ? "taken" : error.message); }
    });`;
  const flags = ["--input-type=module", "-e", script];
  const programs = await Promise.all(Array.from({ length: 4 }, () => startProgram(process.execPath, flags)));
  try {
    await Promise.all(programs.map((program) => program.line(/^loaded$/)));
    for (const program of programs) program.write("go\n");
    const said = await Promise.all(programs.map((program) => program.line(/^(mine|taken|.*hold.*)/)));
    const words = said.map(([, word]) => word);
    assert.deepEqual(words.toSorted(), ["mine", "taken", "taken", "taken"]);
    assert.equal(readFileSync(path, "utf8"), `${programs[words.indexOf("mine")]?.pid}\n`);
    assert.deepEqual(readdirSync(folder.path), ["sluice.pid"]);
  } finally {
    for (const program of programs) await program[Symbol.asyncDispose]();
  }
});
