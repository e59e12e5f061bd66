import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_COMPRESS, DEFAULT_DECOMPRESS, DEFAULT_LEVELS } from "../filters/coding/coding-settings.ts";
import type { RouteSettings } from "../filters/settings.ts";
import { parseConfig } from "./load.ts";

/** The only route of a listener. */
function routeOf(listener: string, route: string = ""): RouteSettings {
  const text = `listeners: [{ bind: 1, ${listener} routes: [{ upstream: 2, ${route} }] }]`;
  return parseConfig(text, "a.yaml", {}).listeners[0]!.routes[0]!;
}

test("nothing is compressed and nothing decompressed unless that is asked for", () => {
  const { compress, decompress } = routeOf("");
  assert.deepEqual([compress, decompress], [null, null]);
  const only = parseConfig("listeners: [{ bind: 1, upstream: 2, compress: true }]", "a.yaml", {});
  assert.deepEqual(only.listeners[0]!.routes[0]!.compress, DEFAULT_COMPRESS);
  assert.ok(!("compress" in only.listeners[0]!));
});

test("a route goes by its listener unless it says something itself", () => {
  const listener = "compress: true, decompress: always,";
  assert.deepEqual(routeOf(listener).compress, DEFAULT_COMPRESS);
  assert.equal(routeOf(listener, "compress: false").compress, null);
  assert.deepEqual(routeOf(listener, "compress: false").decompress, {
    ...DEFAULT_DECOMPRESS,
    when: "always",
  });
  assert.deepEqual(routeOf(listener, "decompress: true").decompress, DEFAULT_DECOMPRESS);
});

test("how is a flag, codings, or a map", () => {
  assert.deepEqual(routeOf("", "compress: gzip").compress, { ...DEFAULT_COMPRESS, codings: ["gzip"] });
  assert.deepEqual(routeOf("", "compress: [br, gzip]").compress?.codings, ["br", "gzip"]);
  const map =
    "{ codings: gzip, levels: { gzip: 9 }, cached_levels: { br: 9 }, types: [Text/*, +JSON], min_size: 100, cookies: false }";
  assert.deepEqual(routeOf("", `compress: ${map}`).compress, {
    codings: ["gzip"],
    levels: { ...DEFAULT_LEVELS, gzip: 9 },
    cachedLevels: { br: 9 },
    types: ["text/*", "*+json"],
    minSize: 100,
    cookies: false,
  });
  assert.deepEqual(routeOf("", "decompress: { max_ratio: 10, max_size: 1m }").decompress, {
    when: "unaccepted",
    maxRatio: 10,
    maxSize: 1024 * 1024,
  });
});
