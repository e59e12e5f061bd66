import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseRequest, type SessionInit } from "../../test/kit/session.ts";
import type { RequestHead } from "../http/heads.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { compileRewrite } from "./rewrite.ts";
import type { PathChange, RequestChanges } from "./settings.ts";

const nothing: RequestChanges = { path: [], query: null, host: null, headers: null };

function rewrite(
  changes: Partial<RequestChanges>,
  init: SessionInit,
  peer: HttpPeer | null = null,
): RequestHead {
  const request = parseRequest(init).fork();
  compileRewrite({ ...nothing, ...changes })(request, peer);
  return request;
}

function rewritten(path: readonly PathChange[], target: string): string {
  return rewrite({ path }, { target }).target;
}

describe("a path", () => {
  test("is set, and keeps its query", () => {
    assert.equal(rewritten([{ kind: "set", path: "/x" }], "/a/b?c"), "/x?c");
  });

  test("loses a prefix, but not half a segment", () => {
    const strip: PathChange = { kind: "strip_prefix", prefix: "/api/v1" };
    for (const [from, to] of [
      ["/api/v1/users?x", "/users?x"],
      ["/api/v1", "/"],
      ["/api/v1/", "/"],
      ["/api/v10", "/api/v10"],
      ["/api", "/api"],
      ["/x/api/v1/y", "/x/api/v1/y"],
      ["/%61pi/v1/a%20b%2Fc", "/a%20b%2Fc"],
      ["/api/v1//evil.example/x", "/evil.example/x"],
      ["/api/v1/\\evil.example", "/evil.example"],
    ] as const) {
      assert.equal(rewritten([strip], from), to, from);
    }
  });

  test("gets a prefix, after another was taken off", () => {
    const changes: PathChange[] = [
      { kind: "strip_prefix", prefix: "/old" },
      { kind: "add_prefix", prefix: "/new" },
    ];
    assert.equal(rewritten(changes, "/old/x?y"), "/new/x?y");
    assert.equal(rewritten(changes, "/x"), "/new/x");
  });

  test("is replaced where a regular expression matches it decoded", () => {
    const change: PathChange = { kind: "replace", pattern: "^/user/([^/]+)$", replacement: "/u/$1/home" };
    for (const [from, to] of [
      ["/user/joe?x", "/u/joe/home?x"],
      ["/%75ser/jo%20e", "/u/jo%20e/home"],
      ["/user/k%C3%A4se%2Fx", "/u/k%C3%A4se%2Fx/home"],
      ["/other/%20", "/other/%20"],
    ] as const) {
      assert.equal(rewritten([change], from), to);
    }
    assert.equal(rewritten([{ kind: "replace", pattern: "a", replacement: "b" }], "/aa/ca"), "/bb/cb");
  });

  test("can't be turned into another by what was harmless before", () => {
    const alias: PathChange = { kind: "replace", pattern: "^/img", replacement: "/files/" };
    assert.equal(rewritten([alias], "/img/x"), "/files//x");
    assert.throws(() => rewritten([alias], "/img../secret"), { code: "DOWNSTREAM_BAD_REQUEST" });
    assert.throws(() => rewritten([alias], "/img/%zz"), { code: "DOWNSTREAM_BAD_REQUEST" });
    assert.equal(
      rewritten([{ kind: "replace", pattern: "^/x", replacement: "" }], "/x//evil.example"),
      "/evil.example",
    );
  });

  test("stays what it is when it is none", () => {
    const request = rewrite({ path: [{ kind: "set", path: "/x" }] }, { method: "OPTIONS", target: "*" });
    assert.equal(request.target, "*");
  });
});

describe("a query", () => {
  test("changes where it is asked to", () => {
    const query = { remove: ["debug"], set: [["v", "2"]], add: [["tag", "a b&c"]] } as const;
    for (const [from, to] of [
      ["/", "/?v=2&tag=a%20b%26c"],
      ["/?debug&x=%zz&v=1&y=+&v=3", "/?x=%zz&v=2&y=+&tag=a%20b%26c"],
      ["/?%64ebug=1&%76=1", "/?v=2&tag=a%20b%26c"],
    ] as const) {
      assert.equal(rewrite({ query }, { target: from }).target, to);
    }
  });

  test("goes when nothing is left of it", () => {
    const query = { remove: ["a", "b"], set: [], add: [] };
    assert.equal(rewrite({ query }, { target: "/?a=1&b&a" }).target, "/");
    assert.equal(rewrite({ query }, { target: "/?" }).target, "/");
    assert.equal(rewrite({ query }, { method: "OPTIONS", target: "*" }).target, "*");
  });
});

describe("a host", () => {
  test("is the server's, or a text", () => {
    const host = (init: RequestChanges["host"], peer: string | null, tls = false): string | null =>
      rewrite({ host: init }, {}, peer === null ? null : new HttpPeer(peer, { tls })).headers.get("host");
    assert.equal(host({ kind: "upstream" }, "a.example:443", true), "a.example");
    assert.equal(host({ kind: "upstream" }, "[::1]:443", true), "[::1]");
    assert.equal(host({ kind: "upstream" }, "a.example:8443", true), "a.example:8443");
    assert.equal(host({ kind: "upstream" }, "a.example:443"), "a.example:443");
    assert.equal(host({ kind: "upstream" }, "10.0.0.1:8080"), "10.0.0.1:8080");
    assert.equal(host({ kind: "upstream" }, "unix:/run/app.sock"), "localhost");
    assert.equal(host({ kind: "literal", host: "b.example" }, "10.0.0.1:8080"), "b.example");
    assert.equal(host(null, "10.0.0.1:8080"), "a.example");
  });
});

test("headers are removed, set and added, in that order", () => {
  const request = rewrite(
    { headers: { remove: ["cookie", "x-b"], set: [["X-A", "2"]], add: [["X-B", "3"]] } },
    { headers: ["x-a: 1", "X-A: 0", "Cookie: c", "X-B: 1"] },
  );
  assert.deepEqual(
    [...request.headers],
    [
      ["Host", "a.example"],
      ["X-A", "2"],
      ["X-B", "3"],
    ],
  );
});

test("all changes are made", () => {
  const request = rewrite(
    {
      path: [{ kind: "add_prefix", prefix: "/v1" }],
      query: { remove: [], set: [["a", "1"]], add: [] },
      host: { kind: "literal", host: "b" },
      headers: { remove: [], set: [["c", "d"]], add: [] },
    },
    {},
  );
  assert.equal(request.target, "/v1/?a=1");
  assert.deepEqual(request.headers.toJSON(), { host: "b", c: "d" });
});
