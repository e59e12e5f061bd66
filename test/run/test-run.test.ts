import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { findTestFiles } from "./files.ts";
import { type FinishedFile, type RunOptions, runTestFiles } from "./test-run.ts";

const imports = `import assert from "node:assert"; import { after, before, describe, test } from "node:test";\n`;
const ordinary: RunOptions = { lanes: 1, testTimeout: 60_000, silence: 60_000, memory: 2 ** 40 };

/** Runs files that hold these sources, in this order, and returns what came of each. */
async function runSources(
  directory: TemporaryDirectory,
  sources: Readonly<Record<string, string>>,
  options: Partial<RunOptions> = {},
): Promise<Map<string, FinishedFile>> {
  const files = [];
  for (const [name, source] of Object.entries(sources)) {
    const path = await directory.write(name, imports + source);
    files.push({ path, isAlone: findTestFiles([path])[0]?.isAlone ?? false });
  }
  const finished = new Map<string, FinishedFile>();
  await runTestFiles(files, { ...ordinary, ...options }, (file) => {
    finished.set(file.path.slice(directory.path.length + 1), file);
  });
  assert.equal(finished.size, files.length, "every file is heard of");
  return finished;
}

describe("files that share a process", { concurrency: true }, () => {
  test("are told apart, with all their tests", async () => {
    await using directory = await createTemporaryDirectory();
    const finished = await runSources(directory, {
      "a.mjs": `before(() => { globalThis.before = "a"; }); after(() => { globalThis.after = "a"; });
        test("one", () => { assert.equal(globalThis.before, "a"); assert.equal(globalThis.after, undefined); });
        describe("group", () => { test("two", () => {}); test("three", { skip: "no" }, () => {}); });`,
      "b.mjs": `console.log("printed"); test("four", () => {
        assert.equal(globalThis.after, "a"); globalThis.pid = process.pid;
        assert.deepEqual({ a: 1 }, { a: 2 });
      });`,
      "c.mjs": `test("five", () => { assert.equal(globalThis.pid, process.pid); });`,
    });
    const counts = [...finished.values()].map(({ counts: { tests, passed, failed, skipped, suites } }) =>
      [tests, passed, failed, skipped, suites].join(),
    );
    assert.deepEqual(counts, ["3,2,0,1,1", "1,0,1,0,0", "1,1,0,0,0"]);
    assert.deepEqual(
      [...finished.values()].map(({ ok }) => ok),
      [true, false, true],
    );
    assert.match(finished.get("a.mjs")!.text, /▶ group\n {2}✔ two .*\n {2}﹣ three .*# no/);
    assert.equal(finished.get("a.mjs")!.failures, "");
    assert.match(finished.get("b.mjs")!.text, /^printed\n/);
    assert.match(finished.get("b.mjs")!.failures, /✖ four.*deep-equal.*b\.mjs/s);
  });

  test("fail with what they throw while they are loaded, and when nobody waits for it", async () => {
    await using directory = await createTemporaryDirectory();
    const finished = await runSources(directory, {
      "first.mjs": `throw new Error("at once");`,
      "later.mjs": `test("good", () => {}); throw new Error("behind it");`,
      "missing.mjs": `import "./nothing.mjs"; test("good", () => {});`,
      "nobody.mjs": `test("good", () => { setTimeout(() => { throw new Error("too late"); }, 5); });`,
      "rejected.mjs": `test("good", () => { setTimeout(() => Promise.reject(new Error("unheard")), 5); });`,
      "code.mjs": `test("good", () => { process.exitCode = 3; });`,
      "fine.mjs": `test("good", () => {});`,
    });
    assert.deepEqual([...finished.values()].map(({ ok }) => ok).join(), `${"false,".repeat(6)}true`);
    assert.match(finished.get("first.mjs")!.failures, /at once/);
    assert.match(finished.get("later.mjs")!.failures, /behind it/);
    assert.match(finished.get("missing.mjs")!.failures, /nothing\.mjs/);
    assert.match(finished.get("nobody.mjs")!.text, /too late/);
    assert.match(finished.get("rejected.mjs")!.text, /unheard/);
  });

  test("fail by name when they end their process, and the others have a new one", async () => {
    await using directory = await createTemporaryDirectory();
    const finished = await runSources(directory, {
      "exit.mjs": `test("good", () => {}); test("leaves", () => { console.error("oh"); process.exit(0); });`,
      "killed.mjs": `test("is killed", () => { process.kill(process.pid, "SIGKILL"); });`,
      "fine.mjs": `test("good", () => {});`,
    });
    assert.deepEqual(
      [...finished.values()].map(({ ok }) => ok),
      [false, false, true],
    );
    assert.match(finished.get("exit.mjs")!.failures, /exit\.mjs ended with code 0; .*last: leaves\noh/);
    assert.match(finished.get("killed.mjs")!.failures, /killed\.mjs ended with SIGKILL; .*last: is killed/);
  });

  test("end when they say nothing any more, and tell what they left open", async () => {
    await using directory = await createTemporaryDirectory();
    const finished = await runSources(
      directory,
      {
        "open.mjs": `import { createServer } from "node:net"; test("opens", () => { createServer().listen(0); });`,
        "busy.mjs": `test("never ends", () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });`,
        "waits.mjs": `test("waits", { timeout: 50 }, () => new Promise(() => {}));`,
      },
      { lanes: 2, silence: 6000 },
    );
    assert.ok([...finished.values()].every(({ ok }) => !ok));
    assert.match(finished.get("open.mjs")!.failures, /silent for 6000 ms; open: .*TCPServerWrap/);
    assert.match(finished.get("busy.mjs")!.failures, /its event loop stands still; .*last: never ends/);
    assert.match(finished.get("waits.mjs")!.failures, /timed out after 50ms/);
  });

  test("have a new process when it has grown too large", async () => {
    await using directory = await createTemporaryDirectory();
    const source = `test("is new", () => { assert.equal(globalThis.old, undefined); globalThis.old = true; });`;
    const sources = { "a.mjs": source, "b.mjs": source };
    const fresh = await runSources(directory, sources, { memory: 1 });
    assert.ok([...fresh.values()].every(({ ok }) => ok));
  });
});

test("a file that says so has a process of its own", async () => {
  await using directory = await createTemporaryDirectory();
  const source = `test("is new", () => { assert.equal(globalThis.old, undefined); globalThis.old = true; });`;
  const alone = `// In a process of its own: it says what is new.\n${source}`;
  const finished = await runSources(directory, { "a.mjs": source, "b.mjs": alone, "c.mjs": source });
  assert.deepEqual(
    [...finished.values()].map(({ ok }) => ok),
    [true, true, false],
  );
});
