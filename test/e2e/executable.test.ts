import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { findProgram } from "../kit/peer.ts";
import { type Finished, runProgram } from "../kit/process.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const oneLine = /^sluice: needs Node\.js 26 or newer, this is v[\d.]+ \([^\n]+\n$/;

/** A package with our executable and a command line of the test's own. */
async function createPackage(files: Record<string, string>): Promise<TemporaryDirectory> {
  const directory = await createTemporaryDirectory();
  await cp(bin, directory.join("bin"), { recursive: true });
  await directory.write("package.json", '{ "type": "module" }');
  for (const [name, text] of Object.entries(files)) await directory.write(name, text);
  return directory;
}

function run(directory: TemporaryDirectory, ...args: string[]): Promise<Finished> {
  return runProgram(process.execPath, [directory.join("bin", "sluice.js"), ...args]);
}

/** The Node of the system, when it is too old: an honest witness, where there is one. */
function findOldNode(): string | undefined {
  const node = findProgram("node");
  if (node === undefined) return undefined;
  const major = Number.parseInt(execFileSync(node, ["--version"], { encoding: "utf8" }).slice(1), 10);
  return major < 26 ? node : undefined;
}

describe("the executable on an old Node", () => {
  const oldNode = findOldNode();
  const skip = oldNode === undefined && "the system has no Node older than 26";

  test("says one line and exits with 2", { skip }, async () => {
    const finished = await runProgram(oldNode ?? "", [join(bin, "sluice.js"), "--help"]);
    assert.match(finished.stderr, oneLine);
    assert.deepEqual([finished.code, finished.stdout], [2, ""]);
  });

  for (const version of ["12.0.0", "20.20.2", "25.9.1"]) {
    test(`refuses ${version}`, async () => {
      const written: string[] = [];
      const old = {
        version: `v${version}`,
        versions: { node: version },
        execPath: "/usr/bin/node",
        stderr: { write: (text: string) => written.push(text) },
        exitCode: 0,
      };
      runInNewContext(await readFile(join(bin, "sluice.js"), "utf8"), { process: old });
      assert.match(written.join(""), oneLine);
      assert.equal(old.exitCode, 2);
    });
  }

  test("uses no syntax that Node 12 lacks", async () => {
    const source = await readFile(join(bin, "sluice.js"), "utf8");
    assert.doesNotMatch(source, /=>|\?\.|\?\?|\b(const|let|class|async|await|import\.meta)\b|^import [^(]/m);
  });
});

describe("the executable", () => {
  test("hands argv to the sources of a checkout", async () => {
    await using directory = await createPackage({
      "src/cli/main.ts":
        "export const main = (argv: string[]): void => console.log('source', argv.slice(2));",
      "dist/cli/main.js": "export const main = () => console.log('dist');",
    });
    const finished = await run(directory, "run", "--json");
    assert.deepEqual([finished.code, finished.stdout], [0, "source [ 'run', '--json' ]\n"]);
  });

  test("runs dist/ in an installed package", async () => {
    await using directory = await createPackage({
      "dist/cli/main.js": "export const main = (argv) => { process.exitCode = argv.length; };",
    });
    assert.equal((await run(directory, "one")).code, 3);
  });

  test("hides the warnings of what it stands on, and no others", async () => {
    await using directory = await createPackage({
      "src/cli/main.ts": `
        import "node:ffi";
        export function main(): void {
          process.emitWarning("look out");
          process.emitWarning("Something else is an experimental feature", "ExperimentalWarning");
        }`,
    });
    const { stderr } = await run(directory);
    assert.match(stderr, /Warning: look out/);
    assert.match(stderr, /Something else is an experimental feature/);
    assert.doesNotMatch(stderr, /FFI/);
  });

  test("fails with the error of its command line", async () => {
    await using directory = await createPackage({
      "src/cli/main.ts": "export const main = (): never => { throw new Error('broken'); };",
    });
    const finished = await run(directory);
    assert.equal(finished.code, 1);
    assert.match(finished.stderr, /Error: broken/);
  });
});
