import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { HttpFaultSettings } from "../filters/settings.ts";
import { STREAM_DEFAULTS } from "../proxy/stream-proxy.ts";
import { formatProblem } from "./config-error.ts";
import { parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

function parse(text: string, file = "a.yaml"): Snapshot {
  return parseConfig(text, file, {});
}

/** The only listener that is written here. */
function streamOf(yaml: string): Snapshot["proxies"][number] {
  const { proxies, listeners } = parse(`listeners: [${yaml}]`);
  assert.deepEqual([proxies.length, listeners.length], [1, 0]);
  return proxies[0]!;
}

function faultOf(yaml: string): HttpFaultSettings {
  const { listeners } = parse(`listeners: [{ bind: 1, routes: [{ respond: 200, faults: [${yaml}] }] }]`);
  return listeners[0]!.routes[0]!.faults[0]!;
}

describe("a TCP or UDP listener", () => {
  test("has the defaults of proxies that are made by order", () => {
    for (const protocol of ["tcp", "udp"] as const) {
      assert.deepEqual(streamOf(`{ bind: 5432, protocol: ${protocol}, upstream: 3000 }`), {
        ...STREAM_DEFAULTS[protocol],
        name: ":5432",
        listen: ":5432",
        upstreams: ["127.0.0.1:3000"],
      });
    }
  });

  test("has all that it is told", () => {
    const tcp =
      streamOf(`{ bind: "127.0.0.1:5432", name: db, protocol: tcp, upstreams: [db.example:5432, 3000],
      timeouts: { connect: 1s, idle: 5m }, limits: { connections: 10, connections_per_client: 2 },
      proxy_protocol: { accept: true, send: v1 }, mode: latency 100±20,
      toxics: [{ type: bandwidth, stream: upstream, toxicity: 0.5, attributes: { rate: 1MB/s } }, { type: noop, name: x }] }`);
    assert.deepEqual(tcp, {
      name: "db",
      protocol: "tcp",
      listen: "127.0.0.1:5432",
      upstreams: ["db.example:5432", "127.0.0.1:3000"],
      connectTimeout: 1_000,
      idleTimeout: 300_000,
      maxConnections: 10,
      maxConnectionsPerClient: 2,
      acceptProxyProtocol: true,
      sendProxyProtocol: 1,
      tls: null,
      upstreamTls: null,
      plugins: [],
      mode: { kind: "latency", latency: 100, jitter: 20, stream: "both" },
      toxics: [
        {
          name: "bandwidth_upstream",
          type: "bandwidth",
          stream: "upstream",
          toxicity: 0.5,
          attributes: { rate: 1000 },
        },
        { name: "x", type: "noop", stream: "downstream", toxicity: 1, attributes: {} },
      ],
    });
    const udp = streamOf(`{ bind: 53, protocol: udp, upstream: 5300, timeouts: { idle: 5s },
      limits: { sessions: 10, sessions_per_client: 2 }, proxy_protocol: { send: v2 }, toxics: [{ type: reorder }] }`);
    assert.deepEqual(
      [udp.idleTimeout, udp.maxConnections, udp.maxConnectionsPerClient, udp.sendProxyProtocol],
      [5_000, 10, 2, 2],
    );
    assert.deepEqual(
      udp.toxics.map(({ type }) => type),
      ["reorder"],
    );
  });

  test("may share an address with one of another protocol, and no name", () => {
    const { listeners, proxies } = parse(
      "listeners: [{ bind: 53, respond: 200 }, { bind: 53, protocol: udp, upstream: 5300 }, { bind: 0, protocol: tcp, upstream: 1 }, { bind: 0, respond: 200 }]",
    );
    assert.deepEqual(
      [...listeners, ...proxies].map(({ name }) => name),
      [":53", ":0 (2)", ":53 (2)", ":0"],
    );
  });

  test("is data that can be posted", () => {
    const snapshot = parse(
      "listeners: [{ bind: 53, protocol: udp, upstream: 5300, toxics: [{ type: down }] }]",
    );
    assert.deepEqual(structuredClone(snapshot), snapshot);
    assert.ok(Object.isFrozen(snapshot.proxies[0]!.toxics[0]!.attributes));
  });
});

test("an HTTP listener has toxics and a mode too", () => {
  const { listeners } = parse(
    "listeners: [{ bind: 1, respond: 200, mode: throttle 10k downstream, toxics: [{ type: latency, attributes: { latency: 1.5s } }] }]",
  );
  assert.deepEqual(listeners[0]!.mode, { kind: "throttle", rate: 10_000, stream: "downstream" });
  assert.deepEqual(listeners[0]!.toxics[0]!.attributes, { latency: 1500 });
});

describe("a fault on a route", () => {
  test("strikes every request unless it is told otherwise", () => {
    assert.deepEqual(faultOf("{ reset: true }"), {
      name: "routes[0].faults[0]",
      enabled: true,
      match: null,
      first: null,
      every: null,
      key: null,
      share: 1,
      delay: 0,
      jitter: 0,
      abort: null,
      reset: true,
      malformed: null,
      truncate: null,
      throttle: null,
    });
  });

  test("has all that it is told", () => {
    const fault =
      faultOf(`{ name: slow, enabled: false, match: { method: POST }, first: 3, every: 2, key: X-User,
      percentage: 12.5%, delay: 200ms, jitter: 0.05, abort: { body: busy, headers: { Retry-After: 1 } },
      malformed: chunk, truncate: 10KiB, throttle: 10KiB/s }`);
    assert.deepEqual(fault, {
      name: "slow",
      enabled: false,
      match: { kind: "method", methods: ["POST"] },
      first: 3,
      every: 2,
      key: "X-User",
      share: 0.125,
      delay: 200,
      jitter: 50,
      abort: { status: 503, headers: [["Retry-After", "1"]], body: "busy" },
      reset: false,
      malformed: "chunk",
      truncate: 10_240,
      throttle: 10_240,
    });
  });

  test("has short forms", () => {
    assert.deepEqual(faultOf("{ abort: 429 }").abort, faultOf("{ abort: { status: 429 } }").abort);
    assert.equal(faultOf("{ delay: 1s, percentage: 30 }").share, 0.3);
    for (const [rate, bytes] of [
      ["1000", 1_000],
      ["10KB/s", 10_000],
      ["10k", 10_000],
      ["1.5MiB/s", 1_572_864],
    ] as const) {
      assert.equal(faultOf(`{ throttle: ${rate} }`).throttle, bytes);
    }
  });

  test("may stand in a listener that does one thing", () => {
    const [short, long] = [
      "upstream: 3000, faults: [{ abort: 503 }]",
      "routes: [{ upstream: 3000, faults: [{ abort: 503 }] }]",
    ].map((yaml) => parse(`listeners: [{ bind: 1, ${yaml} }]`).listeners[0]!.routes);
    assert.deepEqual(short, long);
  });
});

describe("what concerns the whole process", () => {
  const chaosOf = (yaml: string, file?: string): Snapshot["chaos"] =>
    parse(`chaos: ${yaml}\nlisteners: [{ bind: 1, respond: 200 }]`, file).chaos;
  const adminOf = (yaml: string): Snapshot["admin"] =>
    parse(`admin: ${yaml}\nlisteners: [{ bind: 1, respond: 200 }]`).admin;

  test("is a seed, whether a number or a text", () => {
    assert.equal(chaosOf("{ seed: 42 }").seed, chaosOf('{ seed: "42" }').seed);
    assert.deepEqual(chaosOf("{}"), { seed: null, scenario: null });
  });

  test("is a scenario, beside the file that names it", () => {
    assert.equal(chaosOf("{ scenario: outage.yaml }").scenario, "outage.yaml");
    assert.equal(
      chaosOf("{ scenario: outage.yaml }", "/etc/sluice/a.yaml").scenario,
      "/etc/sluice/outage.yaml",
    );
    assert.equal(
      chaosOf("{ scenario: /srv/outage.yaml }", "/etc/sluice/a.yaml").scenario,
      "/srv/outage.yaml",
    );
  });

  test("is an admin API on this machine alone, unless it is told otherwise", () => {
    assert.deepEqual(adminOf("{}"), { bind: "127.0.0.1:8474", token: null });
    assert.deepEqual(adminOf("9000"), { bind: "127.0.0.1:9000", token: null });
    assert.deepEqual(adminOf("{ bind: :9000, token: secret }"), { bind: "127.0.0.1:9000", token: "secret" });
    assert.deepEqual(adminOf("0.0.0.0:9000"), { bind: "0.0.0.0:9000", token: null });
  });

  test("is warned of when others can reach it without a token", () => {
    const { warnings } = parse("listeners: [{ bind: 1, respond: 200 }]\nadmin: 0.0.0.0:9000");
    assert.deepEqual(warnings.map(formatProblem), [
      "a.yaml:2:8: admin: whoever reaches this address can steer the proxies: a token is missing",
    ]);
    const admins = ["{ bind: 0.0.0.0:9000, token: x }", '"[::1]:9000"', "localhost:9000"];
    for (const admin of admins) {
      assert.deepEqual(parse(`listeners: [{ bind: 1, respond: 200 }]\nadmin: ${admin}`).warnings, []);
    }
  });
});
