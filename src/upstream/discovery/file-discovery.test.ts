import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../../../test/kit/deadline.ts";
import { DiscoveryRig } from "../../../test/kit/discovery-rig.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { HeardNews } from "../../../test/kit/heard-news.ts";
import { threadAlarms } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { createDiscovery } from "./create-discovery.ts";
import type { Discovery } from "./discovery.ts";

const random = seededRandom("file");

interface Watched extends Disposable {
  readonly heard: HeardNews;
  readonly discovery: Discovery;
}

async function watchFile(path: string): Promise<Watched> {
  const heard = new HeardNews();
  const discovery = createDiscovery({ kind: "file", path }, { clock: threadAlarms, random });
  await discovery.start(heard);
  return { heard, discovery, [Symbol.dispose]: () => discovery.stop() };
}

/** As it is done by all who don't want half a file to be seen. */
async function exchange(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}

/** Folders and files that this process has inotify watch. */
async function countWatches(): Promise<number> {
  const folder = "/proc/self/fdinfo";
  const read = (name: string): Promise<string> => readFile(`${folder}/${name}`, "utf8").catch(() => "");
  const all = await Promise.all((await readdir(folder)).map(read));
  return all.join("\n").match(/^inotify wd:/gm)?.length ?? 0;
}

describe("servers from a file", () => {
  test("are known once it has started, from YAML and from JSON", async () => {
    await using folder = await createTemporaryDirectory();
    const yaml = await folder.write(
      "a.yaml",
      "# ours\n- 127.0.0.2:80\n- {address: 127.0.0.1:80, weight: 2}\n",
    );
    const json = await folder.write("b.json", '["127.0.0.2:80", {"address": "127.0.0.1:80", "weight": 2}]');
    using first = await watchFile(yaml);
    using second = await watchFile(json);
    assert.deepEqual(first.heard.lists, [
      [
        { address: "127.0.0.1:80", weight: 2, priority: 0, zone: null },
        { address: "127.0.0.2:80", weight: 1, priority: 0, zone: null },
      ],
    ]);
    assert.deepEqual(second.heard.lists, first.heard.lists);
    assert.deepEqual([...first.heard.errors, ...second.heard.errors], []);
  });

  test("are read behind a byte order mark", async () => {
    await using folder = await createTemporaryDirectory();
    using watched = await watchFile(await folder.write("servers.yaml", "\uFEFF- a:1\r\n- b:1\r\n"));
    assert.deepEqual(watched.heard.errors, []);
    assert.deepEqual(watched.heard.addresses, ["a:1", "b:1"]);
  });

  test("change when it is written, and when another file takes its place", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("servers.yaml", "[a:1]");
    using watched = await watchFile(path);
    const { heard } = watched;
    await writeFile(path, "[a:1, b:1]");
    await heard.untilLists(2);
    assert.deepEqual(heard.addresses, ["a:1", "b:1"]);
    for (const [index, name] of ["c", "d", "e"].entries()) {
      await exchange(path, `[${name}:1]`);
      await heard.untilLists(3 + index);
      assert.deepEqual(heard.addresses, [`${name}:1`]);
    }
    assert.deepEqual(heard.errors, []);
  });

  test("change when a link beside it is exchanged, as Kubernetes does", async () => {
    await using folder = await createTemporaryDirectory();
    await folder.write("..1/servers.yaml", "[a:1]");
    await folder.write("..2/servers.yaml", "[b:1]");
    await symlink("..1", folder.join("..data"));
    await symlink("..data/servers.yaml", folder.join("servers.yaml"));
    using watched = await watchFile(folder.join("servers.yaml"));
    assert.deepEqual(watched.heard.addresses, ["a:1"]);
    await symlink("..2", folder.join("..data.new"));
    await rename(folder.join("..data.new"), folder.join("..data"));
    await rm(folder.join("..1"), { recursive: true });
    await watched.heard.untilLists(2);
    assert.deepEqual(watched.heard.addresses, ["b:1"]);
  });

  test("stay when the file goes, and count again when it comes back", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("servers.yaml", "[a:1]");
    using watched = await watchFile(path);
    const { heard } = watched;
    await rm(path);
    await heard.untilErrors(1);
    assert.deepEqual(heard.errors, [`file ${path}: there is no such file`]);
    assert.equal(heard.lists.length, 1);
    await exchange(path, "[a:1]");
    await heard.untilLists(2);
    assert.deepEqual(heard.addresses, ["a:1"], "the same again: all is well");
  });

  test("may come later than the start", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("servers.yaml");
    using watched = await watchFile(path);
    assert.deepEqual(watched.heard.lists, []);
    assert.deepEqual(watched.heard.errors, [`file ${path}: there is no such file`]);
    await writeFile(path, "[a:1]");
    await watched.heard.untilLists(1);
    assert.deepEqual(watched.heard.addresses, ["a:1"]);
  });

  const unreadable: Readonly<Record<string, readonly [content: string, message: RegExp]>> = {
    "half a list": ['["a:1", "b:', /servers.yaml: .*(line 1)/],
    "nothing yet": ["", /it holds no list of servers/],
    "an empty list": ["[]", /there is no server in it/],
    "a map": ["servers: [a:1]", /it holds no list of servers/],
    "only wrong entries": ["[nowhere]", /entry 1, "nowhere": Address "nowhere" is none/],
    "an alias that leads nowhere": ["[*a]", /alias/],
  };
  for (const [what, [content, message]] of Object.entries(unreadable)) {
    test(`stay while ${what} is in it`, async () => {
      await using folder = await createTemporaryDirectory();
      const path = await folder.write("servers.yaml", "[a:1]");
      using watched = await watchFile(path);
      const { heard } = watched;
      await exchange(path, content);
      await heard.untilErrors(1);
      assert.match(heard.errors[0]!, message);
      assert.doesNotMatch(heard.errors[0]!, /\n/);
      assert.equal(heard.lists.length, 1);
      await exchange(path, "[a:1, b:1]");
      await heard.untilLists(2);
      assert.deepEqual(heard.addresses, ["a:1", "b:1"]);
    });
  }

  test("are those that can be read, and the others are named", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("servers.yaml", "[a:1, {address: b:1, weight: 0}, c:1]");
    using watched = await watchFile(path);
    assert.deepEqual(watched.heard.addresses, ["a:1", "c:1"]);
    assert.match(watched.heard.errors[0]!, /entry 2, \{"address":"b:1","weight":0\}: the weight/);
  });

  test("never come from what is no file or has no end", async () => {
    await using folder = await createTemporaryDirectory();
    await mkdir(folder.join("servers.yaml"));
    using watched = await watchFile(folder.join("servers.yaml"));
    const long = await folder.write("long.yaml", new Uint8Array(8 * 1024 * 1024 + 1));
    using second = await watchFile(long);
    assert.match(watched.heard.errors[0]!, /it is no file/);
    assert.match(second.heard.errors[0]!, /it is longer than 8388608 bytes/);
  });

  test("are found without being told of changes, and in a folder that comes again", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("later", "servers.yaml");
    using rig = await new DiscoveryRig({ kind: "file", path }).start();
    const { heard } = rig;
    assert.equal(heard.errors.length, 1);
    for (const name of ["a", "b"]) {
      const count = heard.lists.length;
      await rm(folder.join("later"), { recursive: true, force: true });
      await folder.write("later/servers.yaml", `[${name}:1]`);
      await rig.pass(5_000);
      assert.equal(heard.lists.length, count + 1);
      assert.deepEqual(heard.addresses, [`${name}:1`]);
    }
  });

  test("are read when a change has settled, each time anew", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("servers.yaml", "[a:1]");
    using rig = await new DiscoveryRig({ kind: "file", path }).start();
    for (const name of ["b", "c", "d"]) {
      rig.clock.advance(1_100);
      await rig.untilRounds(rig.rounds);
      const { rounds } = rig;
      const changed = rig.clock.now();
      await writeFile(path, `[${name}:1]`);
      while (rig.rounds === rounds) {
        await new Promise(setImmediate);
        rig.clock.advance(1);
      }
      assert.ok(rig.clock.now() - changed >= 100, `read after ${rig.clock.now() - changed} ms`);
    }
  });

  test("aren't watched any more after it was stopped", { skip: process.platform !== "linux" }, async () => {
    await using folder = await createTemporaryDirectory();
    const before = await countWatches();
    const { discovery } = await watchFile(await folder.write("servers.yaml", "[a:1]"));
    assert.equal(await countWatches(), before + 1);
    discovery.stop();
    await until("it is watched no more", async () => (await countWatches()) === before);
  });

  test("aren't told of any more after it was stopped", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("servers.yaml", "[a:1]");
    const stopped = await watchFile(path);
    using watched = await watchFile(path);
    stopped.discovery.stop();
    await exchange(path, "[b:1]");
    await watched.heard.untilLists(2);
    assert.equal(stopped.heard.lists.length, 1);

    const heard = new HeardNews();
    const early = createDiscovery({ kind: "file", path }, { clock: threadAlarms, random });
    const started = early.start(heard);
    early.stop();
    await started;
    assert.deepEqual(heard.lists, []);
  });
});
