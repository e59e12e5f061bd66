import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { buildServices, testProgram } from "./build-services.ts";
import type { RunSpec } from "./run-spec.ts";

function specOf(program: string, binds: readonly string[] = []): RunSpec {
  const errorLog = { level: "silent", path: null } as const;
  return { snapshot: null, program, binds, accessLog: null, errorLog, instance: "test", seed: "seed" };
}

describe("the services of a program", () => {
  test("are those that it exports, on the addresses that it is given", async () => {
    await using directory = await createTemporaryDirectory();
    const file = await directory.write(
      "a.ts",
      `import { httpService } from "sluice";
       export default httpService({ handler: () => undefined });`,
    );
    const services = await buildServices(specOf(file, ["127.0.0.1:0"]), null);
    assert.deepEqual(
      services.map(({ name, listen }) => [name, listen]),
      [["http", ["127.0.0.1:0"]]],
    );
  });

  test("are refused with the program's name", async () => {
    await using directory = await createTemporaryDirectory();
    const file = await directory.write("a.ts", "export default { requestFilter() {} };");
    await assert.rejects(buildServices(specOf(file), null), {
      name: "ProgramError",
      message: new RegExp(`^${RegExp.escape(file)}: This is no program: .*without the phase upstreamPeer`),
    });
  });

  test("are refused when they wait for each other", async () => {
    await using directory = await createTemporaryDirectory();
    const file = await directory.write(
      "a.ts",
      `import { backgroundService } from "sluice";
       export default ["a", "b"].map((name, i, all) =>
         backgroundService({ name, start() {}, dependsOn: [all[1 - i]] }));`,
    );
    await assert.rejects(testProgram(specOf(file)), /Services depend on each other: a → b → a/);
  });
});
