import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { processorTime } from "./processor-time.ts";

test("what a child has used counts once it has ended", () => {
  const before = processorTime();
  spawnSync(process.execPath, ["-e", "while (process.cpuUsage().user < 60_000);"]);
  assert.ok(processorTime() - before >= 50, `${processorTime() - before} ms`);
});
