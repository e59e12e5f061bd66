// In a process of its own: it adds kinds of toxics to every registry that there is.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import { ProgramError } from "./program-error.ts";
import { loadToxics } from "./toxic-modules.ts";

function moduleOf(...names: readonly string[]): string {
  const types = names.map(
    (name) => `defineToxic({
      name: "${name}",
      about: "passes everything",
      attributes: {},
      links: ["bytes"],
      create: (site, given) => new Own(site, given),
    })`,
  );
  return `
    import { defineToxic, Toxic } from "sluice";
    class Own extends Toxic<object> {
      override take(chunk: Buffer): void {
        this.pass(chunk);
      }
    }
    export default ${names.length === 1 ? types[0] : `[${types.join(",")}]`};`;
}

describe("modules of own toxics", () => {
  test("are known to every registry of the thread, those too that were there before", async () => {
    await using directory = await createTemporaryDirectory();
    const one = await directory.write("one.ts", moduleOf("own_one"));
    const more = await directory.write("more.ts", moduleOf("own_two", "own_three"));
    const registry = createRegistry();
    loadToxics([one, more]);
    loadToxics([one]);
    for (const name of ["own_one", "own_two", "own_three"]) {
      assert.equal(registry.get(name)?.name, name);
      assert.equal(createRegistry().get(name), registry.get(name));
    }
  });

  test("that export something else are refused, with their name", async () => {
    await using directory = await createTemporaryDirectory();
    const cases: readonly [text: string, message: RegExp][] = [
      [
        "export const x = 1;",
        /wrong\d\.ts: it exports nothing by default; expected export default defineToxic/,
      ],
      ["export default 1;", /wrong\d\.ts: its default export is no toxic/],
      ["export default { name: 'x' };", /wrong\d\.ts: its default export is no toxic/],
      [moduleOf("latency"), /wrong\d\.ts: there is a toxic latency already/],
      ["export default await Promise.resolve(1);", /wrong\d\.ts/],
      ["throw new TypeError('on purpose');", /wrong\d\.ts:1:7: TypeError: on purpose/],
    ];
    assert.throws(
      () => loadToxics([directory.join("none.ts")]),
      /none\.ts: Cannot find module '[^\n]*none\.ts'$/,
    );
    for (const [i, [text, message]] of cases.entries()) {
      const file = await directory.write(`wrong${i}.ts`, text);
      assert.throws(
        () => loadToxics([file]),
        (error) => error instanceof ProgramError && message.test(error.message),
        text,
      );
    }
  });
});
