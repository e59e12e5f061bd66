import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestOf } from "../../test/kit/cache-exchange.ts";
import { parseRequest } from "../../test/kit/session.ts";
import { DEFAULT_KEY_RULES, KeyMaker, type KeyRules, originOf } from "./key.ts";
import { KeyHash } from "./key-hash.ts";
import { type QueryRule, toQueryNormaliser, WHOLE_QUERY } from "./rules/query-rule.ts";
import { variantText, varyList } from "./rules/vary.ts";

const hash = new KeyHash([1, 2, 3, 4]);

function makerOf(rules: Partial<KeyRules> = {}): KeyMaker {
  return new KeyMaker({ ...DEFAULT_KEY_RULES, ...rules }, hash);
}

/** The query that is in the key. */
function queryIn(rule: Partial<QueryRule>, query: string): string {
  return toQueryNormaliser({ ...WHOLE_QUERY, ...rule })?.(query) ?? query;
}

test("names a URL by scheme, authority and target", () => {
  const maker = makerOf();
  const textOf = (host: string, scheme: string, target = "/a/../b%7E?x=1"): string =>
    maker.of(requestOf({ host, target }), scheme).text;
  assert.equal(textOf("EXAMPLE.com.:443", "https"), "https://example.com/a/../b%7E?x=1");
  assert.equal(textOf("example.com:443", "http"), "http://example.com:443/a/../b%7E?x=1");
  assert.equal(textOf("[::1]:80", "http"), "http://[::1]/a/../b%7E?x=1");
  assert.equal(textOf("[::1]", "http"), "http://[::1]/a/../b%7E?x=1");
  assert.equal(textOf("", "http", "/"), "http:///");
  assert.equal(originOf("a:", "http"), "http://a");
});

test("gives GET and HEAD one key, and each key its own hash whenever it is asked", () => {
  const maker = makerOf();
  const one = maker.of(requestOf({ target: "/1" }), "http");
  const first = [...one.hash];
  const two = maker.of(requestOf({ target: "/2", method: "HEAD" }), "http");
  assert.notDeepEqual([...two.hash], first);
  assert.deepEqual([...one.hash], first);
  assert.deepEqual([...maker.of(requestOf({ target: "/1", method: "HEAD" }), "http").hash], first);
});

