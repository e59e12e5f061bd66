import assert from "node:assert/strict";
import { test } from "node:test";
import { CAME, dateAt, metaOf, policyOf, requestOf, viewOf } from "../../../test/kit/cache-exchange.ts";
import { ResponseHead } from "../../http/heads.ts";
import type { FieldLine, ResponseMeta } from "../meta.ts";
import { type Freshened, freshen, isAbout } from "./freshen.ts";
import { invalidatedBy } from "./invalidation.ts";
import type { CachePolicy } from "./policy.ts";
import { requestDirectives } from "./request-directives.ts";
import { requestFieldsOf } from "./request-fields.ts";
import { readResponse } from "./response-facts.ts";
import { askForAll, askWhetherItHolds } from "./validation.ts";

type Fields = Record<string, string>;
const LATER = CAME + 100_000;

function about(update: Fields, stored: Fields): boolean {
  const response = ResponseHead.from({ status: 304, headers: update });
  return isAbout(readResponse(response, policyOf(), LATER, LATER), viewOf({ response: stored }));
}

function freshened(stored: Fields, update: Fields, policy: Partial<CachePolicy> = {}): ResponseMeta | null {
  return outcome(stored, update, policy)?.meta ?? null;
}

function outcome(
  stored: Fields,
  update: Fields,
  policy: Partial<CachePolicy> = {},
  request: Fields = {},
): Freshened | null {
  const response = ResponseHead.from({ status: 304, headers: update });
  const facts = readResponse(response, policyOf(policy), LATER, LATER);
  const head = requestOf({ request });
  const fields = requestFieldsOf(head);
  const asker = { fields, asked: requestDirectives(head, fields, policyOf(policy)), generation: 7 };
  return freshen(viewOf({ response: stored, policy }), response, facts, policyOf(policy), asker);
}

function fieldsOf(meta: ResponseMeta | null): FieldLine[] {
  assert.ok(meta !== null);
  return [...meta.fields].sort(([one], [other]) => (one < other ? -1 : 1));
}

test("asks the server whether what is stored still holds, and for all of it", () => {
  const head = requestOf({
    method: "HEAD",
    request: {
      "if-none-match": '"mine"',
      "if-modified-since": dateAt(-9),
      range: "bytes=0-1",
      "if-range": '"x"',
      a: "1",
    },
  });
  const stored = viewOf({ response: { etag: 'W/"v1"', "last-modified": "Sunday, 06-Nov-94 08:49:37 GMT" } });
  assert.ok(askWhetherItHolds(head, stored));
  assert.equal(head.method, "GET");
  assert.deepEqual(head.headers.toJSON(), {
    a: "1",
    "if-none-match": 'W/"v1"',
    "if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT",
  });
  const plain = requestOf({ request: { "if-none-match": '"mine"' } });
  assert.ok(!askWhetherItHolds(plain, viewOf({ response: { "last-modified": "rubbish" } })));
  assert.deepEqual(plain.headers.toJSON(), {});
  const post = requestOf({ method: "POST", request: { range: "bytes=0-1" } });
  askForAll(post);
  assert.equal(post.method, "POST");
});

test("knows which 304 is about what is stored", () => {
  const modified = dateAt(-60);
  assert.ok(about({}, { etag: '"a"' }));
  assert.ok(about({ etag: '"a"' }, { etag: '"a"' }));
  assert.ok(about({ etag: 'W/"a"' }, { etag: '"a"' }));
  assert.ok(about({ "last-modified": modified }, { "last-modified": modified }));
  assert.ok(about({ etag: '"a"', vary: "b, A" }, { etag: '"a"', vary: "a,B" }));
  assert.ok(!about({ etag: '"b"' }, { etag: '"a"' }));
  assert.ok(!about({ etag: '"a"' }, { etag: 'W/"a"' }));
  assert.ok(!about({ etag: '"a"' }, {}));
  assert.ok(!about({ "last-modified": dateAt(-61) }, { "last-modified": modified }));
  assert.ok(!about({ etag: '"a"', vary: "foo" }, { etag: '"a"' }));
});

