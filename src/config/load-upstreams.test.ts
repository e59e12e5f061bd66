// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how variables are written
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import type { UpstreamSettings } from "../filters/settings.ts";
import { DEFAULT_RETRY_POLICY } from "../proxy/retries.ts";
import { formatProblem } from "./config-error.ts";
import { loadConfig, parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

function parse(upstream: string, more: string = "", env: Record<string, string> = {}): Snapshot {
  return parseConfig(
    `listeners: [{ bind: 1, upstream: app }]\n${more}\nupstreams:\n  app: ${upstream}\n`,
    "a.yaml",
    env,
  );
}

function upstreamOf(upstream: string, more: string = "", env: Record<string, string> = {}): UpstreamSettings {
  return parse(upstream, more, env).upstreams[0]!;
}

/** With two servers, so that nothing is said that concerns a single one. */
function withOptions(options: string): UpstreamSettings {
  return upstreamOf(`{ servers: [1, 2], ${options} }`);
}

describe("servers", () => {
  test("have a weight, a priority and a zone", () => {
    const { servers, zone } = upstreamOf(
      "[10.0.0.1:80, { address: 3000, weight: 3, backup: true, zone: eu-1 }, { address: :3001, priority: 2 }]",
      "zone: eu-1",
    );
    assert.deepEqual(servers, [
      { address: "10.0.0.1:80", weight: 1, priority: 0, zone: null },
      { address: "127.0.0.1:3000", weight: 3, priority: 1, zone: "eu-1" },
      { address: "127.0.0.1:3001", weight: 1, priority: 2, zone: null },
    ]);
    assert.equal(zone, "eu-1");
  });

  test("may be found, and then there may be more of them", () => {
    assert.deepEqual(upstreamOf("{ discovery: api.internal:8080 }").servers, []);
    assert.equal(upstreamOf("{ discovery: api.internal:8080 }").mostServers, 256);
    assert.equal(upstreamOf("{ servers: [1, 2], discovery: a:1, max_servers: 3 }").mostServers, 3);
    assert.equal(upstreamOf("[1, 2]").mostServers, 2);
  });
});

describe("discovery", () => {
  const found = (yaml: string): unknown => upstreamOf(`{ discovery: ${yaml} }`).discovery;
  const ttl = { shortest: 1_000, longest: 3_600_000 };

  test("has a short form for each kind", () => {
    for (const [short, long] of [
      ["api.internal:8080", "{ dns: api.internal:8080 }"],
      ["_http._tcp.api.internal", "{ srv: _http._tcp.api.internal }"],
      ["./servers.yaml", "{ file: ./servers.yaml }"],
      ["http://127.0.0.1/servers", "{ http: http://127.0.0.1/servers }"],
    ] as const) {
      assert.deepEqual(found(short), found(long));
    }
  });

  test("by names", () => {
    assert.deepEqual(found("{ dns: api.internal:8080, resolvers: [127.0.0.1:5353, ::1], family: 4 }"), {
      ...{ kind: "dns", name: "api.internal", port: 8080, family: 4, ...ttl },
      resolvers: ["127.0.0.1:5353", "[::1]:53"],
    });
    assert.deepEqual(found("{ srv: _http._tcp.api.internal, min_ttl: 5s, max_ttl: 1m }"), {
      ...{ kind: "srv", name: "_http._tcp.api.internal", resolvers: null, shortest: 5_000, longest: 60_000 },
    });
  });

  test("from a URL", () => {
    const url = "http://127.0.0.1:8500/servers";
    assert.deepEqual(found(`{ http: ${url}, interval: 1s, headers: { host: a, x-key: k } }`), {
      ...{ kind: "http", url, interval: 1_000, timeout: 1_000 },
      headers: [
        ["host", "a"],
        ["x-key", "k"],
      ],
    });
  });

  test("from a file beside the configuration", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write(
      "a.yaml",
      "listeners: [{ bind: 1, upstream: app }]\nupstreams: { app: { discovery: ./servers.yaml } }\n",
    );
    assert.deepEqual(loadConfig(file, {}).upstreams[0]!.discovery, {
      kind: "file",
      path: folder.join("servers.yaml"),
    });
  });
});

