import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { type Finished, type InsideSluice, runInside, startInside } from "./inside.ts";
import { get } from "./sluice.ts";

/** A proxy whose configuration changes, and the commands that say so. */
class Stage implements AsyncDisposable {
  readonly folder: TemporaryDirectory;
  readonly admin: string;
  readonly #sluice: InsideSluice;

  private constructor(folder: TemporaryDirectory, admin: string, sluice: InsideSluice) {
    this.folder = folder;
    this.admin = admin;
    this.#sluice = sluice;
  }

  static async open(...flags: readonly string[]): Promise<Stage> {
    const folder = await createTemporaryDirectory();
    const admin = `127.0.0.1:${await freePort()}`;
    await folder.write("sluice.yaml", configuration(admin, "one"));
    const sluice = await startInside(["run", folder.join("sluice.yaml"), "--log-level", "silent", ...flags]);
    return new Stage(folder, admin, sluice);
  }

  write(body: string, name: string = "sluice.yaml"): Promise<string> {
    return this.folder.write(name, configuration(this.admin, body));
  }

  command(...args: readonly string[]): Promise<Finished> {
    return runInside([...args, "--host", this.admin]);
  }

  async body(): Promise<string> {
    return (await get(this.#sluice.port)).body.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

function configuration(admin: string, body: string): string {
  return `admin: "${admin}"\nlisteners:\n  - { name: web, bind: "127.0.0.1:0", respond: { status: 200, body: ${body} } }\n`;
}

const CHANGE = "~ listeners[web].routes[0].respond.body";

describe("reloading by commands", () => {
  test("tells what would change, what changed, and what it was before", async () => {
    await using stage = await Stage.open();
    assert.deepEqual(await stage.command("diff"), {
      ...{ code: 0, stdout: "A reload would change nothing\n", stderr: "" },
    });
    await stage.write("two");
    const differs = await stage.command("diff");
    assert.match(differs.stdout, /one.* → .*two/);
    assert.match(differs.stdout, /A reload would run it in the threads that run\n$/);
    assert.equal(await stage.body(), "one");

    const reloaded = await stage.command("reload");
    assert.equal(reloaded.code, 0);
    assert.match(reloaded.stdout, /^Reloaded: number 2, in the threads that run, \d+ ms\n/);
    assert.ok(reloaded.stdout.includes(differs.stdout.split("\n")[0]!));
    assert.equal(await stage.body(), "two");
    assert.equal((await stage.command("reload")).stdout, "Reloaded: nothing to change\n");

    const back = JSON.parse((await stage.command("rollback", "--json")).stdout) as Record<string, unknown>;
    assert.deepEqual([back["kind"], await stage.body()], ["swap", "one"]);
    const status = (await stage.command("status")).stdout;
    assert.match(status, /Configuration number 1, run for \d+s?.*, rolled back\n/);
    assert.match(status, /GENERATION +SINCE +THREADS +CONNECTIONS +STATE\n +1 .* serving\n/);
    const moved = `127.0.0.1:${await freePort()}`;
    await stage.folder.write("sluice.yaml", configuration(moved, "three"));
    const parting = await stage.command("reload");
    assert.match(parting.stdout, /^Reloaded: .*\n(?:.*\n)*~ admin/, "told by the API that leaves its place");
    assert.equal((await runInside(["rollback", "--host", moved])).code, 0);
    const again = await stage.command("rollback");
    assert.deepEqual([again.code, again.stdout], [1, ""]);
    assert.match(again.stderr, /^There is nothing to roll back to/);
  });

  test("tells what is wrong with its place, and changes nothing", async () => {
    await using stage = await Stage.open();
    const file = await stage.folder.write("sluice.yaml", `admin: "${stage.admin}"\nlisteners:\n  - bin: 1\n`);
    for (const command of ["reload", "diff"]) {
      const { code, stdout, stderr } = await stage.command(command);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, /^\S*sluice\.yaml:3:5: listeners\[0\]\.bin: .*; did you mean bind\?\n/m);
    }
    const { code, stdout } = await stage.command("reload", "--json");
    const refusal = JSON.parse(stdout) as { code: string; problems: Record<string, unknown>[] };
    assert.deepEqual([code, refusal.code], [2, "NOT_RELOADED"]);
    const { line, column, suggestion } = refusal.problems[0]!;
    assert.deepEqual({ file, line, column, suggestion }, { file, line: 3, column: 5, suggestion: "bind" });
    assert.equal(await stage.body(), "one");
    const status = (await stage.command("status")).stdout;
    assert.match(status, /The last reload, .* ago, changed nothing:\n {2}.*sluice\.yaml:3:5/);

    const other = await runInside(["reload", "--host", `127.0.0.1:${await freePort()}`]);
    assert.deepEqual([other.code, other.stdout], [1, ""]);
    assert.match(other.stderr, /can't reach/);
    const none = await runInside(["reload", "--pid-file", stage.folder.join("no.pid")]);
    assert.equal(none.code, 1);
    const get = await fetch(`http://${stage.admin}/rollback`);
    assert.equal(get.status, 405);
  });

  test("compares other files, with the variables of who asks", async () => {
    await using stage = await Stage.open();
    const other = await stage.write("two", "other.yaml");
    assert.ok((await stage.command("diff", other)).stdout.includes(`${CHANGE}`));
    const named = await stage.write(`"\${SLUICE_TEST_BODY}"`, "named.yaml");
    const unset = await stage.command("diff", named);
    assert.deepEqual([unset.code, unset.stdout], [2, ""]);
    assert.match(unset.stderr, /named\.yaml:3:\d+: .*SLUICE_TEST_BODY/);
    const args = ["diff", named, "--host", stage.admin];
    assert.match((await runInside(args, { SLUICE_TEST_BODY: "three" })).stdout, /three/);
    const between = await runInside(["diff", other, "--with", stage.folder.join("sluice.yaml"), "--json"]);
    const { changes } = JSON.parse(between.stdout) as { changes: { path: string }[] };
    assert.deepEqual(
      changes.map(({ path }) => `~ ${path}`),
      [CHANGE],
    );
    assert.equal((await runInside(["diff", other, "--with", other])).stdout, "Nothing differs\n");
  });
});

describe("run --watch", () => {
  test("reloads when the file changes, and says what is wrong when it is bad", async () => {
    await using stage = await Stage.open("--watch");
    await stage.write("two");
    await until("it says two", async () => (await stage.body()) === "two");
    const file = await stage.folder.write("sluice.yaml", "listeners:\n  - bin: 1\n");
    await until("it says what is wrong", async () =>
      /sluice\.yaml:2:5: .*bind\?/.test((await stage.command("status")).stdout),
    );
    assert.equal(await stage.body(), "two");
    await rm(file);
    await stage.write("three");
    await until("it says three", async () => (await stage.body()) === "three");
  });
});
