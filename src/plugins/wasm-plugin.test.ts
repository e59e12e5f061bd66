import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/kit/files.ts";
import { I32, op } from "../../test/kit/wasm-module.ts";
import { P, transformBy, upperCase, wasmFunction, wasmPlugin } from "../../test/kit/wasm-plugins.ts";
import { holdLent } from "../net/slabs.ts";
import { MOST_INPUT, type PluginConnection, PluginError, TO_CLIENT, TO_UPSTREAM } from "./plugin.ts";
import { WasmPlugin } from "./wasm-plugin.ts";

let folder: TemporaryDirectory;
let count = 0;

before(async () => {
  folder = await createTemporaryDirectory();
});

after(() => folder[Symbol.asyncDispose]());

async function load(bytes: Uint8Array, config: unknown = null): Promise<WasmPlugin> {
  return await WasmPlugin.open(await folder.write(`${++count}.wasm`, bytes), JSON.stringify(config));
}

function through(connection: PluginConnection, text: string, direction: 0 | 1 = TO_UPSTREAM): string | null {
  const bytes = Buffer.from(`..${text}.`);
  const result = connection.transform(direction, bytes, 2, bytes.length - 1) as Buffer | null;
  return result === null ? null : String(result);
}

/** Counts calls of the instance, at 128 in its memory, and answers with one byte; a `!` ends it. */
const counter = transformBy(
  ...[op.get(P.input), op.loadByte, op.i32(0x21), op.equal, op.if, op.unreachable, op.end],
  ...[op.i32(128), op.i32(128), op.loadByte, op.i32(1), op.add, op.storeByte],
  ...[op.get(P.output), op.i32(128), op.loadByte, op.i32(0x30), op.add, op.storeByte],
  op.i64(1),
);

