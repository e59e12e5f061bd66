import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import * as z from "zod";
import { createAuthority } from "../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { proxyMeans } from "../../test/kit/proxy-means.ts";
import { createConfiguredProxy } from "../filters/configured-proxy.ts";
import { configSchema, type JsonSchema } from "./json-schema.ts";
import { loadConfig, parseConfig } from "./load.ts";
import { configReference } from "./reference.ts";

const root = join(import.meta.dirname, "../..");
const schemaFile = join(root, "schema/sluice.schema.json");
const guideFile = join(root, "docs/configuration.md");
const examples = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".yaml"));

const isUpdating = process.env["UPDATE_GOLDEN"] !== undefined;

/** `UPDATE_GOLDEN=1` writes what is generated. */
function checkGenerated(file: string, expected: string): void {
  if (isUpdating) writeFileSync(file, expected);
  assert.equal(
    readFileSync(file, "utf8"),
    expected,
    `${file} is out of date: run this test with UPDATE_GOLDEN=1`,
  );
}

test("the schema for editors is current", () => {
  checkGenerated(schemaFile, `${JSON.stringify(configSchema(), null, 2)}\n`);
});

test("the reference is current", () => {
  const guide = readFileSync(guideFile, "utf8");
  const [, before, after] = /^(.*<!-- reference: [^\n]*-->\n).*(<!-- \/reference -->.*)$/s.exec(guide) ?? [];
  assert.ok(before !== undefined && after !== undefined, "The guide has no place for the reference");
  checkGenerated(guideFile, `${before}\n${configReference()}\n${after}`);
});

test("every key is described", () => {
  const undescribed = Object.entries(configSchema().$defs ?? {}).flatMap(([name, { properties = {} }]) =>
    Object.entries(properties).flatMap(([key, schema]) =>
      schema.description === undefined ? `${name}.${key}` : [],
    ),
  );
  assert.deepEqual(undescribed, []);
});

describe("the examples", () => {
  const schema = z.fromJSONSchema(configSchema() as Parameters<typeof z.fromJSONSchema>[0]);

  for (const name of examples) {
    test(`${name} is a configuration without warnings`, () => {
      const snapshot = loadConfig(join(root, "examples", name), {});
      assert.deepEqual(snapshot.warnings, []);
      for (const listener of snapshot.listeners)
        createConfiguredProxy(snapshot, listener.name, proxyMeans(snapshot, listener.name));
    });

    test(`${name} refers editors to the schema, which takes it`, () => {
      const text = readFileSync(join(root, "examples", name), "utf8");
      assert.match(text, /^# yaml-language-server: \$schema=\.\.\/schema\/sluice\.schema\.json\n/);
      assert.equal(schema.safeParse(parse(text)).error, undefined);
    });
  }
});

describe("the guides", () => {
  for (const name of ["caching.md", "load-balancing.md", "limits.md", "tls.md"]) {
    test(`${name} shows configurations that work`, async () => {
      await using folder = await createTemporaryDirectory();
      const authority = await createAuthority();
      const { cert, key } = await authority.issue();
      for (const [file, text] of Object.entries({
        "ca.pem": authority.cert,
        "proxy.pem": cert,
        "proxy.key": key,
      }))
        await folder.write(file, text);
      const guide = readFileSync(join(root, "docs", name), "utf8");
      const blocks = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = ""]) => yaml);
      assert.ok(blocks.length >= 3);
      for (const block of blocks) parseConfig(block, folder.join(name), {}, "program");
    });
  }
});

test("the schema refuses what the program refuses", () => {
  const schema = z.fromJSONSchema(configSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  for (const document of [
    { listener: [] },
    { listeners: [{ bind: 80, upstram: "a" }] },
    { listeners: [{}] },
    { log_level: "loud" },
    { listeners: [{ bind: 80, timeouts: { head: "30x" } }] },
  ]) {
    assert.equal(schema.safeParse(document).success, false, JSON.stringify(document));
  }
  const variables: JsonSchema = {
    threads: `\${N}`,
    log_level: `\${LEVEL:-info}`,
    retry_non_idempotent: `\${R}`,
  };
  assert.equal(schema.safeParse(variables).success, true);
});
