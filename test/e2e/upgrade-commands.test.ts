import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import { runInside, startInside } from "./inside.ts";

const LISTENER = 'listeners: [{ bind: "127.0.0.1:0", respond: 204 }]\n';

describe("commands of upgrades", () => {
  test("say what is missing, and what can't be", async () => {
    await using folder = await createTemporaryDirectory();
    const bare = await folder.write("bare.yaml", LISTENER);
    const nobody = await folder.write("nobody.yaml", `${LISTENER}upgrade_sock: ${folder.join("no.sock")}\n`);
    const gone = await folder.write("gone.pid", "4194304\n");
    const empty = await folder.write("empty.pid", "");
    const cases: [args: string[], code: number, said: RegExp][] = [
      [
        ["run", bare, "-u"],
        2,
        /^sluice: -u needs to know where the process listens that it succeeds: upgrade_sock/,
      ],
      [["run", nobody, "-u"], 1, /^sluice: There is nobody to take over from at .*no\.sock \(ENOENT\)/m],
      [["upgrade", "-c", bare], 2, /has neither pid_file nor upgrade_sock/],
      [["upgrade", "-c", nobody], 1, /^No running process of Sluice can be asked there/],
      [["upgrade", "--pid-file", gone], 1, /^No running process of Sluice can be asked there/],
      [["upgrade", "--pid-file", empty], 1, /empty\.pid holds no process id/],
      [["upgrade", "--pid-file", folder.join("none")], 1, /none tells no process: ENOENT/],
      [["upgrade", "-h", "127.0.0.1:1"], 1, /can't reach/],
    ];
    for (const [args, code, said] of cases) {
      const finished = await runInside(args);
      assert.match(finished.stderr, said);
      assert.equal(finished.code, code, args.join(" "));
    }
  });

  test("test the flags of a proxy", async () => {
    const good = await runInside(["http", "--test", "-b", "127.0.0.1:0", "-u", "127.0.0.1:1"]);
    assert.deepEqual([good.code, good.stdout], [0, "the flags are good\n"]);
    const bad = await runInside([
      "http",
      "--test",
      "-b",
      "127.0.0.1:0",
      "--cert",
      "none.pem",
      "--key",
      "none.pem",
      "a:1",
    ]);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /none\.pem/);
  });

  test("are refused by an API without words it knows", { skip: process.platform !== "linux" }, async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("sluice.yaml", `admin: "127.0.0.1:0"\nthreads: 0\n${LISTENER}`);
    await using sluice = await startInside(["run", file]);
    const [, api] = await sluice.line(/"event":"api","address":"([^"]+)"/);
    assert.equal((await fetch(`${api}/upgrade`)).status, 405);
    const late = await fetch(`${api}/upgrade?timeout=-1`, { method: "POST" });
    assert.deepEqual([late.status, await late.text()], [400, "timeout is a number of seconds, up to 3600\n"]);
  });
});
