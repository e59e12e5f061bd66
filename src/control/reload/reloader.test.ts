import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pino } from "pino";
import { ConfigError } from "../../config/config-error.ts";
import { Reloader } from "./reloader.ts";
import type { RunReport } from "./report.ts";

/** A reloader of words: what is read, what is run, and what was logged. */
class Rig {
  /** What there is to read; an error is what is wrong with it. */
  file: string | Error = "one";
  readonly run: string[] = ["one"];
  readonly lines: { readonly level: number; readonly msg: string; readonly problem?: string }[] = [];
  reads = 0;
  /** What reading waits for. */
  gate: Promise<void> | null = null;
  time = 100;
  readonly reloader: Reloader<string> = new Reloader<string>({
    first: "one",
    load: async () => {
      this.reads++;
      const { file } = this;
      await this.gate;
      if (typeof file !== "string") throw file;
      return file;
    },
    apply: async (next) => this.#apply(next),
    log: pino({}, { write: (line: string) => void this.lines.push(JSON.parse(line)) }),
    wallClock: () => this.time,
  });

  #apply(next: string): RunReport {
    if (next.startsWith("bad")) throw new Error(`${next} can't be run`);
    const kind = this.run.at(-1) === next ? "nothing" : "swap";
    if (kind === "swap") this.run.push(next);
    return { kind, changes: [], notes: [], warnings: [], took: 1 };
  }
}

describe("a reload", () => {
  test("runs what there is to read, and remembers what was good", async () => {
    const rig = new Rig();
    rig.file = "two";
    rig.time = 200;
    assert.equal((await rig.reloader.reload()).kind, "swap");
    assert.deepEqual(rig.run, ["one", "two"]);
    assert.deepEqual(rig.reloader.status.current, { number: 2, since: 200 });
    assert.deepEqual(rig.reloader.status.earlier, [{ number: 1, since: 100 }]);
    assert.equal((await rig.reloader.reload()).kind, "nothing");
    assert.equal(rig.reloader.status.earlier.length, 1);
  });

  test("that fails changes nothing, and says what is wrong and where", async () => {
    const rig = new Rig();
    const place = { file: "a.yaml", line: 3, column: 5, path: "listeners[0].bind" };
    rig.file = new ConfigError([
      { ...place, message: "bind is missing" },
      { ...place, line: 7, message: "so is that" },
    ]);
    rig.time = 300;
    await assert.rejects(rig.reloader.reload(), ConfigError);
    assert.deepEqual(
      rig.lines.map(({ level, problem }) => [level, problem]),
      [
        [50, "a.yaml:3:5: listeners[0].bind: bind is missing"],
        [50, "a.yaml:7:5: listeners[0].bind: so is that"],
      ],
    );
    const { current, earlier, lastError } = rig.reloader.status;
    assert.deepEqual([current.number, earlier.length, lastError?.time], [1, 0, 300]);
    rig.file = "bad one";
    await assert.rejects(rig.reloader.reload(), /bad one can't be run/);
    assert.deepEqual([rig.run, rig.reloader.current], [["one"], "one"]);
    rig.file = "two";
    await rig.reloader.reload();
    assert.equal(rig.reloader.status.lastError, null);
  });

  test("is done once more for all who ask while one is under way", async () => {
    const rig = new Rig();
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.gate = promise;
    rig.file = "two";
    const first = rig.reloader.reload();
    rig.file = "three";
    const others = [rig.reloader.reload(), rig.reloader.reload(), rig.reloader.reload()];
    assert.ok(rig.reloader.status.isReloading);
    await turn();
    assert.equal(rig.reads, 1);
    resolve();
    await Promise.all([first, ...others]);
    assert.deepEqual([rig.reads, rig.run], [2, ["one", "two", "three"]]);
    await turn();
    assert.equal(rig.reloader.status.isReloading, false);
  });

  test("goes on for others when the one before it failed", async () => {
    const rig = new Rig();
    rig.file = "bad";
    const first = rig.reloader.reload();
    rig.file = "good";
    const second = rig.reloader.reload();
    await assert.rejects(first);
    assert.equal((await second).kind, "swap");
  });
});

describe("a rollback", () => {
  test("runs the last good one again, and then the one before that", async () => {
    const rig = new Rig();
    for (const word of ["two", "three"]) {
      rig.file = word;
      await rig.reloader.reload();
    }
    assert.equal((await rig.reloader.rollback()).number, 2);
    assert.deepEqual([rig.run.at(-1), rig.reloader.status.isRolledBack], ["two", true]);
    assert.equal(rig.reloader.status.current.number, 2);
    await rig.reloader.rollback();
    assert.equal(rig.run.at(-1), "one");
    await assert.rejects(rig.reloader.rollback(), { name: "NothingEarlierError" });
    assert.equal((await rig.reloader.reload()).number, 4);
    assert.deepEqual([rig.run.at(-1), rig.reloader.status.isRolledBack], ["three", false]);
    assert.deepEqual(rig.reloader.status.earlier, [{ number: 1, since: 100 }]);
  });

  test("is done once for all who ask while it is wanted, also amid reloads", async () => {
    const rig = new Rig();
    for (const word of ["two", "three"]) {
      rig.file = word;
      await rig.reloader.reload();
    }
    rig.file = "four";
    const { reloader } = rig;
    const work = [reloader.reload(), reloader.rollback(), reloader.reload(), reloader.rollback()];
    const numbers = (await Promise.all(work)).map(({ number }) => number);
    assert.deepEqual(numbers, [4, 3, 5, 3]);
    assert.deepEqual(rig.run, ["one", "two", "three", "four", "three", "four"]);
  });

  test("remembers no more than five", async () => {
    const rig = new Rig();
    for (let i = 0; i < 8; i++) {
      rig.file = `number ${i}`;
      await rig.reloader.reload();
    }
    assert.deepEqual(
      rig.reloader.status.earlier.map(({ number }) => number),
      [8, 7, 6, 5, 4],
    );
  });
});
