import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { createNotifyServer } from "../../../test/kit/notify-server.ts";
import { Notifier } from "./notifier.ts";

const skip = process.platform === "linux" ? false : "there is no service manager of this kind";

describe("a notifier", { skip }, () => {
  test("speaks to a socket, whether it has a file or a name only", async () => {
    await using directory = await createTemporaryDirectory();
    for (const path of [directory.join("notify"), `@sluice-notify-${process.pid}`]) {
      using server = createNotifyServer(path);
      const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: path }, assert.fail);
      assert.equal(notifier.isWatched, true);
      notifier.ready("Listening");
      notifier.reloading();
      notifier.stopping();
      notifier.mainPid(42);
      notifier.status("two\nlines");
      notifier.alive();
      const [ready, reloading = "", ...others] = server.read();
      assert.equal(ready, "READY=1\nSTATUS=Listening");
      assert.match(reloading, /^RELOADING=1\nMONOTONIC_USEC=\d{4,}$/);
      assert.deepEqual(others, ["STOPPING=1", "MAINPID=42", "STATUS=two lines", "WATCHDOG=1"]);
    }
  });

  test("tells the time in microseconds of the system's clock", () => {
    const told: string[] = [];
    const notifier = new Notifier(
      (lines) => told.push(lines),
      assert.fail,
      () => 1_234_567n,
    );
    notifier.reloading("Reloading");
    assert.deepEqual(told, ["RELOADING=1\nMONOTONIC_USEC=1234567\nSTATUS=Reloading"]);
  });

  test("says nothing of reloads any more when the end has begun", () => {
    const told: string[] = [];
    const create = (): Notifier =>
      new Notifier(
        (lines) => told.push(lines),
        assert.fail,
        () => 1n,
      );
    const [stopped, succeeded] = [create(), create()];
    for (const notifier of [stopped, succeeded]) notifier.reloading();
    stopped.stopping();
    succeeded.mainPid(42);
    for (const notifier of [stopped, succeeded]) {
      notifier.ready();
      notifier.reloading();
      notifier.ready();
    }
    const reloading = "RELOADING=1\nMONOTONIC_USEC=1";
    assert.deepEqual(told, [reloading, reloading, "STOPPING=1", "MAINPID=42\nREADY=1"]);
  });

  test("says what keeps it from speaking, and goes on", () => {
    for (const [path, reason] of [
      ["/nowhere/to/be/found", /sendto: ENOENT/],
      ["relative", /neither a path nor an abstract name/],
      [`/${"x".repeat(200)}`, /too long/],
    ] as const) {
      const problems: string[] = [];
      const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: path }, (problem) => problems.push(problem));
      notifier.ready();
      assert.equal(problems.length, 1, path);
      assert.match(problems[0] ?? "", reason);
    }
  });

  test("is silent where nobody listens", () => {
    const notifier = Notifier.fromEnvironment({}, assert.fail);
    assert.equal(notifier.isWatched, false);
    notifier.ready();
  });
});
