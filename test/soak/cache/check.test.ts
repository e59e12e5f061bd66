import assert from "node:assert/strict";
import { test } from "node:test";
import { abilities, check, type Rules } from "./check.ts";
import type { Question, Reply } from "./question.ts";
import { bodyOf, cacheControlOf, etagOf, parsePath, pathOf, type Resource } from "./resource.ts";

const resource: Resource = {
  ...{ id: 7, size: 1000, sharing: "public", lifetime: 2, grace: 0, period: 60, varies: true },
  ...{ validator: "etag", framing: "length", fault: "none", delay: 0 },
};
const now = 1_800_000_000_000;
const version = now / 60_000;
const rules: Rules = { abilities: new Set(abilities), slack: 1000, barrier: 0 };
const question: Question = {
  ...{ resource, path: pathOf(resource), method: "GET", kind: "a", parts: [], noCache: false },
};
const etag = etagOf(resource, version, "a");
const fields = {
  ...{ "x-id": "7", "x-version": String(version), "x-variant": "a", "x-made": String(now), "x-for": "all" },
  ...{ etag, age: "0", "cache-control": cacheControlOf(resource) },
};
const body = bodyOf(resource, version, "a");
const reply: Reply = { status: 200, fields, body, isWhole: true, isStuck: false, started: now, ended: now };
const part = { ...reply, status: 206, body: body.subarray(10, 20) };
const partFields = { ...fields, "content-range": "bytes 10-19/1000" };
const asked = { ...question, parts: [[10, 19]] } as const;

function flaws(
  changes: Partial<Reply>,
  about: Question = question,
  more: Partial<Rules> = {},
): readonly string[] {
  return check(about, { ...reply, ...changes }, { ...rules, ...more }).map(({ flaw }) => flaw);
}

test("a path tells all of a resource", () => {
  assert.deepEqual(parsePath(pathOf(resource)), resource);
  assert.equal(parsePath("/r/7"), null);
});

test("answers that are right aren't blamed", () => {
  assert.deepEqual(flaws({}), []);
  assert.deepEqual(flaws({ ...part, fields: partFields }, asked), []);
  assert.deepEqual(flaws({ status: 304, body: body.subarray(0, 0) }, { ...question, ifNoneMatch: etag }), []);
  assert.deepEqual(flaws({ started: now + 1500, ended: now + 1500, fields: { ...fields, age: "1" } }), []);
});

const wrong: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["another's bytes", ["bytes"], flaws({ body: bodyOf(resource, version, "b") })],
  ["half as if it was all", ["cut"], flaws({ body: body.subarray(0, 500) })],
  [
    "nothing more of what broke off, for ever",
    ["stuck"],
    flaws(
      { body: body.subarray(0, 500), isWhole: false, isStuck: true },
      { ...question, resource: { ...resource, fault: "cut" } },
    ),
  ],
  ["broken off", ["cut"], flaws({ body: body.subarray(0, 500), isWhole: false })],
  ["another kind", ["variant", "identity", "bytes"], flaws({}, { ...question, kind: "b" })],
  ["too old", ["old"], flaws({ started: now + 3001, ended: now + 3001, fields: { ...fields, age: "3" } })],
  ["from before a purge", ["old"], flaws({}, question, { barrier: now + 10 })],
  ["a wrong age", ["age"], flaws({ fields: { ...fields, age: "9" } })],
  ["made for somebody", ["leak"], flaws({ fields: { ...fields, "x-for": "user-1" } })],
  [
    "another part",
    ["range", "range"],
    flaws(
      { ...part, fields: { ...fields, "content-range": "bytes 5-14/1000" }, body: body.subarray(5, 15) },
      asked,
    ),
  ],
  ["a part too short", ["cut"], flaws({ ...part, fields: partFields, body: body.subarray(10, 19) }, asked)],
  [
    "a part of another version",
    ["range"],
    flaws({ ...part, fields: partFields }, { ...asked, ifRange: '"old"' }),
  ],
  ["304 to nothing", ["condition"], flaws({ status: 304 })],
  [
    "304 to what never was",
    ["bytes", "condition"],
    flaws({ status: 304 }, { ...question, ifNoneMatch: '"x"' }),
  ],
  ["503 for no reason", ["status"], flaws({ status: 503 })],
];

for (const [what, expected, found] of wrong) {
  test(`is found: ${what}`, () => assert.deepEqual(found, expected));
}
