import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { builtinToxics } from "./index.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const page = await readFile(join(root, "docs", "toxics.md"), "utf8");

/** Rows of the reference: a type, then its attributes. */
function rowsOf(name: string): string[] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| **\`${name}\`**`));
  assert.notEqual(start, -1, `${name} isn't in the reference`);
  const rest = lines.slice(start + 1);
  return rest.slice(
    0,
    rest.findIndex((line) => !line.startsWith("| | `")),
  );
}

describe("the page on toxics", () => {
  for (const { name, attributes } of builtinToxics) {
    test(`tells all of ${name}, as it is`, () => {
      const documented = rowsOf(name).map((row) => row.split("|").map((cell) => cell.trim()));
      assert.deepEqual(
        documented.map(([, , attribute, value, unit, about = ""]) => [
          attribute,
          value,
          unit,
          about.startsWith("*extra*"),
        ]),
        Object.entries(attributes).map(([attribute, spec]) => [
          `\`${attribute}\``,
          String(spec.default),
          spec.unit,
          spec.isExtra,
        ]),
      );
    });
  }

  test("shows an example that is run by the tests", async () => {
    const [, path = "", code = ""] = /<!-- (\S+) -->\n```ts\n([\s\S]*?)```/.exec(page) ?? [];
    const example = await readFile(join(root, path), "utf8");
    assert.ok(code.length > 100 && example.includes(code.trim()));
  });

  test("has no link that leads nowhere", () => {
    const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = ""]) => target);
    assert.ok(links.length > 5);
    for (const link of links) assert.ok(headings.includes(link), link);
  });
});