test("puts the fields of a 304 in place of those it names", () => {
  const stored = {
    "Cache-Control": "max-age=2",
    Date: dateAt(0),
    ETag: '"a"',
    "Content-Length": "10",
    "Content-Encoding": "gzip",
    Kept: "1",
    Changed: "1",
  };
  const update = {
    date: dateAt(100),
    "cache-control": "max-age=3600",
    "content-length": "0",
    "content-encoding": "br",
    connection: "hop",
    hop: "x",
    changed: "2",
    "set-cookie": "a=b",
    age: "5",
  };
  const meta = freshened(stored, update);
  assert.deepEqual(fieldsOf(meta), [
    ["Content-Encoding", "gzip"],
    ["ETag", '"a"'],
    ["Kept", "1"],
    ["cache-control", "max-age=3600"],
    ["changed", "2"],
    ["date", dateAt(100)],
  ]);
  assert.equal(meta?.lifetime, 3600);
  assert.equal(meta?.bornAt, LATER - 5000);
  assert.equal(meta?.generation, 7);
  assert.equal(meta?.bodyLength, 10);
  const withCookies = freshened(stored, update, { storesCookies: true });
  assert.ok(fieldsOf(withCookies).some(([name]) => name === "set-cookie"));
});

test("begins a lifetime anew with a 304 that says nothing", () => {
  const stored = { "cache-control": "max-age=2", date: dateAt(0), etag: '"a"' };
  const meta = freshened(stored, {});
  assert.equal(meta?.bornAt, LATER);
  assert.equal(meta?.lifetime, 2);
  assert.equal(new Map(meta?.fields).get("Date"), dateAt(100));
  assert.equal(freshened({ etag: '"a"', "cache-control": "max-age=2" }, {})?.date, LATER);
});

test("stores nothing of a 304 that is for one alone", () => {
  const stored = { "cache-control": "max-age=2", etag: '"a"' };
  const known = { authorization: "Basic bWU6" };
  const why = (update: Fields, request: Fields = {}): string | null | undefined =>
    outcome(stored, update, {}, request)?.why;
  assert.equal(why({ "cache-control": "no-store" }), "no-store");
  assert.equal(why({ "cache-control": "private, max-age=5" }), "private");
  assert.equal(why({ for: "me" }, known), "authorization");
  assert.equal(why({}, { "cache-control": "no-store" }), "request-no-store");
  assert.equal(why({ "cache-control": "public, max-age=5" }, known), null);
  assert.equal(outcome({ ...stored, "cache-control": "s-maxage=2" }, {}, {}, known)?.why, null);
  assert.equal(why({}), null);
});

test("finds out what a request has changed", () => {
  const changed = (method: string, response: Fields = {}, status = 200): string[] =>
    invalidatedBy(
      requestOf({ method, target: "/a/b?c" }),
      "https",
      ResponseHead.from({ status, headers: response }),
    );
  const own = "https://example.com/a/b?c";
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"]) {
    assert.deepEqual(changed(method), [own]);
    assert.deepEqual(changed(method, {}, 303), [own]);
    for (const status of [400, 404, 500]) assert.deepEqual(changed(method, {}, status), []);
  }
  for (const method of ["GET", "HEAD", "OPTIONS"]) assert.deepEqual(changed(method), []);
  assert.deepEqual(changed("PUT", { location: "d", "content-location": "https://EXAMPLE.com:443/e?f#g" }), [
    own,
    "https://example.com/a/d",
    "https://example.com/e?f",
  ]);
  for (const foreign of [
    "https://example.org/",
    "http://example.com/",
    "//example.com:8443/",
    "http://[",
    own,
  ]) {
    assert.deepEqual(changed("POST", { location: foreign }), [own], foreign);
  }
  assert.equal(metaOf({}).generation, 0);
});
