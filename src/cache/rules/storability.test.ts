import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  CAME,
  type CacheExchangeInit,
  dateAt,
  exchangeOf,
  metaOf,
  policyOf,
  viewOf,
} from "../../../test/kit/cache-exchange.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import { MetaFlag } from "../meta.ts";
import type { CachePolicy } from "./policy.ts";
import { decideReuse } from "./reuse.ts";
import { type NotStored, whyNotStored } from "./storability.ts";
import { fieldsForClient } from "./stored-fields.ts";
import { tagsOf } from "./tags.ts";

const HOUR = "max-age=3600";

function whyNot(init: CacheExchangeInit): NotStored | null {
  return whyNotStored(exchangeOf(init), policyOf(init.policy));
}

/** How long a response with these fields is fresh. */
function secondsOf(
  response: Record<string, string>,
  policy: Partial<CachePolicy> = {},
  status = 200,
): number {
  return exchangeOf({ response, policy, status }).lifetime;
}

test("stores what says how long it is good, whatever its final status", () => {
  for (const status of [200, 203, 204, 299, 301, 302, 307, 404, 410, 499, 500, 503, 599]) {
    assert.equal(whyNot({ status, response: { "cache-control": HOUR } }), null, `${status}`);
  }
});

test("doesn't store what is for others, or for nobody", () => {
  const cases: readonly (readonly [NotStored, CacheExchangeInit])[] = [
    ["method", { method: "POST" }],
    ["request-body", { method: "HEAD", requestBody: 3 }],
    ["request-body", { requestBody: 3 }],
    ["request-body", { requestBody: "unknown" }],
    ["request-override", { request: { "X-Original-URL": "/admin" } }],
    ["request-override", { request: { "x-http-method-override": "DELETE" } }],
    ["request-override", { request: { "X-HTTP-Host-Override": "a" }, response: { "cache-control": HOUR } }],
    ["request-override", { request: { X_Original_URL: "/admin" }, response: { "cache-control": HOUR } }],
    ["request-override", { request: { "X.Forwarded_Host": "a" }, response: { "cache-control": HOUR } }],
    [
      "request-override",
      { request: { "X-A": "1", X_A: "2" }, response: { "cache-control": HOUR, vary: "x-a" } },
    ],
    ["vary", { response: { "cache-control": HOUR, vary: "Accept, X-Forwarded-For" } }],
    ["request-no-store", { request: { "cache-control": "no-store" } }],
    ["status", { status: 304 }],
    ["status", { status: 416 }],
    ["status", { status: 101 }],
    ["partial", { status: 206 }],
    ["no-store", { response: { "cache-control": `${HOUR}, no-store` } }],
    ["private", { response: { "cache-control": `private, ${HOUR}` } }],
    ["authorization", { request: { authorization: "x" } }],
    ["set-cookie", { response: { "cache-control": HOUR, "set-cookie": "a=b" } }],
    ["vary", { response: { "cache-control": HOUR, vary: "foo, *" } }],
    ["not-reusable", { response: {} }],
    ["not-reusable", { response: { "cache-control": "max-age=0" } }],
    ["not-reusable", { response: { "cache-control": `no-cache, ${HOUR}` } }],
    ["not-reusable", { status: 502, response: { "last-modified": dateAt(-50) } }],
    ["not-reusable", { response: { "cache-control": HOUR, "cdn-cache-control": "max-age=0" } }],
  ];
  for (const [expected, init] of cases) {
    const response = init.response ?? { "cache-control": HOUR };
    assert.equal(whyNot({ ...init, response }), expected, JSON.stringify(init));
  }
});

test("stores what can be asked about again, though it is never fresh", () => {
  for (const response of [
    { "cache-control": "no-cache", etag: '"a"' },
    { "cache-control": `no-cache, ${HOUR}`, "last-modified": dateAt(-10) },
    { etag: 'W/"a"' },
    { "last-modified": dateAt(-10) },
    { expires: "0", etag: '"a"' },
    { "cache-control": "max-age=0, stale-while-revalidate=5" },
  ]) {
    assert.equal(whyNot({ response }), null, JSON.stringify(response));
  }
});

test("stores answers to requests with credentials only if they are for all", () => {
  const request = { authorization: "Basic eDp5" };
  for (const directive of ["public, max-age=5", "must-revalidate, max-age=5", "s-maxage=5"]) {
    assert.equal(whyNot({ request, response: { "cache-control": directive } }), null, directive);
  }
  assert.equal(whyNot({ request, response: { "cdn-cache-control": "max-age=5" } }), "authorization");
});

