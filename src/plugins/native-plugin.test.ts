import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/kit/files.ts";
import { compilePlugin, examplePlugin, oddPlugin, withoutCompiler } from "../../test/kit/plugins.ts";
import { holdLent } from "../net/slabs.ts";
import { NativePlugin } from "./native-plugin.ts";
import { MOST_INPUT, type PluginConnection, PluginError, TO_CLIENT, TO_UPSTREAM } from "./plugin.ts";

let folder: TemporaryDirectory;

before(async () => {
  folder = await createTemporaryDirectory();
  if (withoutCompiler !== false) return;
  await folder.write("none.c", "int sluice_nothing;\n");
  await Promise.all([
    compilePlugin(oddPlugin, folder.join("odd.so")),
    compilePlugin(oddPlugin, folder.join("newer.so"), ["-DODD_ABI=2"]),
    compilePlugin(oddPlugin, folder.join("nameless.so"), ['-DODD_NAME=""']),
    compilePlugin(folder.join("none.c"), folder.join("none.so")),
    ...["upper-case", "xor", "header-filter"].map((name) =>
      compilePlugin(examplePlugin(name), folder.join(`${name}.so`)),
    ),
  ]);
});

after(() => folder[Symbol.asyncDispose]());

function odd(mode: string): NativePlugin {
  return new NativePlugin(folder.join("odd.so"), JSON.stringify({ mode }));
}

function load(name: string, config: unknown = null): NativePlugin {
  return new NativePlugin(folder.join(`${name}.so`), JSON.stringify(config));
}

function through(connection: PluginConnection, text: string, direction: 0 | 1 = TO_UPSTREAM): string | null {
  const bytes = Buffer.from(`..${text}.`);
  const result = connection.transform(direction, bytes, 2, bytes.length - 1);
  return result === null ? null : String(result);
}

describe("a plugin in C", { skip: withoutCompiler }, () => {
  test("has a name, and says what it has to do with", () => {
    const upper = load("upper-case");
    assert.deepEqual([upper.name, upper.transforms, upper.filtersRequests], ["upper-case", true, false]);
    const filter = load("header-filter");
    assert.deepEqual(
      [filter.name, filter.transforms, filter.filtersRequests],
      ["header-filter", false, true],
    );
    upper.close();
    filter.close();
  });

  test("makes other bytes, in memory that is lent", () => {
    const plugin = load("upper-case");
    const connection = plugin.openConnection("127.0.0.1:1");
    assert.equal(through(connection, "hello, WORLD {~}"), "HELLO, WORLD {~}");
    assert.equal(through(connection, ""), "");
    const result = connection.transform(TO_CLIENT, Buffer.from("a"), 0, 1) as Buffer;
    // What a plugin made itself is copied before it is given back to it.
    assert.equal(String(connection.transform(TO_CLIENT, result, 0, 1)), "A");
    const sent = connection.transform(TO_CLIENT, Buffer.from("b"), 0, 1) as Buffer;
    holdLent(sent);
    assert.equal(String(connection.transform(TO_CLIENT, Buffer.from("c"), 0, 1)), "C");
    assert.equal(String(sent), "B");
    connection.close();
    plugin.close();
  });

  test("keeps what it knows of connections and directions apart", () => {
    const plugin = load("xor", { key: "key" });
    const [one, two] = [plugin.openConnection(""), plugin.openConnection("")];
    const sealed = [through(one, "abcd"), through(one, "efg"), through(one, "abcd", TO_CLIENT)];
    assert.deepEqual([through(two, sealed[0]!), through(two, sealed[1]!)], ["abcd", "efg"]);
    assert.equal(sealed[2], sealed[0]);
    for (const connection of [one, two]) connection.close();
    plugin.close();
  });

  test("gets as much room as it asks for", () => {
    const plugin = odd("twice");
    const connection = plugin.openConnection("");
    const bytes = Buffer.alloc(MOST_INPUT, "abc");
    const result = connection.transform(TO_UPSTREAM, bytes, 0, bytes.length) as Buffer;
    assert.equal(result.length, 2 * MOST_INPUT);
    assert.equal(result.toString("latin1", 0, 6), "aabbcc");
    connection.close();
    plugin.close();
  });

  test("may hold bytes back until the end, and have the connection closed", () => {
    const plugin = odd("hold");
    const connection = plugin.openConnection("");
    assert.deepEqual(
      [through(connection, "ab"), through(connection, "c"), through(connection, "")],
      ["", "", "abc"],
    );
    connection.close();
    plugin.close();
    const closing = odd("close");
    assert.equal(through(closing.openConnection(""), "an X"), null);
  });

  test("that returns nonsense has done something wrong", () => {
    const wrong = {
      "too-many": /^sluice_transform returned 65537 bytes, but had room for 65536$/,
      negative: /^sluice_transform returned -9\d+: it asks for room/,
      greedy: /it asks for room for 16777217 bytes where it has 65536, at most 16777216 are given$/,
      modest: /it asks for room for 65536 bytes where it has 65536/,
    };
    for (const [mode, message] of Object.entries(wrong)) {
      const plugin = odd(mode);
      const connection = plugin.openConnection("");
      assert.throws(
        () => through(connection, "a"),
        (error) => error instanceof PluginError && message.test(error.message),
      );
      // It isn't the worse for that.
      assert.equal(through(connection, ""), "");
      connection.close();
      plugin.close();
    }
  });

  test("looks at heads", () => {
    const head = "GET /private?a=b HTTP/1.1\r\nHost: a\r\n\r\n";
    const plugin = load("header-filter", { name: "X-A", value: "b", refuse: "/private" });
    assert.equal(plugin.filterRequest(head), 403);
    assert.equal(
      plugin.filterRequest("GET /privately HTTP/1.1\r\nHost: \xe4\r\n\r\n"),
      "GET /privately HTTP/1.1\r\nHost: \xe4\r\nX-A: b\r\n\r\n",
    );
    plugin.close();
    assert.equal(odd("hold").filterRequest(head), null);
    assert.equal(odd("status").filterRequest(head), 418);
    assert.throws(() => odd("no-status").filterRequest(head), /returned -7, which is no status/);
    // Room for the head itself and 64 KiB, however long it is.
    for (const size of [head.length, 2 ** 24]) {
      const room = Math.max(size + 65_536, 131_072);
      assert.throws(() => odd("too-many").filterRequest("a".repeat(size)), {
        message: `sluice_filter_request returned ${room + 1} bytes, but had room for ${room}`,
      });
    }
  });

  test("that is none is refused, with what is missing", async () => {
    await writeFile(folder.join("text.so"), "no library\n".repeat(1000));
    const refused = {
      text: /^it can't be loaded: .*invalid ELF header/,
      missing: /^it can't be loaded: .*cannot open shared object file/,
      none: /^it has no sluice_plugin_abi_version$/,
      newer: /^it was built for version 2 of the plugin ABI, and not 1$/,
      nameless: /^sluice_plugin_name gives no name of 1 to 64 bytes$/,
      xor: /^it refuses this configuration \(its sluice_plugin_init returned NULL\)$/,
    };
    for (const [name, message] of Object.entries(refused))
      assert.throws(
        () => load(name),
        (error) => error instanceof PluginError && message.test(error.message),
        name,
      );
  });
});
