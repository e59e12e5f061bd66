import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSession, type SessionInit } from "../../test/kit/session.ts";
import { cookieOf } from "../http/cookie.ts";
import { ClientAddresses } from "./client-addresses.ts";
import { compileKey } from "./keys.ts";
import type { KeyPart } from "./settings.ts";

function keyOf(
  parts: KeyPart | readonly KeyPart[],
  init: SessionInit,
  trusted: readonly string[] = [],
): string {
  const list = Array.isArray(parts) ? (parts as readonly KeyPart[]) : [parts as KeyPart];
  return compileKey(list, new ClientAddresses(trusted))(createSession<unknown>(init).session);
}

function clientKey(address: string, v6Prefix = 64): string {
  return keyOf({ kind: "client", v6Prefix }, { client: { address } });
}

describe("the client as a key", () => {
  test("is its address, in whatever form that comes", () => {
    assert.equal(clientKey("192.0.2.1"), "192.0.2.1");
    assert.equal(clientKey("::ffff:192.0.2.1"), "192.0.2.1");
    assert.equal(clientKey("::FFFF:c000:0201"), "192.0.2.1");
    assert.equal(clientKey("::ffff:192.0.2.1", 128), "192.0.2.1");
    assert.equal(clientKey(""), "");
  });

  test("is a prefix of an IPv6 address", () => {
    const address = "2001:db8:1234:5678:9abc:def0:1234:5678";
    assert.equal(clientKey(address), "2001:db8:1234:5678::/64");
    assert.equal(clientKey(address, 56), "2001:db8:1234:5600::/56");
    assert.equal(clientKey(address, 63), "2001:db8:1234:5678::/63");
    assert.equal(clientKey(address, 61), "2001:db8:1234:5678::/61");
    assert.equal(clientKey(address, 60), "2001:db8:1234:5670::/60");
    assert.equal(clientKey(address, 1), "::/1");
    assert.equal(clientKey(address, 127), "2001:db8:1234:5678:9abc:def0:1234:5678/127");
    assert.equal(clientKey(address, 128), address);
    assert.equal(clientKey("2001:DB8:0:0::1", 128), "2001:db8::1");
    assert.equal(clientKey("fe80::1%eth0", 128), "fe80::1");
    assert.equal(clientKey("2001:db8::64:192.0.2.1"), "2001:db8::/64");
  });

  test("is the same for all addresses of a prefix, and for no others", () => {
    const key = compileKey([{ kind: "client", v6Prefix: 48 }]);
    const keyFor = (address: string): string => key(createSession<unknown>({ client: { address } }).session);
    const inside = [
      "2001:db8:7::",
      "2001:db8:7::1",
      "2001:db8:7:ffff:ffff:ffff:ffff:ffff",
      "2001:0db8:0007:1::",
    ];
    assert.equal(new Set(inside.map(keyFor)).size, 1);
    assert.equal(new Set([...inside, "2001:db8:8::", "2001:db8:6:ffff::"].map(keyFor)).size, 3);
    // More than are remembered.
    for (let i = 0; i < 10_000; i++) keyFor(`2001:db8:${(i % 9000).toString(16)}::1`);
    assert.equal(keyFor(inside[1]!), "2001:db8:7::/48");
  });

  test("is who trusted proxies say it is, and nobody else", () => {
    const client: KeyPart = { kind: "client", v6Prefix: 64 };
    const init = { client: { address: "10.0.0.1" }, headers: ["X-Forwarded-For: 6.6.6.6, 203.0.113.9"] };
    assert.equal(keyOf(client, init), "10.0.0.1");
    assert.equal(keyOf(client, init, ["10.0.0.0/8"]), "203.0.113.9");
  });
});

describe("parts of a request as keys", () => {
  test("are what stands there, empty where nothing does", () => {
    const init = {
      method: "PUT",
      target: "/a/b?q=x%20y&q=z&%72=1",
      host: "A.Example.:80",
      headers: ["X-User: ann"],
    };
    const cases: readonly (readonly [KeyPart, string])[] = [
      [{ kind: "header", name: "x-user" }, "ann"],
      [{ kind: "header", name: "x-other" }, ""],
      [{ kind: "query", name: "q" }, "x y"],
      [{ kind: "query", name: "r" }, "1"],
      [{ kind: "query", name: "s" }, ""],
      [{ kind: "path" }, "/a/b"],
      [{ kind: "host" }, "a.example"],
      [{ kind: "method" }, "PUT"],
      [{ kind: "cookie", name: "c" }, ""],
    ];
    for (const [part, expected] of cases) assert.equal(keyOf(part, init), expected, JSON.stringify(part));
    assert.equal(keyOf({ kind: "query", name: "q" }, { target: "/" }), "");
    assert.equal(keyOf([], init), "");
  });

  test("are one for all spellings of a path", () => {
    const targets = ["/a/b", "/a/b?x", "/%61/b", "/a//b", "/a;v=1/b", "/a%2Fb", "//a/b?y"];
    assert.deepEqual(
      new Set(targets.map((target) => keyOf({ kind: "path" }, { target }))),
      new Set(["/a/b"]),
    );
    assert.equal(keyOf({ kind: "path" }, { target: "/a/%2e%2e/b" }), "/a/%2e%2e/b");
  });

  test("are joined so that none can stand for two", () => {
    const key = compileKey([
      { kind: "header", name: "x-a" },
      { kind: "header", name: "x-b" },
    ]);
    const value = fc.stringMatching(/^[0-9:a|]{0,4}$/);
    fc.assert(
      fc.property(value, value, value, value, (a, b, c, d) => {
        const [one, two] = [
          [a, b],
          [c, d],
        ].map(([x, y]) => key(createSession<unknown>({ headers: [`X-A: ${x}`, `X-B: ${y}`] }).session));
        assert.equal(one === two, a === c && b === d);
        assert.equal(one === "", a === "" && b === "");
      }),
    );
  });
});

describe("a cookie", () => {
  function cookie(name: string, ...fields: readonly string[]): string | null {
    const { session } = createSession({ headers: fields.map((field) => `Cookie: ${field}`) });
    return cookieOf(session.request, name);
  }

  test("is found by its whole name, the first one of it", () => {
    assert.equal(cookie("a", "a=1"), "1");
    assert.equal(cookie("a", "b=2; a=1; a=3"), "1");
    assert.equal(cookie("a", "xa=2;a=1"), "1");
    assert.equal(cookie("a", "ab=2;\t a=1 ;c=4"), "1");
    assert.equal(cookie("a", "A=1"), null);
    assert.equal(cookie("a", "b=a=1"), null);
    assert.equal(cookie("a", "a"), null);
    assert.equal(cookie("a", "b=1;a"), null);
    assert.equal(cookie("a", "a =1"), null);
    assert.equal(cookie("a", ";;=;a=1"), "1");
    assert.equal(cookie("a"), null);
  });

  test("has a value that may be empty, quoted, or hold nearly anything", () => {
    assert.equal(cookie("a", "a="), "");
    assert.equal(cookie("a", 'a="1"'), "1");
    assert.equal(cookie("a", 'a="'), '"');
    assert.equal(cookie("a", "a=x=y, z"), "x=y, z");
  });

  test("is looked for in each field", () => {
    assert.equal(cookie("b", "a=1", "b=2"), "2");
    assert.equal(cookie("b", "a=1, b=3", "b=2"), "2");
  });
});
