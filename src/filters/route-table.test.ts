import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSession, type SessionInit } from "../../test/kit/session.ts";
import { RouteTable } from "./route-table.ts";
import type { Match, PathPattern } from "./settings.ts";

interface NamedRoute {
  readonly name: string;
  readonly match: Match | null;
  readonly readsPath: boolean;
}

function route(name: string, match: Match | null = null): NamedRoute {
  return { name, match, readsPath: false };
}

const path = (kind: "exact" | "prefix", text: string): Match => ({
  kind: "path",
  paths: [{ kind, path: text }],
});
const host = (...hosts: readonly string[]): Match => ({ kind: "host", hosts });

/** The name of the route, "none", or "refused". */
function find(table: RouteTable<NamedRoute>, init: SessionInit): string {
  try {
    return table.find(createSession<unknown>(init).session)?.name ?? "none";
  } catch (error) {
    assert.equal((error as { code?: string }).code, "DOWNSTREAM_BAD_REQUEST");
    return "refused";
  }
}

describe("a route table", () => {
  test("gives the first route that matches", () => {
    const table = new RouteTable([
      route("a", path("exact", "/a")),
      route("all a", path("prefix", "/a")),
      route("b", host("b.c")),
    ]);
    assert.equal(find(table, { target: "/a?x" }), "a");
    assert.equal(find(table, { target: "/a/b" }), "all a");
    assert.equal(find(table, { target: "/x", host: "b.c:80" }), "b");
    assert.equal(find(table, { target: "/x" }), "none");
    assert.equal(find(new RouteTable([route("all")]), { method: "OPTIONS", target: "*" }), "all");
    assert.equal(find(new RouteTable<NamedRoute>([]), {}), "none");
  });

  test("matches clients behind trusted proxies", () => {
    const table = new RouteTable(
      [route("office", { kind: "client", ranges: ["203.0.113.0/24"] })],
      ["10.0.0.0/8"],
    );
    const headers = ["X-Forwarded-For: 203.0.113.7"];
    assert.equal(find(table, { headers, client: { address: "10.0.0.1" } }), "office");
    assert.equal(find(table, { headers, client: { address: "192.0.2.1" } }), "none");
  });

  test("asks no route twice about another session", () => {
    const table = new RouteTable([
      route("q", { kind: "query", name: "a", test: { kind: "present" } }),
      route("h", host("h.example")),
    ]);
    assert.equal(find(table, { target: "/?a" }), "q");
    assert.equal(find(table, { host: "h.example" }), "h");
    assert.equal(find(table, {}), "none");
  });

  test("with many hosts is the same as one that asks each route", () => {
    const hostName = fc.constantFrom("a.x", "b.x", "c.x", "d.x", "e.x", "*.y", "f.y");
    const match: fc.Arbitrary<Match | null> = fc.oneof(
      fc.array(hostName, { minLength: 1, maxLength: 3 }).map((hosts) => host(...hosts)),
      fc.tuple(hostName, fc.constantFrom("/a", "/b")).map(([name, prefix]): Match => {
        return { kind: "all", of: [path("prefix", prefix), host(name)] };
      }),
      fc.constantFrom(path("prefix", "/a"), null),
    );
    const requests = ["a.x", "b.x", "E.X:1", "f.y", "g.y", "z"].flatMap((name) =>
      ["/a", "/b", "/c"].map((target) => ({ host: name, target })),
    );
    fc.assert(
      fc.property(fc.array(match, { maxLength: 12 }), (all) => {
        const routes = all.map((one, i) => route(String(i), one));
        const table = new RouteTable(routes);
        const tables = routes.map((one) => new RouteTable([one]));
        for (const init of requests) {
          const first = tables.map((one) => find(one, init)).find((name) => name !== "none") ?? "none";
          assert.equal(find(table, init), first);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("a path that can be read in several ways", () => {
  const guarded = new RouteTable([route("deny", path("prefix", "/admin")), route("app")]);
  const allowed = new RouteTable([route("public", path("prefix", "/public"))]);

  test("doesn't get around a rule", () => {
    for (const target of ["/%61dmin", "/%61%64%6d%69%6e/x", "/admin/%20"])
      assert.equal(find(guarded, { target }), "deny");
    for (const target of [
      "//admin",
      "/admin%2fx",
      "/admin%5Cx",
      "/admin\\x",
      "/admin;x",
      "/admin;x/y",
      "/;x/admin",
      "/%2561dmin",
      "/%2fadmin",
      "///admin//x",
      "/x/../admin",
      "/x/%2e%2e/admin",
      "/x%2f..%2fadmin",
      "/x/..;/admin",
      "/./admin",
      "/admin%00",
      "/admin%3f",
      "/%c0%aeadmin/..",
      "/admin/%",
    ]) {
      assert.equal(find(guarded, { target }), "refused", target);
    }
  });

  test("doesn't get into a rule", () => {
    for (const target of [
      "/public/../secret",
      "/public/%2e%2e/secret",
      "/public%2f..%2f..%2fsecret",
      "/public/..;/secret",
    ]) {
      assert.equal(find(allowed, { target }), "refused", target);
    }
    for (const target of ["/public%2fx", "//public", "/public;x", "/publicx"]) {
      assert.equal(find(allowed, { target }), "none", target);
    }
  });

  test("passes where it makes no difference", () => {
    for (const target of ["//x", "/a%2Fb", "/x;y=1", "/fit/https://a.example/b", "/100%25", "/a%5cb"]) {
      assert.equal(find(guarded, { target }), "app", target);
    }
    assert.equal(find(guarded, { target: "/admin//x" }), "deny");
    assert.equal(find(allowed, { target: "/public/a%2Fb" }), "public");
  });

  test("is nobody's business where no route looks at paths", () => {
    const table = new RouteTable([route("a", host("a.example"))]);
    assert.equal(find(table, { target: "/x/../y%2f..%00" }), "a");
    const rewriting = new RouteTable([{ ...route("a"), readsPath: true }]);
    assert.equal(find(rewriting, { target: "/x/../y" }), "refused");
  });

  test("never reaches a route that a reading of it forbids", () => {
    const piece = fc.constantFrom(
      "/",
      "a",
      "b",
      "%61",
      "%2f",
      "%5c",
      "\\",
      ";",
      "%3b",
      "%25",
      "61",
      "2f",
      ".",
      "%2e",
      "x",
    );
    const pattern = fc.constantFrom<Exclude<PathPattern, { kind: "regex" }>>(
      { kind: "prefix", path: "/a" },
      { kind: "exact", path: "/a/b" },
      { kind: "prefix", path: "/x/a" },
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), pattern, (pieces, forbidden) => {
        const target = `/${pieces.join("")}`;
        const table = new RouteTable([route("deny", { kind: "path", paths: [forbidden] }), route("app")]);
        if (find(table, { target }) !== "app") return;
        for (const read of servers) {
          const seen = read(target);
          const isForbidden =
            seen === forbidden.path || (forbidden.kind === "prefix" && seen.startsWith(`${forbidden.path}/`));
          assert.ok(!isForbidden, `${target} is read as ${seen}`);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

/** Ways in which servers read a path. */
const decode = (text: string): string =>
  text.replace(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
const merge = (text: string): string => text.replace(/\/+/g, "/");
const cut = (text: string): string => text.replace(/;[^/]*/g, "");
const resolve = (text: string): string => new URL(`http://x${text}`).pathname;
const servers: readonly ((path: string) => string)[] = [
  (text) => text,
  decode,
  (text) => merge(text),
  (text) => merge(decode(text)),
  (text) => cut(decode(text)),
  (text) => decode(cut(text)),
  (text) => decode(decode(text)),
  (text) => merge(decode(decode(text))),
  (text) => resolve(text),
  (text) => decode(resolve(text)),
  (text) => merge(cut(decode(resolve(text)))),
];
