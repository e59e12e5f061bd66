import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { closeErrorLog, createErrorLog, turnErrorLog } from "./error-log.ts";

test("a log becomes another one", async () => {
  await using folder = await createTemporaryDirectory();
  const [one, two] = [folder.join("one.log"), folder.join("two.log")];
  const log = await createErrorLog({ level: "warn", path: one }, "sluice");
  log.warn("before");
  log.debug("nothing");
  turnErrorLog(log, await createErrorLog({ level: "debug", path: two }, "sluice"));
  log.debug("after");
  log.warn("after");
  closeErrorLog(log);
  const read = async (path: string): Promise<string[]> =>
    (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).msg);
  assert.deepEqual([await read(one), await read(two)], [["before"], ["after", "after"]]);
});
