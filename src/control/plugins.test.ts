import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pino } from "pino";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { upperCase, wasmPlugin } from "../../test/kit/wasm-plugins.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { ANSWER_TIMEOUT, type PluginSettings } from "../plugins/plugin-settings.ts";
import { PluginKeepers } from "./plugins.ts";

test("a plugin is exchanged though a thread doesn't answer, which is told", async () => {
  await using folder = await createTemporaryDirectory();
  const path = await folder.write("upper.wasm", wasmPlugin("upper", [upperCase]));
  const settings: PluginSettings = {
    ...{ name: "upper", path, config: "null", isolate: "none", timeout: ANSWER_TIMEOUT, mustTransform: true },
  };
  const lines: string[] = [];
  const write = (line: string): void => void lines.push((JSON.parse(line) as { msg: string }).msg);
  const keepers = new PluginKeepers(pino({}, { write }), 1, new ManualAlarmClock());
  const asked = Promise.withResolvers<void>();
  keepers.onPlugin = () => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  await (await keepers.stage([settings])).commit();
  const before = keepers.standing[0]!.material.file;
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    await folder.write("upper.wasm", wasmPlugin("upper again", [upperCase]));
    await keepers.look();
    await asked.promise;
    mock.timers.tick(30_000);
    while (existsSync(before)) await turn();
    assert.deepEqual(lines, ["Plugin was exchanged, but not in all threads yet"]);
  } finally {
    mock.timers.reset();
    keepers.stop();
  }
});
