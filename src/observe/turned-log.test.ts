import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { closeErrorLog, createErrorLog, turnErrorLog } from "./error-log.ts";

test("a log becomes another one, and so do those that were made of it", async () => {
  await using folder = await createTemporaryDirectory();
  const [one, two] = [folder.join("one.log"), folder.join("two.log")];
  const log = await createErrorLog({ level: "warn", path: one }, "sluice");
  const child = log.child({ listener: "web" });
  for (const each of [log, child]) each.warn("before");
  turnErrorLog(log, await createErrorLog({ level: "debug", path: two }, "sluice"));
  log.debug("after");
  child.warn("after");
  closeErrorLog(log);
  const read = async (path: string): Promise<string[]> =>
    (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).msg);
  assert.deepEqual(
    [await read(one), await read(two)],
    [
      ["before", "before"],
      ["after", "after"],
    ],
  );
});
