import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { Place } from "./place.ts";

/** Notes what is done with what has begun, and what another process hears. */
function recorder() {
  const notes: string[] = [];
  const note = async (what: string): Promise<void> => void notes.push(what);
  const begun = { retire: (grace: number) => note(`retire ${grace}`), stop: () => note("stop") };
  const former = {
    pid: process.ppid,
    takeOver: () => note("take over"),
    confirm: () => Promise.reject(new Error("it goes on")),
    renounce: (reason: string) => void note(`renounce: ${reason}`),
  };
  return { notes, begun, former };
}

describe("the place of a process", () => {
  test("that stays another one's: that one knows first, and whom we have accepted is answered", async () => {
    await using folder = await createTemporaryDirectory();
    const { notes, begun, former } = recorder();
    const pidFile = await folder.write("pid", `${former.pid}\n`);
    const place = new Place({ pidFile, grace: 5_000 }, former);
    place.claim();
    await assert.rejects(place.take(), /it goes on/);
    assert.equal(readFileSync(pidFile, "utf8"), `${process.pid}\n`);
    await place.leave(begun, new Error("no"));
    assert.deepEqual(notes, ["take over", "renounce: no", "retire 5000"]);
    assert.equal(readFileSync(pidFile, "utf8"), `${former.pid}\n`);
  });

  test("that was nobody's is nobody's again", async () => {
    await using folder = await createTemporaryDirectory();
    const { notes, begun } = recorder();
    const place = new Place({ pidFile: folder.join("pid"), grace: 5_000 }, null);
    place.claim();
    await place.take();
    assert.ok(existsSync(folder.join("pid")));
    await place.leave(begun, new Error("no"));
    assert.deepEqual(notes, ["stop"]);
    assert.equal(existsSync(folder.join("pid")), false);
  });
});
