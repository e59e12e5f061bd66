import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { type Finished, runProgram, startSluice } from "../kit/process.ts";

const bin = join(import.meta.dirname, "..", "..", "bin", "sluice.js");

/** Runs a program that can't run. */
async function fail(
  text: string,
  threads: string,
  ...flags: readonly string[]
): Promise<Finished & { file: string }> {
  await using directory = await createTemporaryDirectory();
  const file = await directory.write("program.ts", text);
  const finished = await runProgram(process.execPath, [bin, "run", file, "--threads", threads, ...flags]);
  return { ...finished, file };
}

for (const threads of ["0", "2"]) {
  describe(`a program in ${threads} threads`, () => {
    test("that breaks off is named with its place, and leaves nothing running", async () => {
      const text = `setInterval(() => {}, 1000);\nthrow new TypeError("no such luck");\n`;
      const { code, stdout, stderr, file } = await fail(text, threads, "--bind", "127.0.0.1:0");
      assert.equal(stderr, `sluice: ${file}:2:7: TypeError: no such luck\n`);
      assert.deepEqual([code, stdout], [2, ""]);
    });

    test("that waits for ever is named, or at least told of", async () => {
      const text = "await new Promise(() => {});\nexport default { upstreamPeer() {} };\n";
      if (threads === "0") {
        for (const flags of [[], ["-t"]]) {
          const { code, stdout, stderr, file } = await fail(text, threads, "--bind", "127.0.0.1:0", ...flags);
          assert.equal(stderr, `sluice: ${file}: it never finishes loading: it awaits what never comes\n`);
          assert.deepEqual([code, stdout], [2, ""]);
        }
        return;
      }
      await using directory = await createTemporaryDirectory();
      const file = await directory.write("program.ts", text);
      await using program = await startSluice(["run", file, "--bind", "127.0.0.1:0", "--threads", threads]);
      await program.line(/Not everything has started yet/);
    });

    test("that exports no program is named with what it exports", async () => {
      const { code, stderr, file } = await fail("export default 42;", threads, "--bind", "127.0.0.1:0");
      assert.ok(
        stderr.startsWith(`sluice: ${file}: This is no program: it is the number 42; expected`),
        stderr,
      );
      assert.equal(code, 2);
    });

    test("with a service that can't start, or can't listen, ends", async () => {
      const failing = `
        import { backgroundService } from "sluice";
        setInterval(() => {}, 1000);
        export default backgroundService({ name: "names", start() { throw new Error("no names"); } });`;
      const first = await fail(failing, threads);
      assert.deepEqual([first.code, first.stderr], [1, "sluice: Service names could not start: no names\n"]);

      const address = `127.0.0.1:${await freePort()}`;
      const twice = `
        import { httpService } from "sluice";
        export default ["a", "b"].map((name) =>
          httpService({ name, listen: ["${address}"], handler: () => undefined }));`;
      const second = await fail(twice, threads);
      assert.match(second.stderr, new RegExp(`^sluice: .*${RegExp.escape(address)}`));
      assert.equal(second.code, 1);
    });
  });
}
