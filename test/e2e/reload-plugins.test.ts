import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { copyFile, rename } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { compilePlugin, examplePlugin, withoutCompiler } from "../kit/plugins.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { Reloading } from "./reloading.ts";

const THREADS = 2;

let folder: TemporaryDirectory;
let echo: RawOrigin;
/** What the echo got last. */
let seen = "";

before(async () => {
  folder = await createTemporaryDirectory();
  echo = await startRawOrigin(({ socket }) => {
    socket.on("data", (bytes) => {
      seen = bytes.toString("latin1");
    });
    socket.pipe(socket);
  });
  if (withoutCompiler === false)
    await Promise.all(
      ["xor", "upper-case", "pass-through"].map((name) =>
        compilePlugin(examplePlugin(name), folder.join(`${name}.so`)),
      ),
    );
});

after(async () => {
  for (const one of [echo, folder]) await one[Symbol.asyncDispose]();
});

function configuration(plugins: string, names: string, rest = ""): string {
  return `
plugins: { ${plugins} }
listeners:
  - { name: line, bind: "127.0.0.1:0", protocol: tcp, upstream: "${echo.address}", plugins: [${names}] ${rest} }
`;
}

function xor(key: string): string {
  return `seal: { path: ${folder.join("xor.so")}, config: { key: "${key}" } }`;
}

/** What the server gets of a word. */
async function sealed(client: RawClient, word = "a"): Promise<string> {
  void client.write(word);
  assert.equal(String(await client.readExactly(word.length)), word);
  return seen;
}

const under = (key: string): string => String.fromCharCode("a".charCodeAt(0) ^ key.charCodeAt(0));

describe("a reload of plugins", { skip: withoutCompiler }, () => {
  test("has new connections go through the new ones, and cuts none that stand", async () => {
    await using sluice = await Reloading.start(configuration(xor("k"), "seal"), THREADS);
    const { running } = sluice;
    await using old = await connectRaw(sluice.proxyPort("line"));
    assert.equal(await sealed(old), under("k"));
    await sluice.reload(configuration(xor("z"), "seal"));
    for (let i = 0; i < 2 * THREADS; i++) {
      await using client = await connectRaw(sluice.proxyPort("line"));
      assert.equal(await sealed(client), under("z"));
    }
    assert.equal(await sealed(old), under("k"));
    const [status] = running.plugins.plugins();
    assert.deepEqual([status?.name, status?.title, status?.errors], ["seal", "xor", 0]);
    assert.equal(status?.connections, 1 + 2 * THREADS);

    // None any more, then another one in its place.
    const none = `
listeners: [{ name: line, bind: "127.0.0.1:0", protocol: tcp, upstream: "${echo.address}" }]
`;
    await sluice.reload(none);
    assert.deepEqual(running.plugins.plugins(), []);
    {
      await using client = await connectRaw(sluice.proxyPort("line"));
      assert.equal(await sealed(client), "a");
    }
    assert.equal(await sealed(old), under("k"));
    await sluice.reload(configuration(`loud: ${folder.join("upper-case.so")}`, "loud"));
    await using loud = await connectRaw(sluice.proxyPort("line"));
    void loud.write("a");
    assert.equal(String(await loud.readExactly(1)), "A");
    assert.equal(await sealed(old), under("k"));
  });

  test("changes nothing when one of them can't be used, and says which", async () => {
    await using sluice = await Reloading.start(configuration(xor("k"), "seal"), 0);
    await folder.write("junk.so", "no library\n".repeat(1000));
    const bad = `${xor("z")}, junk: ${folder.join("junk.so")}`;
    await assert.rejects(
      sluice.reload(configuration(bad, "seal, junk")),
      /Plugin junk \(.*junk\.so\) can't be used/,
    );
    await assert.rejects(
      sluice.reload(configuration(xor(""), "seal")),
      /Plugin seal .* refuses this configuration/,
    );
    await using client = await connectRaw(sluice.proxyPort("line"));
    assert.equal(await sealed(client), under("k"));
    const { plugins } = sluice.running;
    assert.deepEqual(
      plugins.plugins().map(({ name }) => name),
      ["seal"],
    );
    assert.equal(readdirSync(plugins.folder!).length, 1, "no other copy is left");
  });

  test("looks at the files too, though nothing else has changed", async () => {
    await copyFile(folder.join("upper-case.so"), folder.join("p.so"));
    const text = configuration(`p: ${folder.join("p.so")}`, "p");
    await using sluice = await Reloading.start(text, 0);
    const versionOf = (): string => sluice.running.plugins.plugins()[0]!.version;
    const before = versionOf();
    await copyFile(folder.join("pass-through.so"), folder.join("next.so"));
    await rename(folder.join("next.so"), folder.join("p.so"));
    await sluice.reload(text);
    assert.notEqual(versionOf(), before);
    await until("all threads use it", async () => {
      await using client = await connectRaw(sluice.proxyPort("line"));
      void client.write("a");
      return String(await client.readExactly(1)) === "a";
    });
  });
});
