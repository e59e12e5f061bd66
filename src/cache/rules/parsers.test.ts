import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestOf } from "../../../test/kit/cache-exchange.ts";
import { normalCodings } from "./accept-encoding.ts";
import { bornAt, currentAge, parseAge, wholeSeconds } from "./age.ts";
import { parseCacheControl } from "./cache-control.ts";
import { parseHttpDate } from "./dates.ts";
import { ABSENT, type CacheDirectives, Directive, MOST_SECONDS } from "./directives.ts";
import { listMatches, matchesStrongly } from "./entity-tags.ts";
import { listsField, toFieldList } from "./field-list.ts";
import { parseTargeted } from "./targeted.ts";
import { variantText } from "./vary.ts";
import { varyNames } from "./vary-names.ts";

const NOW = Date.UTC(2026, 10, 22, 12);

/** Texts of the characters that mean something to one of the parsers, and of any others. */
const hostile: fc.Arbitrary<string> = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      ...'\t ,;="\\*/-0123456789aAzZ',
      "max-age",
      "no-store",
      "private",
      "q=",
      "GMT",
      "\u00e9",
      "W/",
    ),
  }),
  fc.string({ unit: "binary" }),
);

test("reads what Cache-Control says", () => {
  const directives = parseCacheControl(
    'Public, , max-age=60,S-MaxAge="70", foo, bar="a, no-store, \\" private", stale-while-revalidate=5, max-stale',
  );
  assert.equal(directives.flags, Directive.Public);
  assert.equal(directives.maxAge, 60);
  assert.equal(directives.sharedMaxAge, 70);
  assert.equal(directives.staleWhileRevalidate, 5);
  assert.equal(directives.staleIfError, ABSENT);
  assert.equal(directives.maxStale, MOST_SECONDS);
});

test("takes a lifetime that can't be understood for one that is over", () => {
  const lifetimes = [
    ["max-age=003600", 3600],
    ["max-age=99999999999999999999999", MOST_SECONDS],
    ["max-age=1800, max-age=1", 1800],
    ["max-age=1, max-age=1800", 1],
    ["max-age='3600'", 0],
    ["max-age=3600.0", 0],
    ["max-age=3600a", 0],
    ["max-age=-3600", 0],
    ["max-age =3600", 0],
    ["max-age= 3600", 0],
    ["max-age", 0],
    ["max-age=", 0],
    ['max-age=""', 0],
    ["max-age=10; no-transform", 0],
    ['extension="max-age=3600", max-age=1', 1],
    ['max-age=1, extension="max-age=3600"', 1],
    ["xmax-age=5", ABSENT],
  ] as const;
  for (const [value, expected] of lifetimes) assert.equal(parseCacheControl(value).maxAge, expected, value);
  for (const value of ["stale-if-error=x", "stale-if-error", "stale-if-error=-1"]) {
    assert.equal(parseCacheControl(value).staleIfError, ABSENT, "what permits something isn't guessed");
  }
});

test("hears what forbids something, whatever stands around it", () => {
  for (const value of [
    "no-store",
    "No-StOrE",
    "no-store=1",
    "no-store foo",
    "no-store;max-age=5",
    ",,\t no-store ,",
    'a="b, no-store',
    '"a", no-store',
    "=, no-store",
    "\u00e9, no-store",
  ]) {
    assert.ok(parseCacheControl(value).has(Directive.NoStore), value);
  }
  for (const value of ['a="no-store"', 'a="x\\", no-store"', "no-stores", "x=no-store"]) {
    assert.ok(!parseCacheControl(value).has(Directive.NoStore), value);
  }
});

test("tells private and no-cache with fields from those without", () => {
  const listed = parseCacheControl('private="Set-Cookie, X-User", no-cache=authorization');
  assert.equal(listed.flags, 0);
  assert.equal(listed.privateFields, "set-cookie,x-user,");
  assert.equal(listed.noCacheFields, "authorization,");
  for (const value of ["private", 'private=""', 'private="a b"', 'private="a", private']) {
    assert.ok(parseCacheControl(value).has(Directive.Private), value);
  }
});

