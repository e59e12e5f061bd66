import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/kit/files.ts";
import { op } from "../../test/kit/wasm-module.ts";
import { P, transformBy, wasmFunction, wasmPlugin } from "../../test/kit/wasm-plugins.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { IsolatedPlugin } from "./isolated-plugin.ts";
import { type LossListener, type PluginConnection, PluginError, TO_UPSTREAM } from "./plugin.ts";
import { encodeFrame, Frame } from "./plugin-frames.ts";
import { ENTRY, spawnPluginProcess } from "./spawn-plugin.ts";

/** Passes what comes, asks for 200,000 bytes for a `+`, never returns from a `?` and has the connection closed for a `.`. */
const transform = transformBy(
  ...[op.get(P.input), op.loadByte, op.set(7)],
  ...[op.get(7), op.i32(0x3f), op.equal, op.if, op.loop, op.br(0), op.end, op.end],
  ...[op.get(7), op.i32(0x2e), op.equal, op.if, op.i64(-1), op.return, op.end],
  ...[op.get(7), op.i32(0x2b), op.equal, op.if],
  ...[op.get(P.capacity), op.i32(200_000), op.less, op.if, op.i64(-200_002), op.return, op.end],
  ...[op.i64(200_000), op.return, op.end],
  ...[op.get(P.output), op.get(7), op.storeByte],
  ...[op.get(P.length), op.toI64],
);
const filter = wasmFunction("sluice_filter_request", 5, [op.i32(-403)]);

/** Milliseconds until another process starts in the place of one that ended, at the most. */
const LONGEST_WAIT = 800;

const withoutProc = existsSync("/proc/self/environ") ? false : "there is no /proc";

let folder: TemporaryDirectory;
let restarts: string[];
/** Of the plugin that was started last. It stands still: nobody is late because the machine is busy. */
let clock: ManualAlarmClock;

before(async () => {
  folder = await createTemporaryDirectory();
  await folder.write("odd.wasm", wasmPlugin("odd", [transform, filter]));
  await folder.write("junk.wasm", "junk");
});

after(() => folder[Symbol.asyncDispose]());

async function start(name = "odd", timeout = 30_000): Promise<IsolatedPlugin> {
  restarts = [];
  clock = new ManualAlarmClock();
  const path = folder.join(`${name}.wasm`);
  const material = {
    name,
    path,
    file: path,
    config: "null",
    digest: "",
    isolate: "process",
    timeout,
    mustTransform: false,
  } as const;
  return await IsolatedPlugin.start(material, { onRestart: (why) => void restarts.push(why) }, clock);
}

async function through(connection: PluginConnection, text: string): Promise<string | null> {
  const bytes = Buffer.from(`..${text}`);
  const later = connection.transform(TO_UPSTREAM, bytes, 2, bytes.length);
  // It was borrowed.
  bytes.fill(0);
  const result = await later;
  return result === null ? null : result.toString("latin1");
}

/** Time goes by until that is settled. */
async function inTime(work: Promise<unknown>): Promise<void> {
  const timer = setInterval(() => clock.advance(10), 10);
  await work.finally(() => clearInterval(timer));
}

