import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../config/load.ts";
import type { RunSpec } from "../../worker/run-spec.ts";
import { type Change, describeChange, diffSpecs } from "./diff.ts";

const SPEC = {
  ...{ program: null, binds: [], accessLog: null, instance: "test", seed: "seed" },
  errorLog: { level: "info", path: null },
} as const;

function specOf(text: string, changes: Partial<RunSpec> = {}): RunSpec {
  return { ...SPEC, snapshot: parseConfig(text, "test.yaml", {}), ...changes };
}

function diff(before: string, after: string): string[] {
  return diffSpecs(specOf(before), specOf(after)).map(describeChange);
}

const BASE = `
admin: { bind: 127.0.0.1:0, token: a-token-of-some-length }
limits: { few: { limit: 5, per: 1m } }
upstreams:
  api: { servers: [127.0.0.1:3001, 127.0.0.1:3002] }
  pages: { servers: [127.0.0.1:3003] }
listeners:
  - name: web
    bind: 127.0.0.1:8080
    routes:
      - { match: { path: /api }, limits: few, upstream: api }
      - { name: rest, upstream: pages }
  - { name: redis, protocol: tcp, bind: 127.0.0.1:6380, upstream: 127.0.0.1:6379 }
`;

describe("what differs between two configurations", () => {
  test("is nothing between equal ones, however they are written", () => {
    assert.deepEqual(diff(BASE, `# The same.\n${BASE.replace("per: 1m", "per: 60s")}`), []);
  });

  const cases: readonly (readonly [what: string, from: string, to: string, changes: readonly string[]])[] = [
    [
      "a route's upstream",
      "limits: few, upstream: api",
      "limits: few, upstream: pages",
      ['~ listeners[web].routes[0].upstream: "api" → "pages"'],
    ],
    [
      "the upstream of a route with a name",
      "name: rest, upstream: pages",
      "name: rest, upstream: api",
      ['~ listeners[web].routes[rest].upstream: "pages" → "api"'],
    ],
    [
      "servers",
      "127.0.0.1:3002",
      "{ address: 127.0.0.1:3002, weight: 5 }, 127.0.0.1:3009",
      [
        "~ upstreams[api].servers[127.0.0.1:3002].weight: 1 → 5",
        '+ upstreams[api].servers[127.0.0.1:3009]: {"address":"127.0.0.1:3009","weight":1,"priority":0,"zone":null}',
      ],
    ],
    ["a limit, once", "few: { limit: 5", "few: { limit: 7", ["~ limits[few].limit: 5 → 7"]],
    [
      "a TCP listener's address",
      "bind: 127.0.0.1:6380",
      "bind: 127.0.0.1:6381",
      ['~ listeners[redis].bind: "127.0.0.1:6380" → "127.0.0.1:6381"'],
    ],
    ["a secret, without telling it", "a-token-of", "b-token-of", ['~ admin.token: "***" → "***"']],
    ["a time, as it is written", "admin:", "shutdown_delay: 5s\nadmin:", ['~ shutdown_delay: 0 → "5s"']],
    [
      "what stands in groups, by the words of the file",
      "bind: 127.0.0.1:8080",
      "bind: 127.0.0.1:8080\n    timeouts: { keepalive: 90s }\n    limits: { connections: 9, head: 32k }",
      [
        "~ listeners[web].limits.connections: 0 → 9",
        "~ listeners[web].limits.head: 65536 → 32768",
        '~ listeners[web].timeouts.keepalive: "1m" → "90s"',
      ],
    ],
    [
      "how an upstream is treated",
      "  pages: {",
      "  pages: { retry: { max_backoff: 1500ms }, timeouts: { read: 2m }, balance: maglev,",
      [
        '~ upstreams[pages].balance: "round_robin" → {"policy":"maglev","by":[{"kind":"client","v6_prefix":64}]}',
        '~ upstreams[pages].retry.max_backoff: "1s" → "1500ms"',
        '~ upstreams[pages].timeouts.read: "1m" → "2m"',
      ],
    ],
    [
      "a TCP listener's limits and toxics",
      "name: redis,",
      "name: redis, limits: { connections: 5 }, toxics: [{ type: latency, attributes: { latency: 50 } }],",
      [
        '+ listeners[redis].toxics[latency_downstream]: {"type":"latency","name":"latency_downstream","stream":"downstream","toxicity":1,"attributes":{"latency":50}}',
        "~ listeners[redis].limits.connections: 0 → 5",
      ],
    ],
    ["the log", "admin:", "log_level: debug\nadmin:", []],
  ];
  for (const [what, from, to, changes] of cases) {
    test(`tells of ${what}`, () => {
      assert.ok(BASE.includes(from));
      assert.deepEqual(diff(BASE, BASE.replace(from, to)), changes);
    });
  }

  test("tells of what came and went as a whole", () => {
    const [gone, ...others] = diffSpecs(specOf(BASE), specOf(BASE.replace("name: redis", "name: cache")));
    assert.deepEqual(
      [gone, ...others].map((change) => [change?.kind, change?.path]),
      [
        ["removed", "listeners[redis]"],
        ["added", "listeners[cache]"],
      ],
    );
    assert.match(JSON.stringify(gone?.before), /"bind":"127\.0\.0\.1:6380"/);
  });

  test("tells of a route that comes before others, and not of those", () => {
    const before =
      "listeners: [{ bind: 0, routes: [{ match: { path: /a }, respond: 200 }, { respond: 404 }] }]";
    const after = before.replace("routes: [", "routes: [{ match: { path: /new }, respond: 204 }, ");
    const changes = diffSpecs(specOf(before), specOf(after));
    assert.deepEqual(
      changes.map(({ kind, path }) => [kind, path.replace(/^.*\./, "")]),
      [["added", "routes[0]"]],
    );
  });

  test("tells that what has names is in another order", () => {
    const before =
      "listeners: [{ bind: 0, name: web, routes: [{ name: a, respond: 200 }, { name: b, respond: 404 }] }]";
    const after = before.replace(
      "{ name: a, respond: 200 }, { name: b, respond: 404 }",
      "{ name: b, respond: 404 }, { name: a, respond: 200 }",
    );
    assert.deepEqual(diff(before, after), ['~ listeners[web].routes in this order: ["a","b"] → ["b","a"]']);
  });

  test("hides what is secret wherever it stands", () => {
    const text = (secret: string): string => `
redis: redis://:p@${secret}-in-url@127.0.0.1:6379
upstreams: { api: { servers: [127.0.0.1:3001], sticky: { secret: ${secret}-of-sticky-cookies-0123456789 } } }
listeners:
  - bind: 0
    routes:
      - { match: { header: { authorization: ${secret}-asked-for } }, respond: 200 }
      - { match: { query: { token: ${secret}-asked-for }, header: { a: b } }, respond: 200 }
      - { redirect: "https://a.example/?next=1&access_token=${secret}-in-target" }
      - { upstream: api, request_headers: { set: { Authorization: ${secret}-in-field } } }`;
    const changes = diffSpecs(specOf(text("hidden")), specOf(text("covered")));
    assert.ok(changes.length >= 5, JSON.stringify(changes));
    assert.doesNotMatch(JSON.stringify(changes), /hidden|covered/);
  });

  test("hides nothing that only looks like a header field", () => {
    const text = (hosts: string): string =>
      `listeners: [{ bind: 0, routes: [{ match: { host: [${hosts}] }, respond: 200 }] }]`;
    const [change] = diffSpecs(
      specOf(text("auth.example, a.example")),
      specOf(text("auth.example, b.example")),
    );
    assert.deepEqual(change?.after, ["auth.example", "b.example"]);
  });
});

