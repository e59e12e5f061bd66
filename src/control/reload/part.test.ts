import assert from "node:assert/strict";
import { test } from "node:test";
import { type ReadyPart, ReadyParts } from "./part.ts";

test("parts are committed and abandoned though one of them can't be", async () => {
  const story: string[] = [];
  const part = (name: string): ReadyPart => {
    const act = (what: string) => async (): Promise<void> => {
      story.push(`${what} ${name}`);
      if (name === "b") throw new Error(`${name} fails`);
    };
    return { commit: act("commit"), abandon: act("abandon") };
  };
  const parts = new ReadyParts();
  for (const name of ["a", "b", "c"]) await parts.add(part(name));
  await assert.rejects(parts.commit(), /^Error: b fails$/);
  await assert.rejects(parts.abandon(), /^Error: b fails$/);
  assert.deepEqual(story, ["commit a", "commit b", "commit c", "abandon c", "abandon b", "abandon a"]);
});