test("finds names in lists of fields as wholes", () => {
  const list = toFieldList("A-B, b, A-b,") ?? "";
  assert.equal(list, "a-b,b,");
  for (const name of ["a-b", "b"]) assert.ok(listsField(list, name));
  for (const name of ["a", "-b", "a-", ""]) assert.ok(!listsField(list, name), name);
  assert.equal(toFieldList(" , "), null);
});

test("reads targeted fields as structured ones, or not at all", () => {
  const directives = parseTargeted("max-age=10, foobar, no-store=?0, must-revalidate, private=?1;a=b");
  assert.equal(directives?.maxAge, 10);
  assert.equal(directives?.flags, Directive.MustRevalidate | Directive.Private);
  assert.equal(parseTargeted("max-age=99999999999")?.maxAge, MOST_SECONDS);
  assert.equal(parseTargeted("max-age=1, max-age=2")?.maxAge, 2);
  assert.equal(parseTargeted("max-age=-5")?.maxAge, 0);
  for (const invalid of [
    "",
    " ",
    "max-age=10, &&&&&",
    'max-age="10"',
    "max-age=1.5",
    "max-age",
    "max-age =100",
    "max-age= 100",
    "MaX-aGe=3600",
  ]) {
    assert.equal(parseTargeted(invalid), null, invalid);
  }
});

test("reads dates in all three forms, and nothing that looks like one", () => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37);
  for (const text of [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "SUN, 06 NOV 1994 08:49:37 gmt",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ]) {
    assert.equal(parseHttpDate(text, NOW), time, text);
  }
  assert.equal(parseHttpDate("Thursday, 18-Aug-50 02:01:18 GMT", NOW), Date.UTC(2050, 7, 18, 2, 1, 18));
  assert.equal(parseHttpDate("Monday, 18-Aug-77 02:01:18 GMT", NOW), Date.UTC(1977, 7, 18, 2, 1, 18));
  assert.equal(parseHttpDate("Sun, 21 Nov 2286 04:46:39 GMT", NOW), Date.UTC(2286, 10, 21, 4, 46, 39));
  for (const text of [
    "0",
    "",
    "-1",
    "Thu, 18 Aug 2050 02:01:18 UTC",
    "Thu, 18 Aug 2050 02:01:18 AEST",
    "Thu, 18 Aug 50 02:01:18 GMT",
    "Thu 18 Aug 2050 02:01:18 GMT",
    "Thu, 18  Aug  2050 02:01:18 GMT",
    "Thu, 18-Aug-2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 02.01.18 GMT",
    "Thu, 18 Aug 2050 2:01:18 GMT",
    "Thu, 31 Feb 2050 02:01:18 GMT",
    "Thu, 18 Xyz 2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 24:00:00 GMT",
    "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
  ]) {
    assert.ok(Number.isNaN(parseHttpDate(text, NOW)), text);
  }
});

test("reads every date that is written as HTTP has it", () => {
  const seconds = fc.integer({ min: 0, max: 253_402_300_799 });
  fc.assert(
    fc.property(seconds, (second) => {
      assert.equal(parseHttpDate(new Date(second * 1000).toUTCString(), NOW), second * 1000);
    }),
  );
});

test("takes the first age, and 0 for what is none", () => {
  const ages = [
    ["0, 7200", 0],
    ["7200, 0", 7200],
    ["7200;foo=bar", 7200],
    ["2147483649", MOST_SECONDS],
    ["abc", 0],
    ["-7200", 0],
    ["7200.0", 0],
    ["", 0],
  ] as const;
  for (const [value, expected] of ages) assert.equal(parseAge(value), expected, value);
});

test("finds out when a response was made by whichever account is longer ago", () => {
  const times = { requestTime: NOW - 2000, responseTime: NOW, age: 0 };
  assert.equal(bornAt({ ...times, date: Number.NaN }), NOW - 2000);
  assert.equal(bornAt({ ...times, date: NOW - 10_000 }), NOW - 10_000);
  assert.equal(bornAt({ ...times, date: NOW + 10_000 }), NOW - 2000);
  assert.equal(bornAt({ ...times, date: NOW - 10_000, age: 30 }), NOW - 32_000);
  assert.equal(currentAge(NOW, NOW - 1), 0, "never negative");
  assert.equal(wholeSeconds(1999), 1);
});

