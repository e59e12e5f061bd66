import assert from "node:assert/strict";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createTemporaryDirectory, isOpenToAll } from "../../test/kit/files.ts";
import { runProgram } from "../../test/kit/process.ts";
import { upperCase, wasmPlugin } from "../../test/kit/wasm-plugins.ts";
import { futureUser } from "./future-user.ts";
import { PluginCopies } from "./plugin-files.ts";

const canChange = process.platform === "linux" && process.getuid?.() === 0;
const skip = canChange && isOpenToAll(join(import.meta.dirname, "../..")) ? false : "only root can";

/** Begins a plugin in a thread, as long as the process is root, and tells who its process is. */
const SCRIPT = `
import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { setFutureUser } from ${JSON.stringify(import.meta.resolve("./future-user.ts"))};
setFutureUser({ uid: 65534, gid: 65533 });
const code = "import(" + JSON.stringify(${JSON.stringify(import.meta.resolve("./load-plugin.ts"))}) + ")" +
  ".then(({ loadPlugin }) => loadPlugin(process.argv.at(-1), null, { isolate: 'process' }))" +
  ".then(() => require('node:worker_threads').parentPort.postMessage('begun'))";
const worker = new Worker(code, { eval: true, argv: process.argv.slice(-1) });
worker.on("message", () => {
  const children = readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync("/proc/self/task/" + task + "/children", "utf8").split(" ").filter(Boolean));
  for (const child of children)
    console.log(readFileSync("/proc/" + child + "/status", "utf8").match(/^([UG]id:.*|CapEff:.*)$/gm).join(" ").replaceAll("\\t", " "));
  process.exit();
});
`;

test("processes of plugins are never root where their proxy won't be", { skip }, async () => {
  await using folder = await createTemporaryDirectory();
  chmodSync(folder.path, 0o755);
  const file = await folder.write("script.mjs", SCRIPT);
  const plugin = await folder.write("upper.wasm", wasmPlugin("upper", [upperCase]));
  const flags = ["--disable-warning=ExperimentalWarning", file, plugin];
  const { stdout, stderr } = await runProgram(process.execPath, flags);
  assert.equal(
    stdout,
    "Uid: 65534 65534 65534 65534 Gid: 65533 65533 65533 65533 CapEff: 0000000000000000\n",
    stderr,
  );
});

test("nothing is changed where nobody is to become somebody else, and copies are for nobody else", async () => {
  assert.deepEqual(futureUser(), {});
  const copies = new PluginCopies();
  await copies.add("a.so", { bytes: Buffer.from("secret"), digest: "" });
  assert.equal(statSync(copies.folder!).mode & 0o777, 0o700);
  copies.close();
});