describe("a policy", () => {
  test("is a word, or has a key", () => {
    assert.deepEqual(withOptions("balance: peak_ewma").policy, "peak_ewma");
    const { policy, hashBy } = withOptions(
      "balance: { policy: ketama, by: [host, { header: x-user }, { cookie: c }, { query: q }, { client: { v6_prefix: 56 } }] }",
    );
    assert.equal(policy, "ketama");
    assert.deepEqual(hashBy, [
      { kind: "host" },
      { kind: "header", name: "x-user" },
      { kind: "cookie", name: "c" },
      { kind: "query", name: "q" },
      { kind: "client", v6Prefix: 56 },
    ]);
  });

  test("that hashes goes by clients' addresses, the others by nothing", () => {
    assert.deepEqual(withOptions("balance: maglev").hashBy, [{ kind: "client", v6Prefix: 64 }]);
    assert.deepEqual(withOptions("balance: { policy: maglev, by: path }").hashBy, [{ kind: "path" }]);
    assert.deepEqual(withOptions("balance: random").hashBy, []);
  });
});

test("sticky clients need a secret, and no more", () => {
  const secret = "0123456789abcdef";
  assert.deepEqual(upstreamOf("{ servers: [1, 2], sticky: { secret: '${S}' } }", "", { S: secret }).sticky, {
    ...{ cookie: "sluice_server", secret, maxAge: null, path: "/", secure: false, sameSite: "lax" },
  });
  const all = "cookie: srv, max_age: 1h, path: /a, secure: true, same_site: off";
  assert.deepEqual(withOptions(`sticky: { secret: ${secret}, ${all} }`).sticky, {
    ...{ cookie: "srv", secret, maxAge: 3_600, path: "/a", secure: true, sameSite: null },
  });
});

describe("a health check", () => {
  const checksOf = (yaml: string): UpstreamSettings["checks"] => withOptions(`health_check: ${yaml}`).checks;
  const times = { interval: 10_000, jitter: 0.1, timeout: 2_000, rise: 1, fall: 1, port: null };
  const tls = {};

  test("has short forms", () => {
    const http = {
      ...{
        kind: "http",
        ...times,
        method: "GET",
        path: "/healthz?full=1",
        headers: [],
        body: null,
        tls: null,
      },
      expect: [{ first: 200, last: 399 }],
    };
    assert.deepEqual(checksOf("/healthz?full=1"), [http]);
    assert.deepEqual(checksOf("tcp"), [{ kind: "tcp", ...times }]);
    assert.deepEqual(checksOf("tls"), [{ kind: "tls", ...times, tls }]);
    assert.deepEqual(checksOf("[grpc, /healthz?full=1]"), [
      { kind: "grpc", ...times, service: "", tls: null },
      http,
    ]);
  });

  test("has options", () => {
    const yaml = `{ http: /up, interval: 5s, jitter: 5%, timeout: 1s, rise: 2, fall: 3, port: 9000, method: head,
      headers: { Host: a.example, x-a: [1, 2] }, expect: [200-299, 404, 5xx], body: "^ok", tls: true }`;
    assert.deepEqual(checksOf(yaml), [
      {
        ...{ kind: "http", interval: 5_000, jitter: 0.05, timeout: 1_000, rise: 2, fall: 3, port: 9000 },
        ...{ method: "HEAD", path: "/up", body: "^ok", tls },
        headers: [
          ["Host", "a.example"],
          ["x-a", "1"],
          ["x-a", "2"],
        ],
        expect: [
          { first: 200, last: 299 },
          { first: 404, last: 404 },
          { first: 500, last: 599 },
        ],
      },
    ]);
    const [grpc] = checksOf("{ grpc: my.Service, tls: { server_name: a.example, verify: false } }");
    assert.deepEqual(grpc, {
      ...{ kind: "grpc", ...times, service: "my.Service" },
      tls: { sni: "a.example", verifyCertificate: false },
    });
  });

  test("takes no longer than its interval, unless it is told to", () => {
    assert.equal(checksOf("{ tcp: true, interval: 500ms }")[0]!.timeout, 500);
    assert.equal(checksOf("{ tcp: true, interval: 500ms, timeout: 1s }")[0]!.timeout, 1_000);
  });

  test("has the certificates themselves that it trusts", async () => {
    await using folder = await createTemporaryDirectory();
    const { cert: ca } = await createAuthority();
    // Who wrote it may have written something else than UTF-8 around it.
    await folder.write("ca.pem", Buffer.from(`Zoë\n${ca}`, "latin1"));
    const file = await folder.write(
      "a.yaml",
      "listeners: [{ bind: 1, upstream: app }]\nupstreams: { app: { servers: [1, 2], health_check: { tls: { ca: ca.pem } } } }\n",
    );
    const [check] = loadConfig(file, {}).upstreams[0]!.checks;
    assert.deepEqual(check, {
      kind: "tls",
      ...times,
      tls: { ca: [`${ca}\n`], caFiles: [folder.join("ca.pem")] },
    });
  });
});

