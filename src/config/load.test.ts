// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how variables and placeholders are written
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BARE_ROUTE } from "../../test/kit/bare-route.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import type { RouteSettings } from "../filters/settings.ts";
import { DEFAULT_SERVER_SETTINGS } from "../http1/server-options.ts";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "../http2/server-options.ts";
import { DEFAULT_RETRY_POLICY } from "../proxy/retries.ts";
import { DEFAULT_GROUP } from "../upstream/group-settings.ts";
import { formatProblem } from "./config-error.ts";
import { loadConfig, parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

function parse(text: string, env: Record<string, string> = {}): Snapshot {
  return parseConfig(text, "a.yaml", env);
}

/** The routes of a listener that this is written in. */
function routesOf(yaml: string): readonly RouteSettings[] {
  return parse(`listeners:\n  - bind: 8080\n    ${yaml}\nupstreams: { app: 3000 }`).listeners[0]!.routes;
}

function routeOf(yaml: string): RouteSettings {
  return routesOf(`routes: [${yaml}]`)[0]!;
}

describe("the simple form", () => {
  const snapshot = parse("listeners:\n  - bind: 127.0.0.1:8080\n    upstream: 127.0.0.1:3000\n");

  test("has every default", () => {
    const { listeners, upstreams, ...rest } = snapshot;
    assert.deepEqual(rest, {
      threads: null,
      pidFile: null,
      errorLog: null,
      logLevel: "info",
      accessLog: null,
      gracePeriod: 30_000,
      process: {
        daemon: false,
        workingDirectory: null,
        umask: null,
        user: null,
        group: null,
        upgradeSocket: null,
        shutdownDelay: 0,
        health: null,
      },
      pool: { size: 512, idleTimeout: 60_000 },
      retries: DEFAULT_RETRY_POLICY,
      zone: null,
      redis: null,
      limits: [],
      caches: [],
      plugins: [],
      filters: [],
      proxies: [],
      chaos: { seed: null, scenario: null },
      admin: null,
      stats: { enabled: false, top: 256 },
      warnings: [],
    });
    assert.deepEqual(listeners, [
      {
        name: "127.0.0.1:8080",
        bind: "127.0.0.1:8080",
        protocol: "http",
        server: DEFAULT_SERVER_SETTINGS,
        http2: DEFAULT_HTTP2_SETTINGS,
        tls: null,
        maxConnections: 0,
        maxConnectionsPerClient: 0,
        requestTimeout: 0,
        grpcTimeout: 0,
        grpcWeb: null,
        forwarding: {
          mode: "replace",
          xForwarded: true,
          forwarded: false,
          trustedProxies: [],
          via: "",
          clientCertificate: "off",
        },
        allowConnect: false,
        plugins: [],
        filters: [],
        toxics: [],
        mode: { kind: "allow" },
        routes: [
          {
            ...BARE_ROUTE,
            name: "routes[0]",
            action: {
              ...{ kind: "upstream", upstream: "127.0.0.1:3000", request: null, split: null, mirror: null },
            },
          },
        ],
      },
    ]);
    assert.deepEqual(upstreams, [
      {
        ...DEFAULT_GROUP,
        name: "127.0.0.1:3000",
        servers: [{ address: "127.0.0.1:3000", weight: 1, priority: 0, zone: null }],
        mostServers: 1,
        outliers: {
          ...{ consecutive: 5, statuses: [], ratio: 0, window: 10_000, minimumRequests: 20 },
          ...{ ejection: 10_000, longestEjection: 300_000, mostEjected: 0.5 },
        },
        retries: { ...DEFAULT_RETRY_POLICY, onConnectFailure: true, onReset: true },
        hashBy: [],
        sticky: null,
        peer: {
          ...{ connectTimeout: 5_000, firstByteTimeout: 60_000, readTimeout: 60_000, writeTimeout: 60_000 },
          keepAlive: 60_000,
        },
      },
    ]);
  });

  test("is frozen data that can be posted", () => {
    assert.deepEqual(structuredClone(snapshot), snapshot);
    assert.throws(() => {
      (snapshot.listeners[0]!.server as { bodyBytes: number }).bodyBytes = 1;
    }, TypeError);
    assert.ok(!Object.isFrozen(DEFAULT_SERVER_SETTINGS));
  });
});

describe("every short form is a long form", () => {
  const same = (short: string, long: string): void => {
    assert.deepEqual(
      routeOf(`{ respond: 200, match: ${short} }`),
      routeOf(`{ respond: 200, match: ${long} }`),
    );
  };

  test("of matches", () => {
    same("/up", "{ path: { exact: [/up] } }");
    same("/api/*", "{ path: { prefix: /api/ } }");
    same('"*"', "{ path: { prefix: / } }");
    same("[/a, /b]", "{ or: [{ path: /a }, { path: /b }] }");
    same("[/a]", "/a");
    same("{ and: [/a] }", "/a");
    same("{ method: get }", "{ method: [GET] }");
    same("{ header: { x-a: 1 } }", '{ header: { x-a: { equals: "1" } } }');
    same("{ path: [/a, { prefix: /b }] }", "{ path: { exact: /a, prefix: /b } }");
    same("{ host: BÜCHER.example. }", "{ host: [xn--bcher-kva.example] }");
    same("{ path: /k%C3%A4se }", "{ path: /käse }");
  });

  test("of actions", () => {
    for (const [short, long] of [
      ["redirect: /x", "redirect: { target: /x, status: 302 }"],
      ["respond: 404", "respond: { status: 404 }"],
      ["respond: hello", "respond: { status: 200, body: hello }"],
      ["upstream: 3000", "upstream: 127.0.0.1:3000"],
      ["upstream: :3000", "upstream: [127.0.0.1:3000]"],
      [
        "upstream: app, rewrite: { path: /x }",
        "upstream: app, rewrite: { path: { set: /x }, host: preserve }",
      ],
      ["upstream: app, request_headers: {}", "upstream: app"],
    ] as const) {
      assert.deepEqual(routeOf(`{ ${short} }`), routeOf(`{ ${long} }`));
    }
  });

  test("of listeners", () => {
    assert.deepEqual(routesOf("upstream: app"), routesOf("routes: [{ upstream: app }]"));
    assert.deepEqual(routesOf("redirect: /x"), routesOf("routes: [{ redirect: /x }]"));
    const shared = parse(
      "listeners: [{ bind: 1 }, { bind: 2, respond: 404 }]\nroutes: [{ respond: 200 }]",
    ).listeners;
    assert.deepEqual(shared[0]!.routes, routesOf("respond: 200"));
    assert.deepEqual(shared[1]!.routes, routesOf("respond: 404"));
    const { forwarding: off } = parse("listeners: [{ bind: 1, respond: 200, forwarded: off, via: off }]")
      .listeners[0]!;
    const { forwarding } = parse(
      "listeners: [{ bind: 1, respond: 200, forwarded: { mode: false }, via: false }]",
    ).listeners[0]!;
    assert.deepEqual(off, forwarding);
    assert.equal(off.via, null);
  });

  test("of listeners' names is their address, told apart where they share it", () => {
    const { listeners } = parse(
      "listeners: [{ bind: 0 }, { bind: 0 }, { bind: 0, name: a }]\nroutes: [{ respond: 200 }]",
    );
    assert.deepEqual(
      listeners.map(({ name }) => name),
      [":0", ":0 (2)", "a"],
    );
  });

  test("of upstreams", () => {
    const upstreams = (yaml: string): Snapshot["upstreams"] =>
      parse(`listeners: [{ bind: 1, upstream: app }]\nupstreams: { app: ${yaml} }`).upstreams;
    const long = upstreams("{ servers: [{ address: 127.0.0.1:3000, weight: 1 }], balance: round_robin }");
    for (const short of ["3000", "[3000]", "127.0.0.1:3000", "{ servers: 3000 }", "[{ address: 3000 }]"]) {
      assert.deepEqual(upstreams(short), long);
    }
  });

  test("of access logs", () => {
    const log = (yaml: string): Snapshot["accessLog"] =>
      parse(`access_log: ${yaml}\nlisteners: [{ bind: 1, respond: 200 }]`).accessLog;
    assert.equal(log("off"), null);
    assert.equal(log("false"), null);
    assert.deepEqual(log("json"), log("{ format: json, path: stdout }"));
    assert.deepEqual(log("{ path: /var/log/a }"), { format: "combined", path: "/var/log/a" });
  });
});

describe("the normal form", () => {
  test("of a match keeps what it says", () => {
    const route =
      routeOf(`{ respond: 200, match: { websocket: true, host: "*.a.example", client: [10.0.0.0/8, ::1],
      header: { x-a: true, x-b: false, x-c: { regex: "^a" } }, query: { q: 1 }, client_certificate: alice, not: { method: [PUT, patch] }, or: [/a, /b/*] } }`);
    assert.deepEqual(route.match, {
      kind: "all",
      of: [
        { kind: "websocket", wanted: true },
        { kind: "host", hosts: ["*.a.example"] },
        { kind: "client", ranges: ["10.0.0.0/8", "::1"] },
        { kind: "clientCertificate", test: { kind: "equals", value: "alice" } },
        { kind: "header", name: "x-a", test: { kind: "present" } },
        { kind: "header", name: "x-b", test: { kind: "absent" } },
        { kind: "header", name: "x-c", test: { kind: "regex", pattern: "^a" } },
        { kind: "query", name: "q", test: { kind: "equals", value: "1" } },
        {
          kind: "any",
          of: [
            { kind: "path", paths: [{ kind: "exact", path: "/a" }] },
            { kind: "path", paths: [{ kind: "prefix", path: "/b/" }] },
          ],
        },
        { kind: "not", of: { kind: "method", methods: ["PUT", "PATCH"] } },
      ],
    });
  });

  test("of rewrites and headers", () => {
    const route = routeOf(`{ upstream: app, name: v2,
      rewrite: { path: { strip_prefix: /old/, add_prefix: "/new path/" }, query: { set: { a: 1 }, remove: b }, host: API.example:8080 },
      request_headers: { set: { X-A: [1, b] }, remove: cookie }, response_headers: { add: { x-b: " c " } } }`);
    assert.equal(route.name, "v2");
    assert.deepEqual(route.action, {
      kind: "upstream",
      upstream: "app",
      request: {
        path: [
          { kind: "strip_prefix", prefix: "/old" },
          { kind: "add_prefix", prefix: "/new%20path" },
        ],
        query: { remove: ["b"], set: [["a", "1"]], add: [] },
        host: { kind: "literal", host: "api.example:8080" },
        headers: {
          remove: ["cookie"],
          set: [
            ["X-A", "1"],
            ["X-A", "b"],
          ],
          add: [],
        },
      },
      split: null,
      mirror: null,
    });
    assert.deepEqual(route.response, { remove: [], set: [], add: [["x-b", "c"]] });
    const replaced = routeOf(
      `{ upstream: app, rewrite: { path: { regex: "^/a", replace: $1 }, host: upstream } }`,
    );
    assert.deepEqual(replaced.action.kind === "upstream" && replaced.action.request, {
      path: [{ kind: "replace", pattern: "^/a", replacement: "$1" }],
      query: null,
      host: { kind: "upstream" },
      headers: null,
    });
  });

  test("of a redirect is a URL", () => {
    const target = (yaml: string): unknown => {
      const { action } = routeOf(`{ redirect: "${yaml}" }`);
      return action.kind === "redirect" && action.target;
    };
    assert.equal(
      target("https://${host}/kä se?x=%20&${query}"),
      "https://${host}/k%C3%A4%20se?x=%20&${query}",
    );
    assert.equal(target("https://[::1]:8443${path}"), "https://[::1]:8443${path}");
  });

  test("of limits and timeouts", () => {
    const { listeners, upstreams, pool, retries, gracePeriod } = parse(`
listeners:
  - bind: unix:/run/a.sock
    upstream: app
    connect: true
    limits: { connections: 1000, connections_per_client: 10, requests_per_connection: 100, body: 10MB, request_line: 8k, head: 32k, headers: 50, minimum_rate: 0 }
    timeouts: { head: 10s, body: 500ms, keepalive: 75, write: 1m, request: 0.5h }
    forwarded: { forwarded: true, trusted_proxies: [10.0.0.0/8] }
    via: edge
upstreams:
  app: { servers: 3000, timeouts: { connect: 1s, first_byte: 2s, read: 3s, write: 4s }, tcp_keepalive: 0, local_address: 10.0.0.1 }
upstream_keepalive_pool_size: 0
upstream_keepalive_timeout: 1m
max_retries: 3
retry_non_idempotent: true
grace_period_seconds: 1.5
`);
    const [listener] = listeners;
    assert.deepEqual(
      [listener!.bind, listener!.maxConnections, listener!.maxConnectionsPerClient, listener!.requestTimeout],
      ["unix:/run/a.sock", 1000, 10, 1_800_000],
    );
    assert.deepEqual(listener!.server, {
      ...DEFAULT_SERVER_SETTINGS,
      head: { requestLine: 8192, bytes: 32_768, fields: 50 },
      bodyBytes: 10_485_760,
      requestsPerConnection: 100,
      headTimeout: 10_000,
      bodyTimeout: 500,
      keepAliveTimeout: 75_000,
      writeTimeout: 60_000,
      minimumRate: 0,
    });
    assert.deepEqual(listener!.forwarding, {
      ...{ mode: "append", xForwarded: true, forwarded: true, trustedProxies: ["10.0.0.0/8"], via: "edge" },
      clientCertificate: "off",
    });
    assert.equal(listener!.allowConnect, true);
    assert.deepEqual(upstreams[0]!.peer, {
      ...{
        connectTimeout: 1_000,
        firstByteTimeout: 2_000,
        readTimeout: 3_000,
        writeTimeout: 4_000,
        keepAlive: 0,
      },
      localAddress: "10.0.0.1",
    });
    assert.deepEqual(
      [pool, retries, gracePeriod],
      [{ size: 0, idleTimeout: 60_000 }, { ...DEFAULT_RETRY_POLICY, maxTries: 3, nonIdempotent: true }, 1500],
    );
  });
});

test("HTTP/2 is a word or a map", () => {
  const http2Of = (value: string): Http2Settings | false =>
    parse(`listeners: [{ bind: 8080, respond: 200, http2: ${value} }]`).listeners[0]!.http2;
  assert.deepEqual(http2Of("true"), DEFAULT_HTTP2_SETTINGS);
  assert.equal(http2Of("false"), false);
  assert.deepEqual(http2Of("only"), { ...DEFAULT_HTTP2_SETTINGS, only: true });
  assert.deepEqual(http2Of("{}"), DEFAULT_HTTP2_SETTINGS);
  const all = `{ only: true, max_concurrent_streams: 10, stream_window: 1m, connection_window: 4m, settings_timeout: 5s,
    ping_interval: 0, ping_timeout: 500ms, continuations: 4, floods: { ping: { burst: 10, per_second: 0 } } }`;
  assert.deepEqual(http2Of(all), {
    only: true,
    maxConcurrentStreams: 10,
    streamWindow: 2 ** 20,
    connectionWindow: 2 ** 22,
    settingsTimeout: 5_000,
    pingInterval: 0,
    pingTimeout: 500,
    continuations: 4,
    floods: { ping: { burst: 10, perSecond: 0 } },
  });
  // Elsewhere 0 is no limit.
  assert.throws(() => http2Of("{ floods: { ping: { burst: 0, per_second: 5 } } }"), /a whole number from 1/);
});

describe("an upstream written down in place", () => {
  test("is named by its addresses and there once", () => {
    const { upstreams } = parse(
      "listeners:\n- bind: 1\n  routes: [{ match: /a, upstream: [3000, 'b.example:80'] }, { match: /b, upstream: [3000, 'b.example:80'] }, { upstream: 3000 }]",
    );
    assert.deepEqual(
      upstreams.map(({ name, servers }) => [name, ...servers.map(({ address }) => address)]),
      [
        ["127.0.0.1:3000, b.example:80", "127.0.0.1:3000", "b.example:80"],
        ["127.0.0.1:3000", "127.0.0.1:3000"],
      ],
    );
  });
});

describe("what is hardly meant", () => {
  test("is a warning", () => {
    const { warnings } = parse(`listeners:
  - bind: 1
    routes:
      - respond: 200
      - match: /never
        respond: 404
routes:
  - upstream: app
upstreams:
  app: 3000
  other: 3001
`);
    assert.deepEqual(warnings.map(formatProblem), [
      "a.yaml:5:9: listeners[0].routes[1]: this route is never reached: routes[0] takes every request",
      'a.yaml:11:3: upstreams.other: no route uses the upstream "other"',
      "a.yaml:7:1: routes: no listener uses these routes: each has its own",
    ]);
  });
});

describe("the settings of a program", () => {
  test("need no routes and no listeners", () => {
    assert.deepEqual(parseConfig("threads: 2", "a.yaml", {}, "program").listeners, []);
    assert.deepEqual(
      parseConfig("listeners: [{ bind: 1 }]", "a.yaml", {}, "program").listeners[0]!.routes,
      [],
    );
    assert.throws(() => parseConfig("listeners: [{ bind: x }]", "a.yaml", {}, "program"), {
      name: "ConfigError",
    });
  });
});

test("a file is read with the environment", async () => {
  await using folder = await createTemporaryDirectory();
  const file = await folder.write(
    "a.yaml",
    "threads: ${N}\nlisteners: [{ bind: '${BIND:-8080}', respond: 200 }]\n",
  );
  const snapshot = loadConfig(file, { N: "0" });
  assert.deepEqual([snapshot.threads, snapshot.listeners[0]!.bind], [0, ":8080"]);
});