test("stores cookies where it is told to, or leaves them out where they are listed", () => {
  const cookie = { "set-cookie": "a=b" };
  const policy = { storesCookies: true };
  assert.equal(whyNot({ policy, response: { "cache-control": HOUR, ...cookie } }), null);
  for (const listed of ['private="set-cookie"', 'no-cache="x, Set-Cookie"']) {
    const init = { response: { "cache-control": `${HOUR}, ${listed}`, ...cookie, a: "1" } };
    assert.equal(whyNot(init), null, listed);
    assert.deepEqual(
      metaOf(init).fields.map(([name]) => name),
      ["cache-control", "a", "Date"],
    );
    const { response, facts } = exchangeOf(init);
    assert.deepEqual(fieldsForClient(response.headers, facts.directives, policyOf()), [
      ["set-cookie", "a=b"],
    ]);
  }
  const { response, facts } = exchangeOf({ response: { ...cookie, b: "2" } });
  assert.deepEqual(fieldsForClient(response.headers, facts.directives, policyOf()), [["set-cookie", "a=b"]]);
  assert.deepEqual(fieldsForClient(response.headers, facts.directives, policyOf(policy)), []);
});

test("stores in spite of no-store what it understands, if it must", () => {
  const response = { "cache-control": `no-store, must-understand, ${HOUR}` };
  assert.equal(whyNot({ response }), null);
  assert.equal(whyNot({ response, status: 599 }), "status");
});

test("takes the most specific lifetime", () => {
  const date = dateAt(0);
  assert.equal(secondsOf({ "cache-control": "max-age=1, s-maxage=2", expires: dateAt(9), date }), 2);
  assert.equal(secondsOf({ "cache-control": "max-age=1", expires: dateAt(9), date }), 1);
  assert.equal(secondsOf({ expires: dateAt(9), date }), 9);
  assert.equal(secondsOf({ expires: dateAt(9), date: dateAt(-100) }), 109);
  assert.equal(secondsOf({ expires: dateAt(9), date: "foo" }), 9);
  assert.equal(secondsOf({ expires: dateAt(300), date: dateAt(400) }), 0);
  assert.equal(secondsOf({ expires: "0", date }), 0);
  assert.equal(secondsOf({ "cache-control": "max-age=50" }, { longestLifetime: 20 }), 20);
});

test("prefers targeted fields in their order, and ignores those that are none", () => {
  const plain = { "cache-control": "max-age=1", expires: dateAt(900) };
  assert.equal(secondsOf({ ...plain, "cdn-cache-control": "max-age=5" }), 5);
  assert.equal(
    secondsOf({ ...plain, "cdn-cache-control": "max-age=5", "sluice-cdn-cache-control": "max-age=6" }),
    6,
  );
  assert.equal(secondsOf({ ...plain, "cdn-cache-control": "max-age=5, &" }), 1);
  assert.equal(secondsOf({ ...plain, "cdn-cache-control": "foo" }), 0, "Expires isn't heard beside it");
  assert.equal(secondsOf({ ...plain, "cdn-cache-control": "max-age=5" }, { targetedFields: [] }), 1);
  const stored = { "cache-control": "no-store", "cdn-cache-control": "max-age=10000" };
  assert.equal(whyNot({ response: stored }), null);
  assert.equal(whyNot({ response: { ...stored, "cdn-cache-control": 'max-age="10000"' } }), "no-store");
  assert.equal(whyNot({ response: { ...plain, "cdn-cache-control": "private" } }), "private");
});

test("falls back on the status, and then on when it was modified", () => {
  const defaultLifetimes = new Map([[404, 7]]);
  assert.equal(secondsOf({}, { defaultLifetimes }, 404), 7);
  assert.equal(secondsOf({ "cache-control": "max-age=1" }, { defaultLifetimes }, 404), 1);
  const modified = { "last-modified": dateAt(-86_400), date: dateAt(0) };
  const heuristic = { fraction: 0.1, longest: 9000 };
  assert.equal(secondsOf(modified), 0, "off by default");
  for (const status of [200, 203, 204, 404, 405, 410, 414, 501]) {
    assert.equal(secondsOf(modified, { heuristic }, status), 8640, `${status}`);
  }
  for (const status of [201, 202, 403, 502, 503, 504, 599]) {
    assert.equal(secondsOf(modified, { heuristic }, status), 0, `${status}`);
  }
  const isPublic = { ...modified, "cache-control": "public" };
  assert.equal(secondsOf(isPublic, { heuristic }, 599), 8640);
  assert.equal(secondsOf(modified, { heuristic: { fraction: 0.5, longest: 60 } }), 60);
});

