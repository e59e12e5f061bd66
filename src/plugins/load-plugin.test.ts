import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/kit/files.ts";
import { compilePlugin, oddPlugin, withoutCompiler } from "../../test/kit/plugins.ts";
import { loadPlugin } from "./load-plugin.ts";

let folder: TemporaryDirectory;

before(async () => {
  folder = await createTemporaryDirectory();
  if (withoutCompiler === false) await compilePlugin(oddPlugin, folder.join("odd.so"));
});

after(() => folder[Symbol.asyncDispose]());

describe("a plugin that a program loads", { skip: withoutCompiler }, () => {
  test("gives what is the program's own, of as many bytes as it likes", async () => {
    using plugin = await loadPlugin(folder.join("odd.so"), { mode: "twice" });
    assert.deepEqual([plugin.name, plugin.transforms, plugin.filtersRequests], ["odd", true, true]);
    using connection = plugin.openConnection();
    const one = connection.transform("to-client", Buffer.from("a"));
    const other = connection.transform("to-client", Buffer.from("b"));
    assert.deepEqual([String(one), String(other)], ["aa", "bb"]);
    const long = connection.transform("to-upstream", new Uint8Array(200_000));
    assert.ok(Buffer.isBuffer(long));
    assert.equal(long.length, 400_000);
    assert.equal(String(connection.transform("to-client", new Uint8Array(0))), "");
  });

  test("is told of ends, and tells of its own wishes", async () => {
    using holding = await loadPlugin(folder.join("odd.so"), { mode: "hold" });
    const held = holding.openConnection("192.0.2.1:1");
    assert.equal(String(held.transform("to-client", Buffer.from("abc"))), "");
    assert.equal(String(held.transform("to-client", null)), "abc");
    using closing = await loadPlugin(folder.join("odd.so"), { mode: "close" });
    assert.equal(closing.openConnection().transform("to-client", Buffer.from("X")), null);
    using wrong = await loadPlugin(folder.join("odd.so"), { mode: "negative" });
    assert.throws(() => wrong.openConnection().transform("to-client", Buffer.from("a")), {
      name: "PluginError",
    });
    assert.equal(wrong.filterRequest("GET / HTTP/1.1\r\n\r\n"), null);
  });

  test("in a process of its own gives bytes that stay the caller's, too", async () => {
    using plugin = await loadPlugin(folder.join("odd.so"), { mode: "twice" }, { isolate: "process" });
    using connection = plugin.openConnection();
    const one = await connection.transform("to-client", Buffer.from("a"));
    const other = await connection.transform("to-client", Buffer.from("b"));
    assert.deepEqual([String(one), String(other)], ["aa", "bb"]);
  });

  test("is of no use once it is closed, nor are its connections", async () => {
    const plugin = await loadPlugin(folder.join("odd.so"), { mode: "twice", file: folder.join("log") });
    const connection = plugin.openConnection();
    plugin.close();
    plugin.close();
    connection.close();
    assert.throws(() => plugin.openConnection(), /is closed/);
    assert.throws(() => connection.transform("to-client", Buffer.from("a")), /is closed/);
  });

  test("leaves nothing behind, and says what is wrong with it", async () => {
    const { TMPDIR } = process.env;
    process.env["TMPDIR"] = folder.path;
    using _plugin = await loadPlugin(folder.join("odd.so"), { mode: "twice" });
    await assert.rejects(
      loadPlugin(folder.join("odd.so")),
      /odd\.so can't be used: it refuses this configuration/,
    );
    const isolate = "proces" as string as "process";
    await assert.rejects(loadPlugin("a.so", null, { isolate }), /is one of none, process, and not proces$/);
    await assert.rejects(loadPlugin("a.txt"), /a\.txt ends in none of \.so, \.dylib, \.wasm/);
    await assert.rejects(loadPlugin("missing.so"), /missing\.so can't be used: there is no such file/);
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
    assert.deepEqual(
      readdirSync(folder.path).filter((name) => name.startsWith("sluice-plugins-")),
      [],
    );
  });
});
