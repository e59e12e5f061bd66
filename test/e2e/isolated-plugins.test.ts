import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ApiPlugin } from "../../src/cli/steering/counted-client.ts";
import { createTemporaryDirectory, type TemporaryDirectory, untilWritten } from "../kit/files.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { compilePlugin, examplePlugin, oddPlugin, withoutCompiler } from "../kit/plugins.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw, type RawClient, roundTrip } from "../kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { op } from "../kit/wasm-module.ts";
import { upperCase, wasmFunction, wasmPlugin } from "../kit/wasm-plugins.ts";
import { type InsideSluice, runInside, startInside } from "./inside.ts";

const TCP = ["wasm", "boxed-wasm", "deadly", "safe", "plain"];

let folder: TemporaryDirectory;
let echo: RawOrigin;
let origin: Origin;
let sluice: InsideSluice;
let admin: string;

/** Everything in one process, but for what is isolated: a TCP listener for each plugin, and HTTP with a route for each. */
function configuration(): string {
  const isC = withoutCompiler === false;
  const c = (line: string): string[] => (isC ? [line] : []);
  const plugins = (name: string): string =>
    name === "plain" || (!isC && !name.includes("wasm")) ? "" : `, plugins: [${name}]`;
  return [
    `error_log: ${folder.join("errors.log")}`,
    `admin: ${admin}`,
    "plugins:",
    "  wasm: upper.wasm",
    "  boxed-wasm: { path: upper.wasm, isolate: process }",
    ...c("  deadly: { path: odd.so, isolate: process, config: { mode: deadly }, answer_timeout: 500ms }"),
    ...c("  safe: { path: odd.so, isolate: process, config: { mode: twice } }"),
    ...c("  gate: { path: gate.so, isolate: process, config: { refuse: /private } }"),
    "listeners:",
    ...TCP.map(
      (name) =>
        `  - { name: ${name}, bind: "127.0.0.1:0", protocol: tcp, upstream: "${echo.address}"${plugins(name)} }`,
    ),
    "  - bind: 127.0.0.1:0",
    "    routes:",
    ...["wasm", "deadly", "safe"].map(
      (name) =>
        `      - { match: { path: { prefix: /${name} } }, rewrite: { path: { strip_prefix: /${name} } }, upstream: "${origin.address}"${plugins(name)} }`,
    ),
    `      - { upstream: "${origin.address}"${isC ? ", plugins: [gate]" : ""} }`,
    "",
  ].join("\n");
}

before(async () => {
  folder = await createTemporaryDirectory();
  echo = await startRawOrigin(({ socket }) => void socket.pipe(socket));
  origin = await startOrigin();
  admin = `127.0.0.1:${await freePort()}`;
  await folder.write("upper.wasm", wasmPlugin("upper", [upperCase]));
  if (withoutCompiler === false)
    await Promise.all([
      compilePlugin(oddPlugin, folder.join("odd.so")),
      compilePlugin(examplePlugin("header-filter"), folder.join("gate.so")),
    ]);
  sluice = await startInside(["run", await folder.write("sluice.yaml", configuration())]);
});

after(async () => {
  for (const one of [sluice, echo, origin, folder]) await one?.[Symbol.asyncDispose]();
});

/** HTTP listeners come first. */
const portOf = (name: string): number => sluice.portOf(1 + TCP.indexOf(name));
const connect = (name: string): Promise<RawClient> => connectRaw(portOf(name));

/** Waits for a line of the error log. */
const logged = (what: RegExp): Promise<void> => untilWritten(folder.join("errors.log"), what);

const get = (path: string, init: RequestInit = {}): Promise<Response> => sluice.fetch(path, init);

/** Sends and reads until it is told to stop. @returns how often */
async function keepBusy(name: string, sent: string, expected: string, stop: AbortSignal): Promise<number> {
  await using client = await connect(name);
  for (let count = 1; ; count++) {
    void client.write(sent);
    assert.equal(String(await client.readExactly(expected.length)), expected);
    if (stop.aborted) return count;
  }
}

