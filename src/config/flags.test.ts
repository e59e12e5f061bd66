import assert from "node:assert/strict";
import { test } from "node:test";
import { BARE_ROUTE } from "../../test/kit/bare-route.ts";
import { BALANCING_POLICIES } from "../upstream/group-settings.ts";
import { type ProxyFlags, snapshotFromFlags } from "./flags.ts";

const plain: ProxyFlags = {
  bind: ["127.0.0.1:8080"],
  upstream: ["127.0.0.1:3000"],
  contextPath: null,
  host: null,
};

test("flags make the simplest proxy there is", () => {
  const { listeners, upstreams, threads } = snapshotFromFlags(plain);
  assert.equal(threads, null);
  assert.deepEqual(listeners[0]!.routes, [
    {
      ...BARE_ROUTE,
      name: "routes[0]",
      action: { kind: "upstream", upstream: "servers", request: null, split: null, mirror: null },
    },
  ]);
  assert.deepEqual(
    upstreams[0]!.servers.map(({ address }) => address),
    ["127.0.0.1:3000"],
  );
});

test("each may be given several times, where that makes sense", () => {
  const flags = {
    ...plain,
    bind: [":1", "unix:/run/a.sock"],
    upstream: [":3000", "b.example:80"],
    threads: 4,
  };
  const { listeners, upstreams, threads } = snapshotFromFlags(flags);
  assert.deepEqual(
    listeners.map(({ bind }) => bind),
    [":1", "unix:/run/a.sock"],
  );
  assert.deepEqual(
    upstreams[0]!.servers.map(({ address }) => address),
    ["127.0.0.1:3000", "b.example:80"],
  );
  assert.equal(threads, 4);
});

test("servers speak what a flag says", () => {
  const [upstream] = snapshotFromFlags({ ...plain, protocol: "h2c", connectInterval: 10 }).upstreams;
  assert.equal(upstream?.peer.protocol, "h2c");
  const asked = { ...plain, protocol: "h2c", httpCheck: { interval: 1, path: "/" } };
  const [check] = snapshotFromFlags(asked).upstreams[0]!.checks;
  assert.ok(check?.kind === "http" && check.http2 === true, "they are asked in it, too");
});

test("a cache is as large as a flag says", () => {
  const { caches, listeners } = snapshotFromFlags({ ...plain, cache: "16MiB" });
  assert.deepEqual(
    caches.map(({ name, memory }) => [name, memory?.mostBytes]),
    [["routes[0].cache", 16 * 1024 * 1024]],
  );
  assert.equal(listeners[0]!.routes[0]!.cache?.use, "routes[0].cache");
});

test("a context path and a host change the route", () => {
  for (const contextPath of ["/api", "/api/"]) {
    const [route] = snapshotFromFlags({ ...plain, contextPath, host: "api.example" }).listeners[0]!.routes;
    assert.deepEqual(route!.match, { kind: "path", paths: [{ kind: "prefix", path: "/api" }] });
    const { action } = route!;
    assert.deepEqual(action.kind === "upstream" && action.request?.host, {
      kind: "literal",
      host: "api.example",
    });
  }
  assert.equal(snapshotFromFlags({ ...plain, contextPath: "/" }).listeners[0]!.routes[0]!.match, null);
});

test("clients' addresses are added to what came in", () => {
  const { forwarding } = snapshotFromFlags(plain).listeners[0]!;
  assert.deepEqual([forwarding.mode, forwarding.xForwarded], ["append", true]);
});

test("servers are asked for a path or tried to connect to, as often as it is said", () => {
  const checksOf = (flags: Partial<ProxyFlags>): unknown[] =>
    snapshotFromFlags({ ...plain, ...flags }).upstreams[0]!.checks.map((check) => {
      const { kind, interval, timeout } = check;
      return check.kind === "http"
        ? [kind, interval, timeout, check.path, check.expect, check.headers]
        : [kind, interval, timeout];
    });
  const expect = [{ first: 200, last: 499 }];
  assert.deepEqual(checksOf({}), []);
  assert.deepEqual(checksOf({ httpCheck: { interval: 0, path: "/" }, connectInterval: 0 }), []);
  assert.deepEqual(checksOf({ httpCheck: { interval: 10, path: "/up?a=b" } }), [
    ["http", 10_000, 2_000, "/up?a=b", expect, []],
  ]);
  assert.deepEqual(
    checksOf({ httpCheck: { interval: 0.5, path: "/" }, connectInterval: 1, host: "a.example" }),
    [
      ["http", 500, 500, "/", expect, [["host", "a.example"]]],
      ["tcp", 1_000, 1_000],
    ],
  );
});