test("makes of a request as it came what it makes of its text", () => {
  const maker = makerOf();
  const targets = fc.stringMatching(/^\/[!-"$-~]{0,80}$/);
  const hosts = fc.constantFrom("a.example", "www.example.com:8080", "b");
  fc.assert(
    fc.property(fc.array(fc.record({ host: hosts, target: targets }), { maxLength: 5 }), (requests) => {
      for (const { host, target } of requests) {
        const text = `http://${host}${target}`;
        const key = maker.of(parseRequest({ host, target }), "http");
        const expected = [...maker.ofText(text).hash];
        assert.deepEqual([...key.hash], expected);
        const stored = Buffer.from(`..${text}.`);
        assert.ok(key.isAt?.(stored, 2, text.length));
        for (const [at, length] of [
          [1, text.length],
          [2, text.length - 1],
          [2, text.length + 1],
        ] as const)
          assert.ok(!key.isAt?.(stored, at, length));
        assert.equal(key.text, text);
        assert.deepEqual([...key.hash], expected);
        assert.ok(key.isAt?.(stored, 2, text.length));
        assert.ok(!key.isAt?.(stored, 1, text.length));
      }
    }),
  );
});

test("goes by the text once that was asked for, whatever becomes of the request", () => {
  const maker = makerOf();
  const request = parseRequest({ target: "/as-it-came" });
  const key = maker.of(request, "http");
  assert.equal(key.text, "http://a.example/as-it-came");
  request.target = "/another";
  request.source.settle();
  assert.deepEqual([...key.hash], [...maker.ofText("http://a.example/as-it-came").hash]);
  assert.equal(maker.of(request, "http").text, "http://a.example/another");
});

test("leaves the query as it is unless it is told otherwise", () => {
  assert.equal(toQueryNormaliser(WHOLE_QUERY), null);
  assert.equal(queryIn({ keeps: "none" }, "a=1"), "");
  assert.equal(queryIn({ sorted: true }, "b=1&a=2&a=1&c"), "a=2&a=1&b=1&c");
  assert.equal(queryIn({ keeps: "only", names: ["id", "v"] }, "x=1&v=2&id=3&id"), "v=2&id=3&id");
  assert.equal(queryIn({ keeps: "except", names: ["utm"] }, "utm=1&a=2&utm&utm_x=3"), "a=2&utm_x=3");
  assert.equal(queryIn({ keeps: "only", names: ["a", "b"], sorted: true }, "b=1&c&a=2"), "a=2&b=1");
  const maker = makerOf({ query: { keeps: "except", names: ["a"], sorted: false } });
  assert.equal(maker.of(requestOf({ target: "/p?a=1" }), "http").text, "http://example.com/p");
  assert.equal(maker.of(requestOf({ target: "/p" }), "http").text, "http://example.com/p");
});

test("keeps whatever a server might take for a parameter that is in the key", () => {
  const only = { keeps: "only", names: ["user_id"] } as const;
  for (const parameter of [
    "user%5fid=1",
    "User_ID=1",
    "user.id=1",
    "user+id=1",
    "+user_id=1",
    "user_id[]=1",
    "user_id%5B0%5D=1",
    "x=1;user_id=2",
    "x=1?user_id=2",
    "user[id=1",
    "[user_id]=1",
    "user_id%00x=1",
    "%u0075ser_id=1",
    "user%_id=1",
    "%09user_id=1",
    "%EF%BD%95ser_id=1",
  ]) {
    assert.equal(queryIn(only, `a=b&${parameter}`), parameter);
  }
  const except = { keeps: "except", names: ["utm"] } as const;
  assert.equal(queryIn(except, "UTM=1&utm=1;id=2&%75tm=3&utm=1?id=2"), "UTM=1&utm=1;id=2&utm=1?id=2");
});

test("leaves in their order what a server might take for parameters of one name", () => {
  for (const query of ["user=1&us%65r=2", "u[]=1&U=2", "b.c=1&b_c=2", "z=1&a=1;z=2", "z=1&z%00=2&a=3"])
    assert.equal(queryIn({ sorted: true }, query), query);
  assert.equal(queryIn({ sorted: true }, "v=1&u[]=1&u=2&B=3&a="), "a=&B=3&u[]=1&u=2&v=1");
  const names = fc.constantFrom("a", "A", "%61", "a[]", "a[b]", "a.b", "a_b", "b", "a[", "a%00", "c;a");
  const queries = fc.array(names, { maxLength: 6 }).map((all) => all.map((name, i) => `${name}=${i}`));
  fc.assert(
    fc.property(queries, (parameters) => {
      const sorted = queryIn({ sorted: true }, parameters.join("&")).split("&");
      assert.deepEqual([...sorted].sort(), parameters.length === 0 ? [""] : [...parameters].sort());
      const ofA = (all: readonly string[]): string[] =>
        all.filter((text) => /^(?:a|A|%61)(?:\[|=|%)/.test(text));
      assert.deepEqual(ofA(sorted), ofA(parameters));
    }),
  );
});

test("has fields and cookies in the key, and tells empty ones from none", () => {
  const maker = makerOf({ fields: ["X-Device"], cookies: ["lang"] });
  const textOf = (request: Record<string, string>): string => maker.of(requestOf({ request }), "http").text;
  const url = "http://example.com/";
  assert.equal(textOf({ "x-device": "tv", cookie: "a=b; lang=de" }), `${url}\nx-device:tv\ncookie lang:de`);
  assert.equal(textOf({ "x-device": "" }), `${url}\nx-device:\ncookie lang`);
  assert.equal(textOf({}), `${url}\nx-device\ncookie lang`);
  assert.equal(
    textOf({ "x-device": "tv", X_Device: "pc" }),
    `${url}\nx-device:tv\nX_Device:pc\ncookie lang`,
    "which some servers take for it",
  );
});

test("has all of a cookie in the key that a server might take for it", () => {
  const maker = makerOf({ cookies: ["lang"] });
  const inKey = (...cookies: readonly string[]): string => {
    const request = cookies.map((value): [string, string] => ["cookie", value]);
    return maker.of(requestOf({ request }), "http").text;
  };
  const plain = inKey("lang=de");
  assert.equal(inKey("a=b; lang=de;c"), plain);
  assert.equal(inKey("a=b", "lang=de", "language=x; xlang=y"), plain);
  const others = [
    ["lang=de; lang=en"],
    ["lang=en; lang=de"],
    ["lang=de", "lang=en"],
    ["lang=de; LANG=en"],
    ["lang=de; l%61ng=en"],
    ["lang=de; lang[]=en"],
    ["lang=de; lang%00=en"],
    ["lang=de, lang=en"],
    ["x=1, lang=de"],
    ['lang="de"'],
    ["lang =de"],
    ["lang"],
    ["Lang=de"],
    ["x=lang=de"],
  ];
  const texts = [plain, ...others.map((cookies) => inKey(...cookies))];
  assert.equal(new Set(texts).size, texts.length, texts.join("\n"));
});

test("makes keys of what people and programs write", () => {
  const maker = makerOf();
  assert.equal(maker.ofUrl("HTTPS://Example.COM:443/a?b#c")?.text, "https://example.com/a?b");
  assert.equal(maker.ofUrl("http://example.com")?.text, "http://example.com/");
  assert.equal(maker.ofUrl("http://example.com?a")?.text, "http://example.com/?a");
  for (const none of ["/a", "ftp://a/", "http://", "http:///a", "http://a b/"])
    assert.equal(maker.ofUrl(none), null);
  assert.equal(maker.ofText("\u20ac").text, Buffer.from("\u20ac").toString("latin1"));
});

test("never lets two requests that differ fall together without a rule", () => {
  const maker = makerOf({ fields: ["a", "b"] });
  const value = fc.option(fc.stringMatching(/^[ -~]{0,8}$/), { nil: undefined });
  const parts = fc.record({ target: fc.stringMatching(/^\/[!-~]{0,8}$/), a: value, b: value });
  const textOf = ({
    target,
    a,
    b,
  }: {
    target: string;
    a: string | undefined;
    b: string | undefined;
  }): string => {
    const request = Object.entries({ a, b }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    return maker.of(requestOf({ target: target.replaceAll("#", ""), request }), "http").text;
  };
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const isSame = one.target.replaceAll("#", "") === other.target.replaceAll("#", "");
      assert.equal(textOf(one) === textOf(other), isSame && one.a === other.a && one.b === other.b);
    }),
  );
});

test("tells variants apart by values, not by how they are written", () => {
  const list = varyList(["accept-encoding", "accept-language", "foo"], 36, "http://example.com/", 0, 0);
  const textOf = (request: readonly (readonly [string, string])[]): string =>
    variantText(list.key, list.varyList, list.epoch, requestOf({ request }));
  const base = textOf([
    ["Foo", "1, 2"],
    ["Accept-Language", "en, de"],
    ["Accept-Encoding", "gzip, br"],
  ]);
  assert.equal(base, "http://example.com/\n10\naccept-encoding:br,gzip\naccept-language:en,de\nfoo:1,2");
  const same = textOf([
    ["accept-encoding", "br;q=1, gzip"],
    ["accept-language", "EN ,   de"],
    ["foo", "1"],
    ["foo", "2"],
    ["other", "3"],
  ]);
  assert.equal(same, base);
  assert.notEqual(textOf([["foo", ""]]), textOf([]));
  assert.notEqual(textOf([["accept-language", "de, en"]]), textOf([["accept-language", "en, de"]]));
  assert.notEqual(textOf([["foo", '"1, 2"']]), textOf([["foo", '"1,2"']]));
  assert.notEqual(textOf([["accept-encoding", "deflate"]]), textOf([["accept-encoding", ""]]));
});
