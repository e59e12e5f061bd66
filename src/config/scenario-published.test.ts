import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import * as z from "zod";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { JsonSchema } from "./json-schema.ts";
import { loadScenario, parseScenario } from "./load-scenario.ts";
import { scenarioJsonSchema } from "./scenario-json-schema.ts";

const root = join(import.meta.dirname, "../..");
const schemaFile = join(root, "schema/scenario.schema.json");
const guideFile = join(root, "docs/scenarios.md");
const examples = readdirSync(join(root, "examples/scenarios"));
const registry = createRegistry();

/** As an editor would check. */
function asValidator(schema: JsonSchema): z.ZodType {
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

/** `UPDATE_GOLDEN=1` writes it. */
test("the schema for editors is current, and describes every key", () => {
  const schema = scenarioJsonSchema(registry);
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(schemaFile, text);
  assert.equal(readFileSync(schemaFile, "utf8"), text, "run this test with UPDATE_GOLDEN=1");
  const undescribed = Object.entries(schema.$defs ?? {}).flatMap(([name, { properties = {} }]) =>
    Object.entries(properties).flatMap(([key, { description }]) =>
      description === undefined ? `${name}.${key}` : [],
    ),
  );
  assert.deepEqual(undescribed, []);
});

describe("the examples", () => {
  const schema = asValidator(scenarioJsonSchema(registry));
  for (const name of examples) {
    test(`${name} is a scenario, and refers editors to the schema, which takes it`, () => {
      const path = join(root, "examples/scenarios", name);
      assert.ok(loadScenario(path, {}, registry).steps.length > 0);
      const text = readFileSync(path, "utf8");
      assert.match(text, /^# yaml-language-server: \$schema=\.\.\/\.\.\/schema\/scenario\.schema\.json\n/);
      assert.equal(schema.safeParse(parse(text)).error, undefined);
    });
  }
});

describe("what the guide shows", () => {
  const guide = readFileSync(guideFile, "utf8");
  const blocks = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => block);

  test("is good where it is a scenario or its steps", () => {
    const scenarios = blocks.filter((block) => /^steps:/m.test(block));
    const steps = blocks.filter((block) => /^- (?:ramp|at|toxic|proxy)/.test(block));
    assert.equal(scenarios.length, 1);
    assert.equal(steps.length, 1);
    for (const block of scenarios) parseScenario(block, "guide.yaml", {}, registry);
    for (const block of steps) {
      const named = `proxies: [{ name: db, upstream: 5432 }]\nsteps:\n${block}`;
      parseScenario(named, "guide.yaml", {}, registry);
    }
  });

  test("is good in every row of its tables", () => {
    const rows = [
      ...guide.matchAll(/^\| `((?:at|after|for|mode|toxic|update|remove|ramp|cut|disable): [^`]+)`/gm),
    ];
    const entries = rows.map(([, entry = ""]) => entry);
    assert.equal(entries.length, 10);
    for (const entry of entries) {
      const isTime = /^(?:at|after|for)/.test(entry);
      const step = [entry, ...(isTime ? ["disable: true"] : []), "proxy: db"].map((line) => `    ${line}`);
      parseScenario(`steps:\n  -\n${step.join("\n")}\n`, entry, {}, registry);
    }
  });
});
