import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { runInside } from "./inside.ts";
import { get, startListening } from "./sluice.ts";

describe("SIGHUP", () => {
  test("has a process run what its file says by then, also beside the proxy; a bad one changes nothing", async () => {
    await using folder = await createTemporaryDirectory();
    const [web, admin, moved] = [await freePort(), await freePort(), await freePort()];
    const config = (body: string, more: string): Promise<string> =>
      folder.write(
        "sluice.yaml",
        `threads: 1\n${more}\nlisteners: [{ name: web, bind: 127.0.0.1:${web}, respond: { status: 200, body: ${body} } }]\n`,
      );
    const api = (port: number, token: string) =>
      fetch(`http://127.0.0.1:${port}/proxies`, { headers: { authorization: `Bearer ${token}` } });
    await config(
      "one",
      `admin: { bind: 127.0.0.1:${admin}, token: first-token }\npid_file: ${folder.join("one.pid")}`,
    );
    await using sluice = await startListening(["run", folder.join("sluice.yaml")]);
    const { program } = sluice;
    const body = async (): Promise<string> => String((await get(web)).body);
    assert.deepEqual([await body(), (await api(admin, "first-token")).status], ["one", 200]);

    await folder.write("sluice.yaml", "threads: 1\nlisteners:\n  - { bind: nonsense:port }\n");
    program.signal("SIGHUP");
    await program.line(/sluice\.yaml:3:.*nothing has changed/);
    assert.equal(await body(), "one");

    const log = folder.join("error.log");
    await config(
      "two",
      `admin: { bind: 127.0.0.1:${moved}, token: second-token }\npid_file: ${folder.join("two.pid")}\nerror_log: ${log}\numask: "077"`,
    );
    const told = await runInside(["reload", "--pid-file", folder.join("one.pid")]);
    assert.deepEqual([told.code, told.stderr], [0, ""]);
    await until("it says two", async () => (await body()) === "two");
    await until(
      "it is told",
      async () => existsSync(log) && (await readFile(log, "utf8")).includes("Reloaded"),
    );
    const logged = await readFile(log, "utf8");
    assert.match(logged, /umask: needs a restart or an upgrade: null → 63/);
    assert.deepEqual([existsSync(folder.join("one.pid")), existsSync(folder.join("two.pid"))], [false, true]);
    assert.deepEqual(
      [(await api(moved, "second-token")).status, (await api(moved, "first-token")).status],
      [200, 401],
    );
    await assert.rejects(connectRaw(admin), "nobody listens there any more");

    await config("three", `admin: { bind: 127.0.0.1:${moved}, token: third-token }\nerror_log: ${log}`);
    program.signal("SIGHUP");
    await until("it says three", async () => (await body()) === "three");
    await until("the token is another one", async () => (await api(moved, "third-token")).status === 200);
    program.signal("SIGTERM");
    assert.equal((await program.exit()).code, 0);
  });
});
