import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { testComplaints } from "../../test/kit/golden-complaints.ts";
import { ConfigError, formatPath } from "./config-error.ts";
import { loadConfig, parseConfig } from "./load.ts";

const folder = join(import.meta.dirname, "testdata/errors");

testComplaints(folder, (text, name) => parseConfig(text, name, {}));

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

test("a file that is no UTF-8 is refused with the place", async () => {
  await using directory = await createTemporaryDirectory();
  for (const [bytes, place] of [
    ["threads: 1\nlisteners:\n  - name: caf\xe9\n    bind: 80\n", "3:14"],
    ["# \xff", "1:3"],
  ] as const) {
    const file = await directory.write("latin1.yaml", Buffer.from(bytes, "latin1"));
    assert.throws(() => loadConfig(file, {}), { message: `${file}:${place}: this is no UTF-8` });
  }
});

test("of a mistake with many consequences the first are told", () => {
  assert.throws(
    () => parseConfig(`listeners: ${"[".repeat(500)}`, "a.yaml", {}),
    (error: ConfigError) => error.entries.length === 10,
  );
});

test("paths read like the file", () => {
  assert.equal(
    formatPath(["listeners", 0, "match", "header", "x y", "regex"]),
    'listeners[0].match.header["x y"].regex',
  );
  assert.equal(formatPath([]), "");
});
