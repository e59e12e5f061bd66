import assert from "node:assert/strict";
import { test } from "node:test";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { parseConfig } from "./load.ts";

const MIB = 1024 * 1024;

/** The caches of a document in `etc/`, all of which are used. */
function cachesOf(caches: Readonly<Record<string, string>>): readonly CacheSettings[] {
  const defined = Object.entries(caches).map(([name, cache]) => `  ${name}: ${cache}\n`);
  const used = Object.keys(caches).map(
    (name, i) => `  - { bind: ${8080 + i}, cache: ${name}, upstream: 127.0.0.1:3000 }\n`,
  );
  return parseConfig(`caches:\n${defined.join("")}listeners:\n${used.join("")}`, "etc/a.yaml", {}).caches;
}

test("a cache is in memory, on disk, or in both", () => {
  const [memory, disk, both] = cachesOf({
    memory: "64m",
    disk: "{ memory: off, disk: { path: /var/cache/a, size: 10GiB, entries: 5000 } }",
    both: "{ memory: 64m, disk: { path: b, size: 1GiB, largest_entry: 512m } }",
  });
  assert.equal(memory?.memory?.mostBytes, 64 * MIB);
  assert.deepEqual([memory.disk, disk?.memory], [null, null]);
  const entries = { mostEntryBytes: 1280 * MIB, mostEntries: 5000 };
  assert.deepEqual(disk?.disk, { path: "/var/cache/a", mostBytes: 10_240 * MIB, ...entries });
  assert.equal(both?.memory?.mostBytes, 64 * MIB);
  // As other paths, it begins where the document is.
  assert.deepEqual([both.disk?.path, both.disk?.mostEntryBytes], ["etc/b", 512 * MIB]);
});

test("a folder is one cache's", () => {
  const disk = (path: string): string => `{ disk: { path: ${path}, size: 1g } }`;
  assert.throws(
    () => cachesOf({ one: disk("b/c"), other: disk("./b/d/../c") }),
    /etc\/a\.yaml:3:\d+: caches\.other\.disk\.path: the cache one has this folder, expected a folder of its own/,
  );
});
