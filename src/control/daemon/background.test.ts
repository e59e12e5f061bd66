import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

test("a process in the background goes on though whoever started it is gone", async () => {
  const module = JSON.stringify(import.meta.resolve("./background.ts"));
  const script = `
    process.stdin.once("end", async () => (await import(${module})).leaveForeground(null)).resume();`;
  const child = spawn(process.execPath, ["-e", script], {
    env: { ...process.env, SLUICE_BACKGROUND: "3" },
    stdio: ["pipe", "ignore", "ignore", "pipe"],
  });
  child.stdio[3]!.destroy();
  child.stdin!.end();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
