import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";

/**
 * Tests that what is wrong with each YAML file of a folder is said as the text file beside it has it. `UPDATE_GOLDEN=1` writes
 * what is said now, to be read before it is committed.
 * @param parse reads a file's text; has to throw
 */
export function testComplaints(folder: string, parse: (text: string, name: string) => unknown): void {
  describe("what is wrong is said with place, expectation and the nearest word", () => {
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".yaml"))) {
      test(name, () => {
        const golden = join(folder, name.replace(".yaml", ".txt"));
        const complaints = complaintsOf(() => parse(readFileSync(join(folder, name), "utf8"), name));
        if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(golden, complaints);
        assert.equal(complaints, readFileSync(golden, "utf8"));
      });
    }
  });
}

/** Everything that is wrong, as it is shown. */
function complaintsOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return `${error.message}\n`;
  }
  assert.fail("nothing is wrong");
}