test("filters are named, and what they are told isn't", () => {
  const text = (password: string, names: string): string => `
filters: { auth: { module: "${import.meta.filename}", config: { users: { ada: ${password} } } }, log: "${import.meta.filename}" }
listeners: [{ bind: 0, name: web, respond: 200, filters: [${names}] }]`;
  assert.deepEqual(diff(text("hidden", "auth, log"), text("covered", "log, auth")), [
    '~ listeners[web].filters: ["auth","log"] → ["log","auth"]',
    '~ filters[auth].config: "***" → "***"',
  ]);
});

describe("how a change comes into effect", () => {
  const of = (changes: readonly Change[]): unknown => changes.map(({ path, applied }) => [path, applied]);

  test("is told for each", () => {
    const before = specOf("listeners: [{ bind: 0, respond: 200 }]");
    const after = specOf(
      "user: nobody\nupgrade_sock: /run/sluice.sock\nthreads: 3\ngrace_period_seconds: 5\nlisteners: [{ bind: 0, respond: 200 }]",
      {
        program: "other.ts",
        seed: "other",
      },
    );
    const told = Object.fromEntries(diffSpecs(before, after).map(({ path, applied }) => [path, applied]));
    assert.equal(told["program"], "new generation");
    assert.equal(told["threads"], "new generation");
    assert.equal(told["seed"], "new generation");
    assert.equal(told["user"], "restart");
    assert.equal(told["upgrade_sock"], "restart");
    assert.equal(told["grace_period_seconds"], "in place");
  });

  test("goes by what is run, and not by what the file says besides", () => {
    const before = specOf("log_level: info\nlisteners: [{ bind: 0, respond: 200 }]");
    const after = specOf("log_level: debug\nlisteners: [{ bind: 0, respond: 200 }]");
    assert.deepEqual(of(diffSpecs(before, after)), []);
    const louder = { ...after, errorLog: { level: "debug", path: null } } as const;
    assert.deepEqual(of(diffSpecs(before, louder)), [["log_level", "in place"]]);
  });
});
