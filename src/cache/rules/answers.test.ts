import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CAME, dateAt, requestOf, viewOf } from "../../../test/kit/cache-exchange.ts";
import { seededRandom } from "../../base/random.ts";
import { RequestHead } from "../../http/heads.ts";
import { HeadScan } from "../../http1/head-scan.ts";
import { ReceivedRequest } from "../../http1/received-head.ts";
import { formatCacheStatus, timeToLive } from "./cache-status.ts";
import { MultipartRanges } from "./multipart-ranges.ts";
import { isNotModified } from "./preconditions.ts";
import { type ByteRange, contentRange, parseRanges, rangesFor, unsatisfiedRange } from "./ranges.ts";
import { requestFieldsOf } from "./request-fields.ts";

type Fields = Record<string, string>;

function notModified(request: Fields, response: Fields, status = 200): boolean {
  const head = requestOf({ request });
  return isNotModified(head, requestFieldsOf(head), viewOf({ response, status }), CAME);
}

function ranges(
  request: Fields,
  response: Fields = {},
  method = "GET",
  status = 200,
): readonly ByteRange[] | null {
  const head = requestOf({ request, method });
  return rangesFor(head, requestFieldsOf(head), viewOf({ response, status }), 10, CAME);
}

test("answers 304 to who has what is stored", () => {
  const etag = '"abc"';
  const modified = dateAt(-3000);
  assert.ok(notModified({ "if-none-match": '"x", W/"abc"' }, { etag }));
  assert.ok(notModified({ "if-none-match": "*" }, {}));
  assert.ok(notModified({ "if-none-match": 'W/"abc"' }, { etag: 'W/"abc"' }));
  assert.ok(!notModified({ "if-none-match": '"x"' }, { etag }));
  assert.ok(!notModified({ "if-none-match": '"x"' }, {}));
  assert.ok(notModified({ "if-modified-since": modified }, { "last-modified": modified }));
  assert.ok(notModified({ "if-modified-since": dateAt(-2000) }, { "last-modified": modified }));
  assert.ok(!notModified({ "if-modified-since": dateAt(-4000) }, { "last-modified": modified }));
  assert.ok(!notModified({ "if-modified-since": "yesterday" }, { "last-modified": modified }));
  assert.ok(notModified({ "if-modified-since": dateAt(0) }, { date: dateAt(-1) }), "by when it was made");
  assert.ok(!notModified({ "if-modified-since": dateAt(-2) }, { date: dateAt(-1) }));
  assert.ok(!notModified({}, { etag }));
});

test("looks at a date only where there are no tags, and at neither for an error", () => {
  const both = { "if-none-match": '"x"', "if-modified-since": dateAt(0) };
  assert.ok(!notModified(both, { etag: '"abc"', "last-modified": dateAt(-5) }));
  assert.ok(
    notModified({ ...both, "if-none-match": '"abc"' }, { etag: '"abc"', "last-modified": dateAt(5) }),
  );
  assert.ok(!notModified({ "if-none-match": '"abc"' }, { etag: '"abc"' }, 404));
  assert.ok(notModified({ "if-none-match": '"abc"' }, { etag: '"abc"' }, 203));
});

test("reads ranges of a body of ten bytes", () => {
  const cases = [
    ["bytes=0-0", [[0, 1]]],
    ["bytes=0-9", [[0, 10]]],
    ["bytes=5-", [[5, 10]]],
    ["bytes=-3", [[7, 10]]],
    ["bytes=-30", [[0, 10]]],
    ["bytes=8-99999999999999999999999", [[8, 10]]],
    ["Bytes= 1-2 , ,", [[1, 3]]],
    ["bytes=0-1,1-2", [[0, 3]]],
    ["bytes=4-5,0-1", [[0, 6]]],
    ["bytes=10-", []],
    ["bytes=10-20,99-", []],
    ["bytes=-0", []],
    ["bytes=10-,1-1", [[1, 2]]],
    ["bytes=2-1", null],
    ["bytes=1-2,x", null],
    ["bytes=-", null],
    ["bytes=", null],
    ["bytes=,", null],
    ["bytes=1 - 2", null],
    ["items=0-1", null],
    ["bytes 0-1", null],
    ["bytes=0x1-2", null],
  ] as const;
  for (const [value, expected] of cases) {
    const found = parseRanges(value, 10)?.map(({ start, end }) => [start, end]) ?? null;
    assert.deepEqual(found, expected, value);
  }
});

test("keeps ranges that stand apart in the order in which they were asked for", () => {
  assert.deepEqual(parseRanges("bytes=500-599,0-9", 1000), [
    { start: 500, end: 600 },
    { start: 0, end: 10 },
  ]);
  assert.deepEqual(parseRanges("bytes=500-599,550-,0-9", 1000), [
    { start: 0, end: 10 },
    { start: 500, end: 1000 },
  ]);
});

