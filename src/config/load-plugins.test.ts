import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

function load(text: string): Snapshot {
  return parseConfig(text, "conf/a.yaml", {});
}

test("plugins are those that something goes through, with their files and what they are told", () => {
  const snapshot = load(`
plugins:
  upper: build/upper-case.so
  xor: { path: /opt/xor.so, config: { key: secret }, isolate: process, answer_timeout: 2s }
  gate: gate.wasm
  idle: nobody.wasm
listeners:
  - { bind: 1, protocol: tcp, upstream: 2, plugins: [upper, xor, upper] }
  - bind: 3
    plugins: [xor, gate]
    routes: [{ match: { path: /a }, upstream: 4, plugins: [upper] }, { respond: 404 }]
`);
  const usual = { config: "null", isolate: "none", timeout: 5000, mustTransform: true };
  assert.deepEqual(snapshot.plugins, [
    { ...usual, name: "upper", path: "conf/build/upper-case.so" },
    {
      ...usual,
      name: "xor",
      path: "/opt/xor.so",
      config: '{"key":"secret"}',
      isolate: "process",
      timeout: 2000,
    },
    { ...usual, name: "gate", path: "conf/gate.wasm", mustTransform: false },
  ]);
  assert.deepEqual(snapshot.proxies[0]?.plugins, ["upper", "xor", "upper"]);
  assert.deepEqual(snapshot.listeners[0]?.plugins, ["xor", "gate"]);
  assert.deepEqual(
    snapshot.listeners[0]?.routes.map(({ plugins }) => plugins),
    [["upper"], []],
  );
  assert.deepEqual(
    snapshot.warnings.map(({ message }) => message),
    ['no listener or route uses the plugin "idle"'],
  );
});
