import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rename, rm, symlink, truncate } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { type AlarmClock, idleAlarms, ManualAlarmClock } from "../../base/alarms.ts";
import { FileChanges, type LookedAt } from "./file-changes.ts";

/** What is heard of some files. */
class Heard {
  readonly changed: string[] = [];
  readonly gone: string[] = [];
  files: LookedAt[];
  readonly changes: FileChanges;

  constructor(files: readonly string[], clock: AlarmClock = new ManualAlarmClock()) {
    this.files = files.map((path) => ({ path, digest: null }));
    this.changes = new FileChanges({
      files: () => this.files,
      onChange: async (paths) => void this.changed.push(...paths),
      onGone: (path) => void this.gone.push(path),
      clock,
    });
  }

  /** Files that changed since it was looked last. */
  async look(): Promise<string[]> {
    await this.changes.look();
    return this.changed.splice(0);
  }
}

describe("changes of files", () => {
  test("are those of what they hold, however that came", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("a.yaml", "one");
    const heard = new Heard([file]);
    using _ = heard.changes;
    await heard.changes.look();
    assert.deepEqual(await heard.look(), [], "nothing has happened");
    await folder.write("a.yaml", "two");
    assert.deepEqual(await heard.look(), [file], "written in place");
    await folder.write("a.yaml", "two");
    assert.deepEqual(await heard.look(), [], "saved as it was");
    await rename(await folder.write(".a.yaml.swp", "three"), file);
    assert.deepEqual(await heard.look(), [file], "another one took its place");
    await rm(file);
    assert.deepEqual(await heard.look(), []);
    await folder.write("a.yaml", "three");
    assert.deepEqual(await heard.look(), [], "it came back as it was");
    await rm(file);
    await heard.look();
    await folder.write("a.yaml", "four");
    assert.deepEqual([await heard.look(), heard.gone], [[file], []]);
  });

  test("aren't those of a file that is cut to nothing before it is written; one that stays so is told once", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("a.yaml", "one");
    const heard = new Heard([file]);
    using _ = heard.changes;
    await heard.changes.look();
    await truncate(file);
    assert.deepEqual([await heard.look(), heard.gone], [[], []], "it may just be being written");
    for (let i = 0; i < 3; i++) assert.deepEqual([await heard.look(), heard.gone], [[], [file]]);
    await folder.write("a.yaml", "two");
    assert.deepEqual(await heard.look(), [file]);
    await rm(file);
    for (let i = 0; i < 3; i++) await heard.look();
    assert.deepEqual(heard.gone, [file, file], "told again, for it was there in between");
  });

  test("count from what is in use, and are told once, whatever comes of them", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("a.ts", "changed meanwhile");
    const heard = new Heard([]);
    using _ = heard.changes;
    heard.files = [{ path: file, digest: createHash("sha256").update("loaded").digest("hex") }];
    assert.deepEqual(await heard.look(), [file]);
    assert.deepEqual(await heard.look(), [], "it was told, and what is in use is still the old one");
  });

  test("are heard of as they happen, also those of links as Kubernetes exchanges them", async () => {
    await using folder = await createTemporaryDirectory();
    await folder.write("..one/a.yaml", "one");
    await folder.write("..two/a.yaml", "two");
    await symlink("..one", folder.join("..data"));
    await symlink("..data/a.yaml", folder.join("a.yaml"));
    const heard = new Heard([folder.join("a.yaml")], idleAlarms);
    using _ = heard.changes;
    await heard.changes.look();
    await symlink("..two", folder.join("..data_tmp"));
    await rename(folder.join("..data_tmp"), folder.join("..data"));
    await until("it is heard", () => heard.changed.length > 0);
    assert.deepEqual(heard.changed, [folder.join("a.yaml")]);
  });
});