test("never lets ranges make an answer much longer than the body", () => {
  const spec = fc.oneof(
    fc.tuple(fc.nat(3000), fc.nat(300)).map(([first, more]) => `${first}-${first + more}`),
    fc.nat(3000).map((first) => `${first}-`),
    fc.nat(3000).map((last) => `-${last}`),
  );
  fc.assert(
    fc.property(fc.array(spec, { maxLength: 210 }), fc.nat(3000), (specs, length) => {
      const found = parseRanges(`bytes=${specs.join(",")}`, length);
      if (found === null) return;
      const sum = found.reduce((bytes, { start, end }) => bytes + end - start, 0);
      assert.ok(sum <= length && found.length <= 200);
      for (const { start, end } of found) assert.ok(start >= 0 && start < end && end <= length);
      const sorted = found.toSorted((one, other) => one.start - other.start);
      for (const [i, { start }] of sorted.entries()) assert.ok(i === 0 || start > sorted[i - 1]!.end + 80);
    }),
    { numRuns: 60 },
  );
  assert.equal(parseRanges(`bytes=${"0-0,".repeat(201)}`, 10), null);
  fc.assert(fc.property(fc.string(), fc.nat(), (text, length) => void parseRanges(`bytes=${text}`, length)));
});

test("sends parts of a 200 to a GET only, and only of what the client has a part of", () => {
  const part = [{ start: 0, end: 2 }];
  const range = { range: "bytes=0-1" };
  assert.deepEqual(ranges(range), part);
  assert.equal(ranges({}), null);
  assert.equal(ranges(range, {}, "HEAD"), null);
  assert.equal(ranges(range, {}, "GET", 404), null);
  const stored = { etag: '"a"', "last-modified": dateAt(-60), date: dateAt(0) };
  assert.deepEqual(ranges({ ...range, "if-range": '"a"' }, stored), part);
  assert.deepEqual(ranges({ ...range, "if-range": dateAt(-60) }, stored), part);
  for (const other of ['"b"', 'W/"a"', dateAt(-61), dateAt(-59), "a", ""]) {
    assert.equal(ranges({ ...range, "if-range": other }, stored), null, other);
  }
  assert.equal(ranges({ ...range, "if-range": 'W/"a"' }, { etag: 'W/"a"' }), null);
  const young = { "last-modified": dateAt(0), date: dateAt(0) };
  assert.equal(ranges({ ...range, "if-range": dateAt(0) }, young), null, "a date that is weak");
});

test("frames several ranges so that their length is known", () => {
  const body = "0123456789";
  const parts = new MultipartRanges(
    [
      { start: 0, end: 2 },
      { start: 7, end: 10 },
    ],
    10,
    "text/plain",
    seededRandom("boundary"),
  );
  const boundary = parts.contentType.slice("multipart/byteranges; boundary=".length);
  assert.match(boundary, /^[0-9a-f]{24}$/);
  const sent = parts.parts.map(({ head, start, end }) => head + body.slice(start, end)).join("") + parts.end;
  assert.equal(sent.length, parts.length);
  assert.equal(
    sent.replaceAll(boundary, "B"),
    [
      "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01",
      "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n789",
      "--B--\r\n",
    ].join("\r\n"),
  );
  assert.equal(contentRange({ start: 7, end: 10 }, 10), "bytes 7-9/10");
  assert.equal(unsatisfiedRange(10), "bytes */10");
});

test("finds in received heads, touched or not, what it has to look at", () => {
  const received = (lines: readonly string[]): RequestHead => {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1");
    const scan = new HeadScan({ requestLine: 100, bytes: 10_000, fields: 50 });
    scan.scanRequest(bytes, 0, bytes.length);
    return new RequestHead(new ReceivedRequest(scan), "none");
  };
  const plain = received([
    "Host: a",
    "User-Agent: b",
    "Accept: */*",
    "Cookie: c=d",
    "Range-x: 1",
    "X-Original-Urn: /",
  ]);
  assert.equal(requestFieldsOf(plain), 0);
  const names = [
    "Cache-Control",
    "pragma",
    "RANGE",
    "If-Range",
    "If-None-Match",
    "If-Modified-Since",
    "If-Match",
  ];
  const lines = [...names, "Authorization", "X-HTTP-Method-Override"].map((name) => `${name}: x`);
  for (const line of lines) {
    const untouched = requestFieldsOf(received(["Host: a", line]));
    const touched = received([line]);
    touched.headers.set("x-new", "1");
    assert.equal(requestFieldsOf(touched), untouched, line);
    assert.notEqual(untouched, 0, line);
    touched.headers.delete(line.slice(0, line.indexOf(":")));
    assert.equal(requestFieldsOf(touched), 0, line);
  }
});

test("says what became of a request", () => {
  assert.equal(formatCacheStatus("Sluice", { forward: null, ttl: -5 }), "Sluice; hit; ttl=-5");
  const all = { forwardStatus: 304, ttl: 60, stored: true, collapsed: true, detail: "private" };
  assert.equal(
    formatCacheStatus("Sluice", { forward: "stale", ...all }),
    "Sluice; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail=private",
  );
  const detailOf = (detail: string): string => formatCacheStatus("Sluice", { forward: "uri-miss", detail });
  assert.equal(detailOf('a "\\'), 'Sluice; fwd=uri-miss; detail="a \\"\\\\"');
  assert.equal(detailOf("\u00e9\n"), "Sluice; fwd=uri-miss");
  assert.equal(timeToLive(CAME, 10, CAME + 1), 9);
  assert.equal(timeToLive(CAME, 10, CAME + 12_000), -2);
});