describe("passive health", () => {
  test("can be off", () => {
    assert.equal(withOptions("passive_health: off").outliers, null);
  });

  test("has options", () => {
    const yaml = `{ consecutive_failures: 3, statuses: [500, 502-504], failure_ratio: 40%, window: 5s,
      minimum_requests: 10, ejection: 1s, max_ejection: 1m, max_ejected: 100% }`;
    assert.deepEqual(withOptions(`passive_health: ${yaml}`).outliers, {
      ...{ consecutive: 3, ratio: 0.4, window: 5_000, minimumRequests: 10 },
      ...{ ejection: 1_000, longestEjection: 60_000, mostEjected: 1 },
      statuses: [
        { first: 500, last: 500 },
        { first: 502, last: 504 },
      ],
    });
  });
});

test("limits are those of the group and of each server", () => {
  const { limits, serverLimits } = withOptions(
    "limits: { connections: 100, requests: 200, pending: 50, pending_timeout: 1s, retries: 3, per_server: { requests: 10 } }",
  );
  assert.deepEqual(limits, {
    ...{ connections: 100, requests: 200, pending: 50, pendingTimeout: 1_000, retries: 3 },
  });
  assert.deepEqual(serverLimits, { connections: 0, requests: 10 });
});

test("slow start and panic are off unless they are asked for", () => {
  assert.deepEqual([withOptions("").slowStart, withOptions("").panic], [0, 0]);
  const { slowStart, panic } = withOptions("slow_start: 30s, panic_threshold: 50%");
  assert.deepEqual([slowStart, panic], [30_000, 0.5]);
});

describe("retries", () => {
  test("are as the document says, for what is safe to repeat", () => {
    const retries = { ...DEFAULT_RETRY_POLICY, onConnectFailure: true, onReset: true };
    assert.deepEqual(withOptions("").retries, retries);
    const document = "max_retries: 3\nretry_non_idempotent: true";
    const own = upstreamOf("[1, 2]", document);
    assert.deepEqual(own.retries, { ...retries, maxTries: 3, nonIdempotent: true });
    assert.equal(own.retryBudget, null);
  });

  test("can be off, or a number", () => {
    assert.deepEqual(withOptions("retry: off").retries, { ...DEFAULT_RETRY_POLICY, maxTries: 1 });
    assert.deepEqual(withOptions("retry: 2"), withOptions("retry: { attempts: 2 }"));
  });

  test("have options", () => {
    const yaml = `{ attempts: 4, on: [timeout, 503, 5xx, unavailable], non_idempotent: true, try_timeout: 2s, backoff: 50ms,
      max_backoff: 500ms, budget: 20%, hedge_after: 100ms }`;
    const { retries, retryBudget } = withOptions(`retry: ${yaml}`);
    assert.deepEqual(retries, {
      ...{ maxTries: 4, nonIdempotent: true, onConnectFailure: false, onReset: false, onTimeout: true },
      ...{ tryTimeout: 2_000, backoff: 50, longestBackoff: 500, hedgeAfter: 100 },
      onStatus: [
        { first: 503, last: 503 },
        { first: 500, last: 599 },
      ],
      onGrpcStatus: [14],
    });
    assert.deepEqual(retryBudget, { share: 0.2, least: 3 });
    const budget = "{ share: 10%, minimum: 0 }";
    assert.deepEqual(withOptions(`retry: { budget: ${budget} }`).retryBudget, { share: 0.1, least: 0 });
  });
});