/** It never answers that. */
function neverAnswered(plugin: IsolatedPlugin): Promise<void> {
  return inTime(assert.rejects(through(plugin.openConnection(""), "?"), /it didn't answer/));
}

describe("a plugin in a process of its own", () => {
  test("does there what it would do here", async () => {
    const plugin = await start();
    assert.deepEqual([plugin.name, plugin.transforms, plugin.filtersRequests], ["odd", true, true]);
    const [one, two] = [plugin.openConnection("a:1"), plugin.openConnection("b:2")];
    // Several at once, each in order.
    const answers = await Promise.all([
      through(one, "a"),
      through(two, "b"),
      through(one, "+"),
      through(two, "c"),
    ]);
    assert.deepEqual([answers[0], answers[1], answers[2]?.length, answers[3]], ["a", "b", 200_000, "c"]);
    assert.equal(await through(two, "."), null);
    assert.equal(await plugin.filterRequest("GET / HTTP/1.1\r\n\r\n"), 403);
    for (const connection of [one, two]) connection.close();
    await assert.rejects(through(one, "c"), /there is no such connection/);
    plugin.close();
    assert.throws(() => plugin.openConnection(""), /it is used no more/);
  });

  test("that doesn't answer is ended and replaced, which costs those in it", async () => {
    const plugin = await start("odd", 300);
    const [one, two] = [plugin.openConnection(""), plugin.openConnection("")];
    const lost = [through(one, "?"), through(two, "a")];
    const told: string[] = [];
    const listener = (name: string): LossListener => ({ onLost: () => void told.push(name) });
    const [idle, over] = [plugin.openConnection(""), plugin.openConnection("")];
    for (const each of [idle, over]) each.watch?.(listener(each === idle ? "idle" : "over"));
    over.close();
    const isLate = (error: unknown): boolean =>
      error instanceof PluginError && /^it didn't answer within 300 ms/.test(error.message);
    await inTime(Promise.all(lost.map((each) => assert.rejects(each, isLate))));
    assert.equal(restarts.length, 1);
    assert.deepEqual(told, ["idle"]);
    // What has begun meanwhile waits for the next process.
    assert.equal(await through(plugin.openConnection(""), "b"), "b");
    await assert.rejects(through(two, "b"), /it didn't answer/);
    for (const connection of [one, two]) connection.close();
    plugin.close();
  });

  test("is replaced when its process ends, also many times in a row", async () => {
    const plugin = await start("odd", 100);
    for (let i = 1; i <= 3; i++) {
      await neverAnswered(plugin);
      assert.equal(restarts.length, i);
    }
    clock.advance(LONGEST_WAIT);
    assert.equal(await through(plugin.openConnection(""), "b"), "b");
    plugin.close();
  });

  test("waits for better times while no process can be started", async (t) => {
    const plugin = await start("odd", 300);
    t.after(() => void delete process.env["SLUICE_TEST_LARGE"]);
    // No process may begin with so much.
    process.env["SLUICE_TEST_LARGE"] = "x".repeat(2 ** 21);
    await neverAnswered(plugin);
    const impossible = /^PluginError: its process can't be started: spawn E2BIG$/;
    await inTime(assert.rejects(through(plugin.openConnection(""), "a"), impossible));
    delete process.env["SLUICE_TEST_LARGE"];
    clock.advance(LONGEST_WAIT);
    assert.equal(await through(plugin.openConnection(""), "b"), "b");
    plugin.close();
  });

  test("ends by itself when nobody is there to end it", async () => {
    const child = spawn(process.execPath, [fileURLToPath(ENTRY)], {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    const ended = once(child, "exit");
    const path = folder.join("odd.wasm");
    const order = JSON.stringify({ path, file: path, config: "null", lastSeconds: 1 });
    const pipe = child.stdio[3] as Socket;
    pipe.write(encodeFrame(Frame.begin, 0, Buffer.from(order)));
    await once(pipe, "data");
    pipe.write(encodeFrame(Frame.open, 1));
    pipe.end(encodeFrame(Frame.toUpstream, 1, Buffer.from("?")));
    assert.deepEqual(await ended, [null, "SIGALRM"]);
  });

  test("is told nothing that the service manager told its proxy alone", { skip: withoutProc }, (t) => {
    t.after(() => {
      for (const name of ["WATCHDOG_USEC", "LISTEN_FDNAMES"]) delete process.env[name];
    });
    Object.assign(process.env, { WATCHDOG_USEC: "1000", LISTEN_FDNAMES: "web" });
    const child = spawnPluginProcess();
    const environment = readFileSync(`/proc/${child.pid}/environ`, "latin1");
    child.kill("SIGKILL");
    assert.match(environment, /\0PATH=|^PATH=/);
    assert.doesNotMatch(environment, /WATCHDOG_USEC|LISTEN_FDNAMES/);
  });

  test("that is none says so", async () => {
    await assert.rejects(start("junk"), /^PluginError: it is no module of WebAssembly, version 1$/);
    await assert.rejects(start("missing"), /no such file or directory/);
    assert.deepEqual(restarts, []);
  });
});