test("compares tags weakly in lists, whose commas may be in quotes", () => {
  const tag = '"a,b"';
  for (const list of ['"a,b"', 'W/"a,b"', '"x", "a,b"', '"y","a,b","z"'])
    assert.ok(listMatches(list, tag), list);
  for (const list of ['"a"', "", '"a', "*", '"a,b']) assert.ok(!listMatches(list, tag), list);
  assert.ok(listMatches('"1", abc', "abc"), "one without quotes, by its text");
  assert.ok(matchesStrongly('"a"', '"a"'));
  assert.ok(!matchesStrongly('W/"a"', 'W/"a"'));
  assert.ok(!matchesStrongly("a", "a"));
});

test("brings lists of codings that mean the same into one form", () => {
  const forms = [
    ["gzip, br", "br,gzip"],
    ["br;q=1.0,GZIP", "br,gzip"],
    ["gzip;q=0.8, br", "br;gzip"],
    ["gzip;q=0.8, br, *;q=0", "br;gzip!*"],
    ["x-gzip", "gzip"],
    ["", ""],
    ["identity;q=0, *;q=0", "!*,identity"],
    ["gzip;q=2, br", "br,gzip;q=2"],
    ["gzip ; q=0.50, br;q=0.5", "br,gzip"],
    ["gzip;q=0, gzip", "gzip"],
  ] as const;
  for (const [value, expected] of forms) assert.equal(normalCodings(value), expected, value);
});

test("knows the names that a response varies by, and when nobody can", () => {
  assert.deepEqual(varyNames("Foo, accept-encoding,,foo"), ["accept-encoding", "foo"]);
  assert.deepEqual(varyNames(""), []);
  for (const star of [
    "*",
    "*, Foo",
    "Foo, *",
    ", *",
    "a b",
    Array.from({ length: 17 }, (_, i) => `f${i}`).join(),
  ]) {
    assert.equal(varyNames(star), null, star);
  }
});

test("survives whatever is sent", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const directives = parseCacheControl(text);
      assertSound(directives);
      const targeted = parseTargeted(text);
      if (targeted !== null) assertSound(targeted);
      assert.ok(parseAge(text) >= 0);
      parseHttpDate(text, NOW);
      listMatches(text, '"a"');
      varyNames(text);
      const codings = normalCodings(text);
      // Of letters that tokens have: others come to more than one in capitals.
      assert.equal(normalCodings(text.replace(/[a-z]/g, (letter) => letter.toUpperCase())), codings);
      assert.ok(parseCacheControl(`${text}, no-store`).has(Directive.NoStore) || text.includes('"'), text);
      assert.ok(parseCacheControl(`no-store, ${text}`).has(Directive.NoStore), text);
    }),
    { numRuns: 300 },
  );
});

function assertSound(directives: CacheDirectives): void {
  const { maxAge, sharedMaxAge, staleWhileRevalidate, staleIfError, minFresh, maxStale } = directives;
  for (const seconds of [maxAge, sharedMaxAge, staleWhileRevalidate, staleIfError, minFresh, maxStale]) {
    assert.ok(seconds >= ABSENT && seconds <= MOST_SECONDS && Number.isInteger(seconds));
  }
}

test("takes no longer for a value that is made to take long", () => {
  // The square of that would take hours.
  const length = 2 ** 20;
  assert.ok(parseCacheControl(`x="${'\\"'.repeat(length)}, no-store`).has(Directive.NoStore));
  assert.equal(parseCacheControl(`${'="'.repeat(length)}, max-age=5`).maxAge, 5);
  const request = requestOf({
    request: { foo: `a${" ".repeat(length)}b , c`, "accept-encoding": "a, ".repeat(length) },
  });
  assert.match(variantText("", "accept-encoding,foo", 1, request), / b,c$/);
});
