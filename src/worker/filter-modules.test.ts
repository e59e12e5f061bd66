import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import type { FilterSettings } from "../filters/settings.ts";
import { endFilters, loadFilters } from "./filter-modules.ts";

const MODULE = `
export default (config, { name, signal }) => {
  globalThis.lastSignal = signal;
  if (config === "bad") throw new Error("no good");
  return { signal, requestSummary: () => name + " " + config };
};
`;

test("filters whose settings are the same are kept; the others are told when nobody uses them any more", async () => {
  await using folder = await createTemporaryDirectory();
  const module = await folder.write("own.mjs", MODULE);
  const place = { file: "a.yaml", line: 1, column: 1 };
  const settingsOf = (config: unknown, name = "own", line = 1): FilterSettings => {
    return { name, module, config, place: { ...place, line } };
  };
  const before = await loadFilters([settingsOf({ a: 1 }), settingsOf(2, "other")]);
  const after = await loadFilters([settingsOf({ a: 1 }, "own", 7), settingsOf(3, "other")], before);
  assert.equal(after.get("own"), before.get("own"));
  assert.notEqual(after.get("other"), before.get("other"));
  endFilters(before, after);
  assert.deepEqual(isEnded(before, after), [false, true, false, false]);

  await assert.rejects(
    loadFilters([settingsOf({ a: 1 }), settingsOf(4, "other"), settingsOf("bad", "bad")], after),
    {
      code: "ERR_SLUICE_PROGRAM",
      message: /own\.mjs:4:31: Error: no good$/,
    },
  );
  assert.deepEqual(isEnded(after), [false, false]);
  // What the failed one has begun ends, too.
  assert.equal((Reflect.get(globalThis, "lastSignal") as AbortSignal).aborted, true);
  endFilters(after);
  assert.deepEqual(isEnded(after), [true, true]);
});

function isEnded(...all: readonly Awaited<ReturnType<typeof loadFilters>>[]): boolean[] {
  return all.flatMap((filters) => [...filters.values()].map(({ end }) => end.signal.aborted));
}
