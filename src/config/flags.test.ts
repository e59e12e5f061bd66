import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotFromFlags } from "./flags.ts";

const plain = { bind: ["127.0.0.1:8080"], upstream: ["127.0.0.1:3000"], contextPath: null, host: null };

test("flags make the simplest proxy there is", () => {
  const { listeners, upstreams, threads } = snapshotFromFlags(plain);
  assert.equal(threads, null);
  assert.deepEqual(listeners[0]!.routes, [
    {
      name: "routes[0]",
      match: null,
      action: { kind: "upstream", upstream: "servers", request: null, split: null, mirror: null },
      response: null,
      faults: [],
      limits: [],
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

test("what is wrong is said about the flag", () => {
  const message = (flags: Partial<typeof plain>): string => {
    try {
      snapshotFromFlags({ ...plain, ...flags });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(message({ bind: ["nowhere"] }), /^--bind: found "nowhere", expected an address to listen on/);
  assert.match(
    message({ upstream: ["http://a:1"] }),
    /^--upstream: found "http:\/\/a:1" with a scheme, expected/,
  );
  assert.match(message({ upstream: [] }), /^--upstream: found an empty list/);
  assert.match(message({ contextPath: "api" as never }), /^--context-path: "api" doesn't begin with a slash/);
  assert.match(message({ host: "a b" as never }), /^--host: "a b" is no host name/);
  assert.match(message({ bind: [":1", ":1"] }), /^--bind: bind ":1" is taken by another listener/);
});
