import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { parseConfig } from "./load.ts";

test("filters are those that sessions go through, with their modules and what they are told", async () => {
  await using folder = await createTemporaryDirectory();
  for (const file of ["auth.ts", "log.mjs"]) await folder.write(file, "");
  const text = `
filters:
  auth: { module: ./auth.ts, config: { realm: staff } }
  log: log.mjs
  idle: nobody.ts
listeners:
  - bind: 3
    filters: [log, auth]
    routes: [{ match: { path: /a }, upstream: 4, filters: [auth] }, { respond: 404 }]
`;
  const file = folder.join("a.yaml");
  const { filters, listeners, warnings } = parseConfig(text, file, {});
  assert.deepEqual(filters, [
    {
      name: "auth",
      module: folder.join("auth.ts"),
      config: { realm: "staff" },
      place: { file, line: 3, column: 38 },
    },
    { name: "log", module: folder.join("log.mjs"), config: undefined, place: { file, line: 4, column: 8 } },
  ]);
  assert.deepEqual(listeners[0]?.filters, ["log", "auth"]);
  assert.deepEqual(
    listeners[0]?.routes.map((route) => route.filters),
    [["auth"], []],
  );
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['no listener or route uses the filter "idle"'],
  );
});

test("what is wrong with filters is told where it stands", () => {
  const text = `
filters: { auth: ./auth.ts, log: log.txt }
listeners:
  - { bind: 1, upstream: 2, filters: [aut] }
  - { bind: 3, protocol: tcp, upstream: 4, filters: [auth] }
`;
  assert.throws(
    () => parseConfig(text, "/nowhere/a.yaml", {}),
    (error: Error) => {
      const [ending, name, stream] = error.message.split("\n");
      assert.match(stream!, /a\.yaml:5:44: listeners\[1\]\.filters: unknown key "filters"/);
      assert.deepEqual(
        [ending, name],
        [
          '/nowhere/a.yaml:2:34: filters.log: "log.txt" ends otherwise, expected a path of a module that ends in .ts, .mts, .js, .mjs',
          '/nowhere/a.yaml:4:39: listeners[0].filters[0]: there is no filter "aut"; did you mean auth?',
        ],
      );
      return true;
    },
  );
  const missing = "filters: { auth: ./auth.ts }\nlisteners: [{ bind: 1, upstream: 2, filters: [auth] }]\n";
  assert.throws(() => parseConfig(missing, "/nowhere/a.yaml", {}), {
    message: '/nowhere/a.yaml:1:18: filters.auth.module: there is no file "/nowhere/auth.ts"',
  });
});
