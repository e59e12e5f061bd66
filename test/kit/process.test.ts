// In a process of its own: it starts and ends processes, and listens to signals.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "./deadline.ts";
import { cpuMicros, type RunningProgram, rss, runProgram, startProgram } from "./process.ts";

function startNode(source: string): Promise<RunningProgram> {
  return startProgram(process.execPath, ["--eval", source]);
}

const stayAlive = "setInterval(() => {}, 1e6);";

/** A zombie has ended too: in a container there may be nobody to reap it. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => "State:\tX");
  return !/^State:\t[XZ]/m.test(status);
}

describe("a running program", () => {
  test("is waited for by its lines, on either stream and in pieces", async () => {
    await using program = await startNode(`
      process.stdout.write("port ");
      setImmediate(() => { process.stdout.write("123\\n"); console.error("ready"); });
      ${stayAlive}`);
    const match = await program.line(/^port (\d+)$/);
    assert.equal(match[1], "123");
    await program.line(/ready/);
    await program.line(/^port/);
  });

  test("waits for new lines after clear", async () => {
    await using program = await startNode(`
      process.stdin.on("data", (text) => console.log("got " + text.toString().trim()));
      ${stayAlive}`);
    program.write("one\n");
    await program.line(/^got one$/);
    program.clear();
    program.write("two\n");
    await program.line(/^got/);
    assert.equal(program.stdout, "got two\n");
  });

  test("fails with its output when the line does not come", async () => {
    await using program = await startNode(`console.log("something else"); ${stayAlive}`);
    await program.line(/else/);
    await assert.rejects(program.line(/never/, 20), /waited 20 ms for \/never\/[\s\S]*something else/);
  });

  test("fails at once when the program ends before the line", async () => {
    await using program = await startNode(`console.error("no such file"); process.exitCode = 3;`);
    await assert.rejects(program.line(/ready/), /ended before \/ready\/[\s\S]*no such file/);
    assert.deepEqual(await program.exit(), { code: 3, signal: null });
  });

  test("takes signals", async () => {
    await using program = await startNode(`
      process.on("SIGHUP", () => console.log("reload"));
      console.log("ready");
      ${stayAlive}`);
    await program.line(/ready/);
    program.signal("SIGHUP");
    await program.line(/reload/);
    program.signal("SIGTERM");
    assert.deepEqual(await program.exit(), { code: null, signal: "SIGTERM" });
  });

  test("reports its end though a successor holds the output", async () => {
    await using program = await startNode(`
      const source = 'console.log("successor"); setInterval(() => {}, 1e6)';
      require("node:child_process").spawn(process.execPath, ["-e", source], { stdio: "inherit" }).unref();
    `);
    await program.line(/^successor$/);
    assert.deepEqual(await program.exit(), { code: 0, signal: null });
  });

  test("is gone at the end of the scope, with what it started", async () => {
    let pids: number[];
    {
      await using program = await startNode(`
        const child = require("node:child_process").spawn("sleep", ["1000"]);
        console.log("child " + child.pid);
        ${stayAlive}`);
      const child = await program.line(/^child (\d+)$/);
      pids = [program.pid, Number(child[1])];
    }
    await until("both are gone", async () => !(await Promise.all(pids.map(isAlive))).includes(true));
  });

  test("that does not exist is an error", async () => {
    await assert.rejects(startProgram("no-such-program"), { code: "ENOENT" });
  });
});

test("runProgram collects what a program says", async () => {
  const source = "console.log(1); console.error(process.env.WORD); process.stdin.resume();";
  const finished = await runProgram(process.execPath, ["--eval", source], { env: { WORD: "two" } });
  assert.deepEqual(finished, { code: 0, signal: null, stdout: "1\n", stderr: "two\n" });
});

test("cpuMicros and rss measure another process", async () => {
  await using program = await startNode(`
    const held = Buffer.alloc(64 << 20, 1);
    const end = process.cpuUsage().user + 200_000;
    while (process.cpuUsage().user < end);
    console.log("worked", held.length);
    ${stayAlive}`);
  await program.line(/worked/);
  const cpu = await cpuMicros(program.pid);
  assert.ok(cpu >= 180_000 && cpu < 5_000_000, `${cpu}`);
  const memory = await rss(program.pid);
  assert.ok(memory > 64 << 20 && memory < 1 << 30, `${memory}`);
  await assert.rejects(cpuMicros(2 ** 30), { code: "ENOENT" });
});
