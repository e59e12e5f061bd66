import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LimitSettings } from "../filters/settings.ts";
import { formatProblem } from "./config-error.ts";
import { parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

const UPSTREAMS = "upstreams: { stable: 1, canary: 2 }";

function parse(route: string, more: string = UPSTREAMS): Snapshot {
  return parseConfig(`listeners:\n- bind: 1\n  routes:\n  - { ${route} }\n${more}\n`, "a.yaml", {});
}

function actionOf(route: string): unknown {
  return parse(route).listeners[0]!.routes[0]!.action;
}

describe("a split", () => {
  test("is a map of upstreams to weights", () => {
    assert.deepEqual(actionOf("split: { stable: 95%, canary: 5% }"), {
      ...{ kind: "upstream", upstream: "stable", request: null, mirror: null },
      split: [
        { upstream: "stable", weight: 95, match: null },
        { upstream: "canary", weight: 5, match: null },
      ],
    });
  });

  test("is a list of targets, of which some are for those that match", () => {
    const targets = '[{ upstream: canary, match: { header: { x-canary: "1" } } }, { upstream: stable }]';
    assert.deepEqual(actionOf(`split: ${targets}, rewrite: { host: a }`), {
      ...{ kind: "upstream", upstream: "canary", mirror: null },
      request: { path: [], query: null, host: { kind: "literal", host: "a" }, headers: null },
      split: [
        {
          ...{ upstream: "canary", weight: 0 },
          match: { kind: "header", name: "x-canary", test: { kind: "equals", value: "1" } },
        },
        { upstream: "stable", weight: 1, match: null },
      ],
    });
  });

  test("may hold addresses, and stand in a listener", () => {
    const { upstreams, listeners } = parseConfig(
      'listeners: [{ bind: 1, split: { "3000": 1, "127.0.0.1:3001": 1 }, mirror: [3002, 3003] }]',
      "a.yaml",
      {},
    );
    const names = ["127.0.0.1:3000", "127.0.0.1:3001", "127.0.0.1:3002, 127.0.0.1:3003"];
    assert.deepEqual(
      upstreams.map(({ name }) => name),
      names,
    );
    const { action } = listeners[0]!.routes[0]!;
    assert.ok(action.kind === "upstream");
    assert.deepEqual([...action.split!.map(({ upstream }) => upstream), action.mirror!.upstream], names);
  });

  test("whose weights are all 0 is hardly meant", () => {
    for (const split of [
      "{ stable: 0, canary: 0% }",
      "[{ upstream: stable, weight: 0 }, { upstream: canary, match: /a }]",
    ]) {
      const [warning] = parse(`split: ${split}`).warnings;
      assert.match(formatProblem(warning!), /^a\.yaml:4:7: .*\.split: no target has a weight/);
    }
    assert.deepEqual(parse("split: [{ upstream: stable }, { upstream: canary, match: /a }]").warnings, []);
  });
});

describe("a mirror", () => {
  test("has a short form and options", () => {
    const mirror = { upstream: "canary", share: 1, mostPending: 100, mostBuffered: 2 ** 20, timeout: 30_000 };
    assert.deepEqual(actionOf("upstream: stable, mirror: canary"), {
      ...{ kind: "upstream", upstream: "stable", request: null, split: null, mirror },
    });
    const all = "{ upstream: canary, share: 10%, max_pending: 5, max_buffered: 64k, timeout: 1s }";
    const action = actionOf(`upstream: stable, mirror: ${all}`);
    assert.deepEqual((action as { mirror: unknown }).mirror, {
      ...{ upstream: "canary", share: 0.1, mostPending: 5, mostBuffered: 65_536, timeout: 1_000 },
    });
  });
});

describe("a limit", () => {
  const limitOf = (yaml: string, more?: string): LimitSettings =>
    parse(`respond: 200, limits: ${yaml}`, more ?? "").listeners[0]!.routes[0]!.limits[0]!;

  test("has short forms", () => {
    const limit = limitOf("5/m");
    assert.deepEqual(limit, {
      ...{ name: "listeners[0].routes[0].limits[0]", algorithm: "sliding_window", limit: 5 },
      ...{ window: 60_000, burst: 0, key: [{ kind: "client", v6Prefix: 64 }], match: null, allow: [] },
      ...{ shadow: false, status: 429, headers: true, mostKeys: 65_536, redis: null },
    });
    assert.deepEqual(limitOf("{ limit: 5, per: 1m, by: client }"), limit);
    for (const [short, number, window] of [
      ["100/s", 100, 1_000],
      ["10/30s", 10, 30_000],
      ["5r/m", 5, 60_000],
      ["1000 / h", 1_000, 3_600_000],
      ["3/500ms", 3, 500],
    ] as const) {
      assert.deepEqual([limitOf(short).limit, limitOf(short).window], [number, window]);
    }
  });

  test("has options", () => {
    const yaml = `{ limit: 5, per: 10s, by: [path, { header: x-key }], burst: 10, match: { method: POST },
      allow: 10.0.0.0/8, shadow: true, status: 503, headers: false, max_keys: 1000,
      redis: { url: "rediss://a:6380/1", prefix: "p:", timeout: 50ms } }`;
    assert.deepEqual(limitOf(yaml), {
      ...{ name: "listeners[0].routes[0].limits[0]", algorithm: "token_bucket", limit: 5, window: 10_000 },
      ...{ burst: 10, match: { kind: "method", methods: ["POST"] }, allow: ["10.0.0.0/8"] },
      ...{ shadow: true, status: 503, headers: false, mostKeys: 1_000 },
      key: [{ kind: "path" }, { kind: "header", name: "x-key" }],
      redis: { url: "rediss://a:6380/1", prefix: "p:", timeout: 50 },
    });
    assert.deepEqual(limitOf("{ limit: 5, by: all }").key, []);
    assert.equal(limitOf("{ limit: 5, algorithm: token_bucket }").burst, 5);
    assert.equal(limitOf("{ limit: 5, algorithm: concurrency }").window, 0);
  });

  test("counts in the document's Redis unless it says otherwise, or can't", () => {
    const redis = { url: "redis://127.0.0.1:6379", prefix: "sluice:", timeout: 100 };
    const more = "redis: redis://127.0.0.1:6379";
    assert.deepEqual(limitOf("5/m", more).redis, redis);
    assert.equal(limitOf("{ limit: 5, redis: off }", more).redis, null);
    assert.equal(limitOf("{ limit: 5, redis: redis://b }", more).redis?.url, "redis://b");
    assert.equal(limitOf("{ limit: 5, algorithm: concurrency }", more).redis, null);
  });
});

test("limits of one name are one, and those of a listener come first on all its routes", () => {
  const { listeners, limits, warnings } = parseConfig(
    `listeners:
  - bind: 1
    limits: { requests: [global, 10/s] }
    routes:
      - { match: /a, respond: 200, limits: login }
      - { match: /b, respond: 200, limits: [5/s, login] }
  - { bind: 2 }
  - { bind: 3, limits: { requests: global } }
routes:
  - { respond: 200, limits: 7/s }
limits: { login: 5/m, global: { limit: 1000, by: all } }
`,
    "a.yaml",
    {},
  );
  assert.deepEqual(
    listeners.map(({ routes }) => routes.map((route) => route.limits.map(({ name }) => name))),
    [
      [
        ["global", "listeners[0].limits.requests[1]", "login"],
        ["global", "listeners[0].limits.requests[1]", "listeners[0].routes[1].limits[0]", "login"],
      ],
      [["routes[0].limits[0]"]],
      [["global", "routes[0].limits[0]"]],
    ],
  );
  assert.equal(limits.length, 5);
  assert.deepEqual(warnings, []);
});

test("a limit that no route names is hardly meant", () => {
  const { warnings } = parse("respond: 200, limits: a", "limits: { a: 5/m, b: 5/m }");
  assert.deepEqual(warnings.map(formatProblem), ['a.yaml:5:19: limits.b: no route uses the limit "b"']);
});
