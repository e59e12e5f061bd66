import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ConfigError, formatPath } from "./config-error.ts";
import { loadConfig, parseConfig } from "./load.ts";

const folder = join(import.meta.dirname, "testdata/errors");

/** Everything that is wrong with a file, as it is shown. */
function complaintsOf(name: string): string {
  try {
    parseConfig(readFileSync(join(folder, name), "utf8"), name, {});
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return `${error.message}\n`;
  }
  throw new Error(`${name} is a good configuration`);
}

/** `UPDATE_GOLDEN=1` writes what is shown now, to be read before it is committed. */
describe("what is wrong is said with place, expectation and the nearest word", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".yaml"))) {
    test(name, () => {
      const golden = join(folder, name.replace(".yaml", ".txt"));
      const complaints = complaintsOf(name);
      if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(golden, complaints);
      assert.equal(complaints, readFileSync(golden, "utf8"));
    });
  }
});

test("problems are data", () => {
  assert.throws(
    () => parseConfig("threads: 1\nlisteners:\n  - bnd: 80\n    respond: 200\n", "a.yaml", {}),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.entries, [
        {
          file: "a.yaml",
          line: 3,
          column: 5,
          path: "listeners[0].bnd",
          message: 'unknown key "bnd"',
          suggestion: "bind",
        },
      ]);
      return true;
    },
  );
});

test("a file that can't be read is named", () => {
  assert.throws(() => loadConfig("/no/such/file.yaml", {}), {
    message: "/no/such/file.yaml: there is no such file",
  });
  assert.throws(() => loadConfig(folder, {}), { message: `${folder}: is a folder` });
});

test("paths read like the file", () => {
  assert.equal(
    formatPath(["listeners", 0, "match", "header", "x y", "regex"]),
    'listeners[0].match.header["x y"].regex',
  );
  assert.equal(formatPath([]), "");
});
