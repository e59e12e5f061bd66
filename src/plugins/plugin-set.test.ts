import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { upperCase, wasmPlugin } from "../../test/kit/wasm-plugins.ts";
import { PluginError } from "./plugin.ts";
import { allocatePluginCounts } from "./plugin-counts.ts";
import { PluginSet, type SharedPlugin } from "./plugin-set.ts";

test("plugins come all together or not at all, and who can't be used is named", async () => {
  await using folder = await createTemporaryDirectory();
  const shared = (name: string, file: string): SharedPlugin => {
    const settings = { name, path: file, config: "null", isolate: "none", timeout: 1000 } as const;
    const material = { ...settings, mustTransform: false, file, digest: file };
    return { material, counts: allocatePluginCounts(1) };
  };
  const good = shared("good", await folder.write("good.wasm", wasmPlugin("good", [upperCase])));
  const bad = shared("bad", await folder.write("bad.wasm", "junk"));
  const plugins = new PluginSet(0);
  await assert.rejects(
    plugins.stage([good, bad]),
    (error) =>
      error instanceof PluginError &&
      error.message === "Plugin bad can't be used: it is no module of WebAssembly, version 1",
  );
  assert.throws(() => plugins.row(["good"]), /^RangeError: There is no plugin "good"$/);
  (await plugins.stage([good])).commit();
  assert.equal(plugins.row(["good"])?.filtersRequests, false);
  plugins.close();
});