describe("a plugin in WebAssembly", () => {
  test("makes other bytes, in memory that is lent", async () => {
    const plugin = await load(wasmPlugin("upper", [upperCase]));
    assert.deepEqual([plugin.name, plugin.transforms, plugin.filtersRequests], ["upper", true, false]);
    const connection = plugin.openConnection("127.0.0.1:1");
    assert.equal(through(connection, "hello, WORLD {~}"), "HELLO, WORLD {~}");
    assert.equal(through(connection, ""), "");
    const large = Buffer.alloc(MOST_INPUT, "abc");
    const result = connection.transform(TO_CLIENT, large, 0, large.length) as Buffer;
    assert.equal(String(result), String(large).toUpperCase());
    // What it made itself is given back to it.
    const again = connection.transform(TO_CLIENT, result, 1, 4) as Buffer;
    assert.equal(String(again), "BCA");
    // A write that has to wait keeps what it refers to.
    holdLent(again);
    assert.deepEqual([through(connection, "x"), String(again)], ["X", "BCA"]);
    connection.close();
    plugin.close();
  });

  test("that ends within a call costs that connection, and is begun anew for others", async () => {
    const plugin = await load(wasmPlugin("counter", [counter]));
    const [one, other] = [plugin.openConnection(""), plugin.openConnection("")];
    assert.deepEqual([through(one, "a"), through(other, "b")], ["1", "2"]);
    assert.throws(
      () => through(one, "!"),
      (error) => error instanceof PluginError && /^it trapped: unreachable/.test(error.message),
    );
    one.close();
    // What was there keeps what it knows; what comes finds nothing of it.
    assert.equal(through(other, "c"), "3");
    assert.equal(through(plugin.openConnection(""), "d"), "1");
    plugin.close();
  });

  test("can't touch what isn't its own, nor have more memory than anybody gets", async () => {
    const outside = await load(wasmPlugin("outside", [transformBy(op.i32(-8), op.loadByte, op.toI64)]));
    assert.throws(() => through(outside.openConnection(""), "a"), /it trapped: memory access out of bounds/);
    // One byte is written when growing fails.
    const greedy = transformBy(op.i32(1024), op.grow, op.i32(-1), op.equal, op.toI64);
    for (const memory of [[1], [1, 65536]] as const) {
      const plugin = await load(wasmPlugin("greedy", [greedy], { memory }));
      assert.equal(through(plugin.openConnection(""), "a")?.length, 1);
    }
    const modest = transformBy(op.i32(512), op.grow, op.i32(-1), op.equal, op.toI64);
    const plugin = await load(wasmPlugin("modest", [modest]));
    assert.equal(through(plugin.openConnection(""), "a"), "");
  });

  test("gets as much room as it asks for", async () => {
    const wants = 100_000;
    const roomy = transformBy(
      ...[op.get(P.capacity), op.i32(wants), op.less, op.if, op.i64(-2 - wants), op.return, op.end],
      op.i64(wants),
    );
    const plugin = await load(wasmPlugin("roomy", [roomy]));
    assert.equal(through(plugin.openConnection(""), "a")?.length, wants);
    const greedy = await load(wasmPlugin("greedy", [transformBy(op.i64(-2 - 2 ** 25))]));
    assert.throws(() => through(greedy.openConnection(""), "a"), /it asks for room for 33554432 bytes/);
  });

  test("may say where bytes are put", async () => {
    const allocate = wasmFunction(
      "sluice_allocate",
      1,
      [
        ...[op.i32(0), op.load, op.set(1)],
        ...[op.i32(0), op.get(1), op.get(0), op.add, op.store],
        ...[op.get(1), op.i32(65536), op.add],
      ],
      [I32],
      1,
    );
    const parts = { memory: [4, 4] } as const;
    const plugin = await load(wasmPlugin("owner", [allocate, upperCase], parts));
    assert.equal(through(plugin.openConnection(""), "abc"), "ABC");
    await assert.rejects(
      load(wasmPlugin("full", [upperCase], parts)),
      /its memory can't grow by 65536 bytes/,
    );
    const nowhere = wasmFunction("sluice_allocate", 1, [op.i32(0)]);
    await assert.rejects(
      load(wasmPlugin("nowhere", [nowhere, upperCase])),
      /sluice_allocate has no room for/,
    );
  });

  test("keeps the room that it has when it has no more", async () => {
    const most = 100_000;
    const allocate = wasmFunction("sluice_allocate", 1, [
      ...[op.get(0), op.i32(most), op.atLeast, op.if, op.i32(0), op.return, op.end],
      // Input and output are asked for once each: the second stands behind the first.
      ...[op.i32(128), op.i32(128), op.loadByte, op.i32(1), op.add, op.storeByte],
      ...[op.i32(128), op.loadByte, op.i32(17), op.shiftLeft],
    ]);
    const release = wasmFunction("sluice_release", 1, [op.i32(129), op.i32(1), op.storeByte], []);
    const transform = transformBy(
      ...[op.get(P.input), op.loadByte, op.i32(0x2b), op.equal, op.if, op.i64(-2 - most), op.return, op.end],
      ...[op.get(P.output), op.i32(129), op.loadByte, op.i32(0x30), op.add, op.storeByte, op.i64(1)],
    );
    const plugin = await load(wasmPlugin("full", [allocate, release, transform], { memory: [8] }));
    const connection = plugin.openConnection("");
    assert.throws(() => through(connection, "+"), /its sluice_allocate has no room for 131072 bytes/);
    assert.equal(through(connection, "a"), "0");
  });

  test("is told its configuration and clients, and begins and ends", async () => {
    // The configuration's first letter is remembered at 128, the client's in its connection.
    const init = wasmFunction("sluice_plugin_init", 1, [
      op.i32(128),
      op.get(0),
      op.loadByte,
      op.storeByte,
      op.i32(128),
    ]);
    const open = wasmFunction("sluice_connection_open", 2, [op.get(1), op.loadByte]);
    const transform = transformBy(
      ...[op.get(P.output), op.get(P.plugin), op.loadByte, op.storeByte],
      ...[op.get(P.output), op.i32(1), op.add, op.get(P.connection), op.storeByte],
      op.i64(2),
    );
    const close = wasmFunction("sluice_connection_close", 1, [op.unreachable], []);
    const plugin = await load(wasmPlugin("told", [init, open, transform, close]), { key: "a" });
    const connection = plugin.openConnection("[::1]:5");
    assert.equal(through(connection, ""), "{[");
    connection.close();
    plugin.close();
  });

  test("looks at heads", async () => {
    const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const filter = (...body: readonly (readonly number[])[]): Buffer =>
      wasmPlugin("filter", [wasmFunction("sluice_filter_request", 5, body)]);
    assert.equal((await load(filter(op.i32(0)))).filterRequest(head), null);
    assert.equal((await load(filter(op.i32(-403)))).filterRequest(head), 403);
    const written = filter(op.get(3), op.get(1), op.loadByte, op.storeByte, op.i32(1));
    assert.equal((await load(written)).filterRequest(head), "G");
    // A client can't use up its memory by heads that get longer and longer.
    const patient = await load(filter(op.i32(-403)));
    for (let size = 1; size <= 1_000; size++) assert.equal(patient.filterRequest("a".repeat(size)), 403);
    const wrong = await load(filter(op.i32(-7)));
    assert.throws(() => wrong.filterRequest(head), /returned -7, which is no status/);
    const ending = await load(filter(op.unreachable));
    for (let i = 0; i < 3; i++) assert.throws(() => ending.filterRequest(head), /it trapped: unreachable/);
    assert.equal(ending.transforms, false);
  });

  test("that is none is refused, with what is missing", async () => {
    const version = wasmFunction("sluice_plugin_abi_version", 0, [op.i32(2)]);
    const good = wasmPlugin("good", [upperCase]);
    const refused: [Uint8Array, RegExp][] = [
      [Buffer.from("no module"), /^it is no module of WebAssembly, version 1$/],
      [good.subarray(0, 30), /^it ends in the middle$/],
      [good.subarray(0, -30), /^it can't be compiled: /],
      [wasmPlugin("idle", []), /^it has neither sluice_transform nor sluice_filter_request$/],
      [
        wasmPlugin("large", [upperCase], { memory: [2000] }),
        /^it begins with 131072000 bytes of memory; 67108864 is/,
      ],
      [wasmPlugin("shy", [upperCase], { hidesMemory: true }), /^it doesn't export its memory$/],
      [wasmPlugin("", [upperCase]), /^sluice_plugin_name gives no name of 1 to 64 bytes$/],
      [
        wasmPlugin("needy", [upperCase], { imports: ["env", "now"] }),
        /^it imports env\.now, and nothing is there/,
      ],
      [
        wasmPlugin("fussy", [upperCase, wasmFunction("sluice_plugin_init", 1, [op.i32(0)])]),
        /^it refuses this conf/,
      ],
      [
        wasmPlugin("ending", [upperCase, wasmFunction("_initialize", 0, [op.unreachable], [])]),
        /^it trapped: unre/,
      ],
    ];
    for (const [bytes, message] of refused)
      await assert.rejects(
        load(bytes),
        (error) => error instanceof PluginError && message.test(error.message),
      );
    // Named twice, the second one counts for nobody.
    await assert.rejects(
      load(wasmPlugin("newer", [version, upperCase])),
      /it can't be compiled: .*Duplicate export/,
    );
  });
});