test("requests of an address are counted in windows of a minute", () => {
  const limitsOf = (requestsPerMinute: number): unknown =>
    snapshotFromFlags({ ...plain, requestsPerMinute }).listeners[0]!.routes[0]!.limits;
  assert.deepEqual(limitsOf(0), []);
  assert.deepEqual(limitsOf(5), [
    {
      ...{ name: "routes[0].limits[0]", algorithm: "fixed_window", limit: 5, window: 60_000, burst: 0 },
      ...{ key: [{ kind: "client", v6Prefix: 64 }], match: null, allow: [], shadow: false, status: 429 },
      ...{ headers: true, mostKeys: 65_536, redis: null },
    },
  ]);
});

test("every policy can be had, without warnings", () => {
  for (const balance of BALANCING_POLICIES) {
    const { upstreams, warnings } = snapshotFromFlags({ ...plain, balance });
    assert.equal(upstreams[0]!.policy, balance);
    assert.deepEqual(warnings, []);
  }
});

test("an idle timeout is the listeners', and the admin API listens for this machine", () => {
  const { listeners, admin } = snapshotFromFlags({ ...plain, idleTimeout: 1.5, admin: "8474" });
  assert.equal(listeners[0]!.server.keepAliveTimeout, 1_500);
  assert.deepEqual(admin, { bind: "127.0.0.1:8474", token: null });
  assert.equal(snapshotFromFlags(plain).admin, null);
});

test("TLS towards servers is spoken by address, or by flags", () => {
  const peerOf = (flags: Partial<ProxyFlags>) => snapshotFromFlags({ ...plain, ...flags }).upstreams[0]!.peer;
  assert.equal(peerOf({}).tls, undefined);
  assert.deepEqual(peerOf({ upstream: ["https://a.example"] }).tls, {});
  assert.deepEqual(peerOf({ upstreamTls: { sni: null, ca: [], isVerified: true } }).tls, {});
  assert.deepEqual(peerOf({ upstreamTls: { sni: "a.example", ca: [], isVerified: false } }).tls, {
    sni: "a.example",
    verifyCertificate: false,
  });
});

test("what is wrong is said about the flag", () => {
  const message = (flags: Partial<ProxyFlags>): string => {
    try {
      snapshotFromFlags({ ...plain, ...flags });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(message({ bind: ["nowhere"] }), /^--bind: found "nowhere", expected an address to listen on/);
  assert.match(
    message({ upstream: ["ftp://a:1"] }),
    /^--upstream: servers are reached by http or https, and not by ftp, expected/,
  );
  const upstreamTls = { sni: null, ca: [], isVerified: true };
  assert.match(message({ upstreamTls: { ...upstreamTls, sni: "127.0.0.1" } }), /^--sni: only names can be/);
  assert.match(
    message({ upstreamTls: { ...upstreamTls, ca: ["no-such.pem"] } }),
    /^--ca: no-such\.pem: there is/,
  );
  assert.match(message({ upstream: ["https://a", "b:1"] }), /^--upstream: some of these servers/);
  assert.match(message({ upstream: [] }), /^--upstream: found an empty list/);
  assert.match(message({ contextPath: "api" }), /^--context-path: "api" doesn't begin with a slash/);
  assert.match(message({ host: "a b" }), /^--host: "a b" is no host name/);
  const check = { interval: 0.001, path: "up" };
  assert.match(
    message({ httpCheck: check }),
    /^--active-health-check-path: "up" doesn't begin with a slash/m,
  );
  assert.match(message({ connectInterval: 0.001 }), /^--active-health-check-interval or --hc-freq: .*10ms/);
  assert.match(
    message({ balance: "least_connection" }),
    /^--balance: found .*; did you mean least_connections\?/,
  );
  assert.match(message({ admin: "unix:/a" }), /^--admin: found "unix:\/a", expected an address/);
  assert.match(message({ idleTimeout: -1 }), /^--idle-timeout: found -1, expected a duration/);
  assert.match(message({ cache: "1k" }), /^--cache: found "1k", expected/);
  assert.match(message({ requestsPerMinute: -1 }), /^--max-requests-per-minute: found -1, expected/);
  assert.match(message({ bind: [":1", ":1"] }), /^--bind: bind ":1" is taken by another listener/);
});