test("keeps what belongs to the response and nothing of its connection", () => {
  const meta = metaOf({
    response: [
      ["Date", dateAt(0)],
      ["Connection", "a, B"],
      ["A", "1"],
      ["b", "2"],
      ["C", "3"],
      ["Keep-Alive", "x"],
      ["Proxy-Authenticate", "x"],
      ["Proxy-Authentication-Info", "x"],
      ["Proxy-Connection", "x"],
      ["TE", "x"],
      ["Transfer-Encoding", "x"],
      ["Upgrade", "x"],
      ["Trailer", "x"],
      ["Age", "5"],
      ["Content-Length", "10"],
      ["Cache-Control", HOUR],
      ["ETag", '"a"'],
    ],
  });
  assert.deepEqual(
    meta.fields.map(([name]) => name),
    ["Date", "C", "Cache-Control", "ETag"],
  );
  assert.equal(meta.flags, MetaFlag.HasEtag);
  assert.equal(meta.lifetime, 3600);
});

test("dates what came without a date", () => {
  assert.deepEqual(metaOf({ response: {} }).fields, [["Date", dateAt(0)]]);
  assert.deepEqual(metaOf({ response: { date: "foo" } }).fields, [["date", "foo"]]);
});

test("lets nothing be served stale that is to be revalidated", () => {
  const policy = { staleWhileRevalidate: 5, staleIfError: 6 };
  const timesOf = (directives: string): number[] => {
    const meta = metaOf({ policy, response: { "cache-control": directives } });
    return [meta.staleWhileRevalidate, meta.staleIfError];
  };
  assert.deepEqual(timesOf("max-age=1"), [5, 6]);
  assert.deepEqual(timesOf("max-age=1, stale-while-revalidate=50, stale-if-error=60"), [50, 60]);
  assert.deepEqual(timesOf("max-age=1, must-revalidate, stale-if-error=60"), [0, 0]);
  assert.deepEqual(timesOf("max-age=1, proxy-revalidate"), [0, 0]);
  assert.deepEqual(timesOf("no-cache, stale-if-error=60"), [0, 0]);
  assert.deepEqual(timesOf("s-maxage=1"), [0, 0]);
  assert.deepEqual(timesOf("s-maxage=1, stale-while-revalidate=50"), [50, 0]);
});

test("reads tags of both fields", () => {
  const tags = tagsOf(HttpHeaders.from({ "Cache-Tag": "a,b , c", "Surrogate-Key": "d  a e" }));
  assert.equal(tags, " a b c d e ");
  assert.equal(tagsOf(HttpHeaders.from({ "Cache-Tag": " , " })), "");
  assert.equal(tagsOf(HttpHeaders.from({ "Surrogate-Key": `${"x".repeat(20_000)} y` })), " y ");
});

test("survives whatever a server says", () => {
  const value = fc.oneof(
    fc.stringMatching(/^[ -~\u00a0-\u00ff]{0,30}$/),
    fc.constantFrom(
      dateAt(0),
      dateAt(1e9),
      "0",
      '"a"',
      "max-age=1",
      "s-maxage=5, stale-if-error=5",
      "*",
      "a, b",
    ),
  );
  const names = [
    "cache-control",
    "cdn-cache-control",
    "expires",
    "date",
    "age",
    "vary",
    "etag",
    "last-modified",
  ];
  const others = ["set-cookie", "connection", "cache-tag", "x"];
  const response = fc.array(fc.tuple(fc.constantFrom(...names, ...others), value), { maxLength: 12 });
  const policy = { heuristic: { fraction: 0.1, longest: 60 }, longestLifetime: 1000, staleIfError: 5 };
  fc.assert(
    fc.property(response, fc.integer({ min: 200, max: 599 }), (fields, status) => {
      const why = whyNot({ response: fields, status, policy });
      const view = viewOf({ response: fields, status, policy });
      assert.ok(view.lifetime >= 0 && view.lifetime <= 1000);
      assert.ok(view.bornAt <= CAME);
      if (why === null) decideReuse(view, null, CAME);
      assert.ok(!view.lines().some(([name]) => name === "connection" || name === "age"));
    }),
  );
});
