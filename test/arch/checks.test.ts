import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findBreaches } from "./checks.ts";
import { rules } from "./rules.ts";

function breachesOf(files: Record<string, string>, changes: Partial<typeof rules> = {}): string[] {
  return findBreaches(new Map(Object.entries(files)), { ...rules, ...changes });
}

describe("the order of the layers", () => {
  test("lets a layer import what stands before it, and its own files", () => {
    const breaches = breachesOf({
      "src/base/clock.ts": "export const now = 1;",
      "src/net/socket.ts": 'import { now } from "../base/clock.ts"; import "./slab.ts";',
      "src/net/slab.ts": 'import "node:net"; import "zod";',
      "src/proxy/relay.ts": 'import "../net/socket.ts"; import "../http1/deep/codec.ts";',
      "src/http1/deep/codec.ts": 'import meta from "../../../package.json" with { type: "json" };',
    });
    assert.deepEqual(breaches, []);
  });

  const upward = [
    ["a static import", 'import { main } from "../cli/main.ts";'],
    ["an import for its effect", 'import "../cli/main.ts";'],
    ["a type import", 'import type { Main } from "../cli/main.ts";'],
    ["an inline type import", 'type Main = import("../cli/main.ts").Main;'],
    ["a dynamic import", 'const main = await import("../cli/main.ts");'],
    ["a dynamic import of a template", "const main = await import(`../cli/main.ts`);"],
    ["a re-export", 'export { main } from "../cli/main.ts";'],
    ["a re-export of everything", 'export * from "../cli/main.ts";'],
    ["a re-export of types", 'export type { Main } from "../cli/main.ts";'],
  ] as const;
  for (const [form, text] of upward) {
    test(`fails on ${form} of a higher layer`, () => {
      const breaches = breachesOf({ "src/base/clock.ts": text, "src/cli/main.ts": "export {};" });
      assert.deepEqual(breaches, ["src/base/clock.ts: imports src/cli/main.ts, which stands above base"]);
    });
  }

  test("is not misled by comments, strings and regular expressions", () => {
    const text = [
      '// import "../cli/main.ts"',
      "const quote = /[\"']/;",
      "const text = 'import \"../cli/main.ts\"';",
      "export { quote, text };",
    ].join("\n");
    assert.deepEqual(breachesOf({ "src/base/clock.ts": text }), []);
  });

  test("fails on a sibling", () => {
    const breaches = breachesOf({
      "src/http1/codec.ts": 'import "../http2/codec.ts";',
      "src/http2/codec.ts": "export {};",
    });
    assert.deepEqual(breaches, ["src/http1/codec.ts: imports src/http2/codec.ts, a sibling of http1"]);
  });

  test("fails on a folder that no layer names", () => {
    const breaches = breachesOf({ "src/misc/tools.ts": "export {};", "src/loose.ts": "export {};" });
    assert.deepEqual(breaches, [
      "src/misc/tools.ts: its folder has no layer",
      "src/loose.ts: its folder has no layer",
    ]);
  });

  test("fails on a test or a tool in the product", () => {
    const breaches = breachesOf({
      "src/net/socket.ts": 'import "./socket.test.ts"; import "../../test/kit/ports.ts";',
    });
    assert.deepEqual(breaches, [
      "src/net/socket.ts: imports src/net/socket.test.ts, which is no source of the product",
      "src/net/socket.ts: imports test/kit/ports.ts, which is no source of the product",
    ]);
  });

  test("lets the public entry import every layer, and no layer the public entry", () => {
    const breaches = breachesOf({
      "src/index.ts": 'export { main } from "./cli/main.ts"; export { now } from "./base/clock.ts";',
      "src/cli/main.ts": 'import { now } from "../index.ts";',
      "src/admin/api.ts": 'import { now } from "sluice";',
      "src/base/clock.ts": "export const now = 1;",
    });
    assert.deepEqual(breaches.slice(0, 2), [
      "src/cli/main.ts: imports src/index.ts, the public interface, which no layer may import",
      "src/admin/api.ts: imports src/index.ts, the public interface, which no layer may import",
    ]);
  });

  test("lets tests import anything", () => {
    const breaches = breachesOf({
      "src/base/clock.test.ts": 'import "../cli/main.ts"; import "../../test/kit/ports.ts";',
      "src/base/clock.contract.ts": 'import "./clock.test.ts";',
      "test/e2e/all.test.ts": 'import "../../src/cli/main.ts";',
    });
    assert.deepEqual(breaches, []);
  });
});

describe("import cycles", () => {
  test("are found between files of one folder, types included", () => {
    const breaches = breachesOf({
      "src/base/a.ts": 'import type { B } from "./b.ts";',
      "src/base/b.ts": 'export * from "./c.ts";',
      "src/base/c.ts": 'const a = await import("./a.ts");',
    });
    assert.deepEqual(breaches, [
      "import cycle: src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts",
    ]);
  });

  test("are found in a file that imports itself", () => {
    assert.deepEqual(breachesOf({ "src/base/a.ts": 'import "./a.ts";' }), [
      "import cycle: src/base/a.ts -> src/base/a.ts",
    ]);
  });

  test("are not seen where two ways lead to one file", () => {
    const breaches = breachesOf({
      "src/base/a.ts": 'import "./b.ts"; import "./c.ts";',
      "src/base/b.ts": 'import "./d.ts";',
      "src/base/c.ts": 'import "./d.ts";',
      "src/base/d.ts": "export {};",
    });
    assert.deepEqual(breaches, []);
  });
});

describe("the length of files", () => {
  const long = "export {};\n".repeat(501);

  test("fails past the limit, tests included, and not at it", () => {
    const breaches = breachesOf({
      "src/base/a.ts": long,
      "src/base/b.ts": long.slice(0, -"export {};\n".length),
      "test/e2e/c.test.ts": long,
    });
    assert.deepEqual(breaches, [
      "src/base/a.ts: 501 lines, more than 500",
      "test/e2e/c.test.ts: 501 lines, more than 500",
    ]);
  });

  test("excepts the named tables", () => {
    assert.deepEqual(breachesOf({ "src/base/a.ts": long }, { longTables: ["src/base/a.ts"] }), []);
  });
});

describe("the command line", () => {
  const readers = [
    ["process.argv", "export const a = process.argv;"],
    ["process by way of globalThis", "export const a = globalThis.process['argv'];"],
    ["the argv of node:process", 'import { argv } from "node:process"; export const a = argv;'],
  ] as const;
  for (const [form, text] of readers) {
    test(`alone reads ${form}`, () => {
      assert.deepEqual(breachesOf({ "src/worker/thread.ts": text, "src/cli/main.ts": text }), [
        "src/worker/thread.ts: reads process.argv outside src/cli/",
      ]);
    });
  }

  test("alone uses the console", () => {
    const text = 'console.log("x");';
    assert.deepEqual(breachesOf({ "src/worker/thread.ts": text, "src/cli/main.ts": text }), [
      "src/worker/thread.ts: uses console outside src/cli/",
    ]);
  });
});

test("a file that does not parse is named", () => {
  assert.throws(() => breachesOf({ "src/base/a.ts": "const = ;" }), /src\/base\/a\.ts does not parse/);
});
