import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { type Finished, runSluice, startSluice } from "../kit/process.ts";
import { runInside } from "./inside.ts";

const ANYWHERE = ["--bind", "127.0.0.1:0"];

/** Runs a program that can't run: in a process, or in this one where it leaves nothing behind. */
async function fail(
  text: string,
  threads: number,
  { flags = ANYWHERE, inside = false }: { flags?: readonly string[]; inside?: boolean } = {},
): Promise<Omit<Finished, "signal"> & { file: string }> {
  await using directory = await createTemporaryDirectory();
  const file = await directory.write("program.ts", text);
  const args = ["run", file, "--threads", String(threads), ...flags];
  return { ...(await (inside ? runInside(args) : runSluice(args))), file };
}

const BREAKS_OFF = `setInterval(() => {}, 1000);\nthrow new TypeError("no such luck");\n`;
const FAILS_TO_START = `
  import { backgroundService } from "sluice";
  setInterval(() => {}, 1000);
  export default backgroundService({ name: "names", start() { throw new Error("no names"); } });`;

for (const threads of [0, 2]) {
  describe(`a program in ${threads} threads`, () => {
    test("that breaks off is named with its place, and leaves nothing running", async () => {
      const { code, stdout, stderr, file } = await fail(BREAKS_OFF, threads);
      assert.equal(stderr, `sluice: ${file}:2:7: TypeError: no such luck\n`);
      assert.deepEqual([code, stdout], [2, ""]);
    });

    test("with a service that can't start ends", async () => {
      const { code, stderr } = await fail(FAILS_TO_START, threads, { flags: [] });
      assert.deepEqual([code, stderr], [1, "sluice: Service names could not start: no names\n"]);
    });

    test("that can't listen ends", async () => {
      const address = `127.0.0.1:${await freePort()}`;
      const twice = `
        import { httpService } from "sluice";
        export default ["a", "b"].map((name) =>
          httpService({ name, listen: ["${address}"], handler: () => undefined }));`;
      const { code, stderr } = await fail(twice, threads, { flags: [], inside: threads === 0 });
      assert.match(stderr, new RegExp(`^sluice: .*${RegExp.escape(address)}`));
      assert.equal(code, 1);
    });
  });
}

test("a program that exports none is named with what it exports", async () => {
  const { code, stderr, file } = await fail("export default 42;", 0, { inside: true });
  assert.ok(stderr.startsWith(`sluice: ${file}: This is no program: it is the number 42; expected`), stderr);
  assert.equal(code, 2);
});

describe("a program that waits for ever", () => {
  const text = "await new Promise(() => {});\nexport default { upstreamPeer() {} };\n";

  for (const flags of [[], ["-t"]]) {
    test(`is named where it runs in the main thread, ${flags.length === 0 ? "when it is run" : "when it is tested"}`, async () => {
      const { code, stdout, stderr, file } = await fail(text, 0, { flags: [...ANYWHERE, ...flags] });
      assert.equal(stderr, `sluice: ${file}: it never finishes loading: it awaits what never comes\n`);
      assert.deepEqual([code, stdout], [2, ""]);
    });
  }

  test("is at least told of where it runs in threads", async () => {
    await using directory = await createTemporaryDirectory();
    const file = await directory.write("program.ts", text);
    await using program = await startSluice(["run", file, ...ANYWHERE, "--threads", "1"]);
    await program.line(/Not everything has started yet/);
  });
});