test("an upstream written down in place has all that a named one has", () => {
  const inPlace = parseConfig(
    "zone: z\nmax_retries: 2\nlisteners: [{ bind: 1, upstream: [1, 2] }]",
    "a.yaml",
    {},
  );
  const { name: _, ...named } = upstreamOf("[1, 2]", "zone: z\nmax_retries: 2");
  assert.deepEqual(inPlace.upstreams, [{ name: "127.0.0.1:1, 127.0.0.1:2", ...named }]);
});

describe("what has no effect", () => {
  const warningsFor = (upstream: string): string[] => parse(upstream).warnings.map(formatProblem);

  for (const [upstream, warning] of [
    ["{ servers: [1, 2, { address: 1, weight: 5 }] }", /app\.servers\[2\]: 1 is there twice and counts once/],
    ["{ servers: [1, 2], balance: ketama }", /app\.balance: ketama goes by clients' addresses/],
    [
      "{ servers: [1, 2], balance: { policy: random, by: path } }",
      /balance\.by: .*random doesn't look at it/,
    ],
    [
      "{ servers: [1, 2], balance: { policy: maglev, by: path }, slow_start: 1s }",
      /slow_start changes nothing/,
    ],
    ["{ servers: 1, sticky: { secret: 0123456789abcdef0 } }", /sticky changes nothing: there is one server/],
    [
      "{ servers: [1], health_check: { tcp: true, interval: 1s, timeout: 2s } }",
      /health_check\.timeout: .*longer/,
    ],
    ["{ servers: [1], health_check: [{ tcp: true, timeout: 11s }] }", /health_check\[0\]\.timeout: .*longer/],
    ["{ servers: [1], limits: { pending: 5 } }", /pending changes nothing without connections or requests/],
    ["{ servers: [1], limits: { requests: 5, pending_timeout: 5 } }", /pending_timeout .* without pending/],
    ["{ servers: [1], max_servers: 5 }", /max_servers changes nothing without discovery/],
    ["{ servers: [1], retry: { max_backoff: 5 } }", /max_backoff changes nothing without backoff/],
    ["{ servers: [1], passive_health: { window: 5 } }", /window changes nothing without failure_ratio/],
  ] as const) {
    test(upstream, () => {
      const warnings = warningsFor(upstream);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, warning);
    });
  }

  test("and nothing is said of what has", () => {
    for (const upstream of [
      "{ servers: [1, 2], balance: { policy: ketama, by: path } }",
      "{ discovery: a:1, max_servers: 5, sticky: { secret: 0123456789abcdef0 } }",
      "{ servers: [1], health_check: { tcp: true, interval: 1s } }",
      "{ servers: [1], limits: { pending: 5, per_server: { requests: 1 }, pending_timeout: 1s } }",
      "{ servers: [1], retry: { backoff: 1s, max_backoff: 5s }, slow_start: 5s }",
      "{ servers: [1], passive_health: { window: 5, minimum_requests: 1, failure_ratio: 5% } }",
    ]) {
      assert.deepEqual(warningsFor(upstream), []);
    }
  });
});