describe("plugins in WebAssembly", () => {
  test("change connections and bodies, in the thread and in a process of their own", async () => {
    assert.equal(await roundTrip(portOf("wasm"), "hello"), "HELLO");
    assert.equal(await roundTrip(portOf("boxed-wasm"), "hello"), "HELLO");
    assert.equal(await (await get("/wasm/none")).text(), "NO SUCH ROUTE\n");
    const large = Buffer.alloc(1024 * 1024, "some text ");
    for (const name of ["wasm", "boxed-wasm"])
      assert.ok((await roundTrip(portOf(name), String(large))) === String(large).toUpperCase(), name);
  });

  test("that trap cost that connection, and no other", async () => {
    await using other = await connect("wasm");
    await using client = await connect("wasm");
    void client.write("a!");
    assert.equal(await client.closed, "reset");
    await logged(/wasm: it trapped: unreachable/);
    void other.write("still");
    assert.equal(String(await other.readExactly(5)), "STILL");
    assert.equal(await roundTrip(portOf("wasm"), "new"), "NEW");
    await assert.rejects(get("/wasm/echo", { method: "POST", body: "a!" }).then(throwUnlessOk));
  });

  test("whose file is exchanged are exchanged", async () => {
    const lower = wasmPlugin("none", [{ ...upperCase, body: [[0x42, 0]] }]);
    await folder.write("upper.wasm", lower);
    await logged(/"plugin":"boxed-wasm".*Plugin was exchanged/);
    await logged(/"plugin":"wasm".*Plugin was exchanged/);
    for (const name of ["wasm", "boxed-wasm"]) assert.equal(await roundTrip(portOf(name), "gone"), "");
  });

  test("are tried with the configuration", async () => {
    await folder.write("bad.wasm", wasmPlugin("bad", [upperCase], { imports: ["env", "now"] }));
    const gate = wasmFunction("sluice_filter_request", 5, [op.i32(-403)]);
    await folder.write("gate.wasm", wasmPlugin("gate", [gate]));
    for (const [plugin, reason] of [
      ["bad.wasm", /bad\.wasm\) can't be used: it imports env\.now, and nothing is there to be imported/],
      ["bad.wasm, isolate: process", /bad\.wasm\) can't be used: it imports env\.now/],
      ["gate.wasm", /gate\.wasm\) can't be used: it has no sluice_transform, without which .* TCP listener/],
    ] as const) {
      const file = await folder.write(
        "bad.yaml",
        `plugins: { bad: { path: ${plugin} } }\nlisteners: [{ bind: 1, protocol: tcp, upstream: 2, plugins: [bad] }]\n`,
      );
      const { code, stderr } = await runInside(["run", "-t", file]);
      assert.equal(code, 2);
      assert.match(stderr, reason);
    }
  });
});

function throwUnlessOk({ ok, status }: Response): void {
  if (!ok) throw new Error(String(status));
}

describe("a plugin in a process of its own", { skip: withoutCompiler }, () => {
  test("works as in the thread, on connections, bodies and heads", async () => {
    assert.equal(await roundTrip(portOf("safe"), "abc"), "aaaabbbbcccc");
    const answer = (await (await get("/deadly/echo", { method: "POST", body: "hi" })).json()) as EchoAnswer;
    assert.equal(answer.body, "hi");
    assert.equal((await get("/private")).status, 403);
    assert.equal(await (await get("/")).text(), "origin\n");
    assert.ok(origin.requests.at(-1)!.headers["x-filtered-by"] !== undefined);
  });

  test("that crashes costs the connections in it; it is replaced, and all others go on", async () => {
    const stop = new AbortController();
    const others = ["safe", "safe", "plain"].map((name) =>
      keepBusy(name, "ab", name === "safe" ? "aaaabbbb" : "ab", stop.signal),
    );
    for (let round = 0; round < 3; round++) {
      await using neighbour = await connect("deadly");
      void neighbour.write("fine");
      assert.equal(String(await neighbour.readExactly(4)), "fine");
      await using client = await connect("deadly");
      void client.write("!");
      assert.equal(await client.closed, "reset");
      assert.equal(await neighbour.closed, "reset");
      assert.equal(await roundTrip(portOf("deadly"), "again"), "again");
    }
    stop.abort();
    for (const count of await Promise.all(others)) assert.ok(count > 1);
    await logged(
      /"plugin":"deadly","problem":"its process was ended by SIGSEGV".*another one takes its place/,
    );
    await logged(/Plugin deadly: its process was ended by SIGSEGV/);
    await assert.rejects(get("/deadly/echo", { method: "POST", body: "!" }).then(throwUnlessOk));
    assert.equal((await get("/deadly/")).status, 200);
    const { stdout } = await runInside(["status", "--json", "--host", admin]);
    const { plugins } = JSON.parse(stdout) as { readonly plugins: readonly ApiPlugin[] };
    const told = plugins.find(({ name }) => name === "deadly");
    assert.deepEqual([told?.title, told?.restarts], ["odd", 4]);
    const top = await runInside(["top", "--once", "--host", admin]);
    assert.match(top.stdout, /\nPLUGIN .* RESTARTS /);
  });

  test("that answers nonsense, or half, is replaced too, and nothing of it goes on", async () => {
    for (const [sent, reason] of [
      ["#", /Plugin deadly: its process answers nonsense: a frame came of kind 255/],
      ["%", /Plugin deadly: its process ended with code 3/],
    ] as const) {
      await using client = await connect("deadly");
      void client.write(sent);
      assert.equal(await client.closed, "reset");
      assert.equal(client.unread.length, 0);
      await logged(reason);
      assert.equal(await roundTrip(portOf("deadly"), "again"), "again");
    }
  });

  test("that never answers is ended, and replaced", async () => {
    await using client = await connect("deadly");
    void client.write("?");
    assert.equal(await client.closed, "reset");
    await logged(/Plugin deadly: it didn't answer within 500 ms/);
    assert.equal(await roundTrip(portOf("deadly"), "again"), "again");
  });
});
