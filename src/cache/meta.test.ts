import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { FieldId, toFieldName } from "../http/field-names.ts";
import { canHold, encodeMeta, type FieldLine, MetaFlag, type ResponseMeta, withPurge } from "./meta.ts";
import { META_VERSION } from "./meta-layout.ts";
import { isMeta, MetaView } from "./meta-view.ts";

const META: ResponseMeta = {
  status: 200,
  flags: MetaFlag.HasEtag,
  responseTime: 1_700_000_000_500,
  bornAt: 1_700_000_000_000,
  date: Number.NaN,
  lastModified: 1_600_000_000_000,
  lifetime: 60,
  staleWhileRevalidate: 5,
  staleIfError: 7,
  bodyLength: 13,
  generation: 3,
  epoch: 4_000_000_000,
  key: "https://example.com/",
  varyList: "",
  tags: " a b ",
  fields: [
    ["Content-Type", "text/plain"],
    ["ETag", '"v1"'],
    ["Date", "Sun, 06 Nov 1994 08:49:37 GMT"],
    ["X-Two", "1"],
    ["x-two", "2"],
  ],
};

const latin1 = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
});
const name = fc.stringMatching(/^[A-Za-z0-9-]{1,30}$/);
const seconds = fc.integer({ min: 0, max: 0x7fffffff });
const time = fc.oneof(fc.constant(Number.NaN), fc.integer({ min: -1e15, max: 1e15 }));
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

const metas: fc.Arbitrary<ResponseMeta> = fc.record({
  status: fc.integer({ min: 100, max: 999 }),
  flags: uint32,
  responseTime: time,
  bornAt: time,
  date: time,
  lastModified: time,
  lifetime: seconds,
  staleWhileRevalidate: seconds,
  staleIfError: seconds,
  bodyLength: fc.integer({ min: -1, max: 2 ** 50 }),
  generation: uint32,
  epoch: uint32,
  key: latin1,
  varyList: latin1,
  tags: latin1,
  fields: fc.array(fc.tuple(name, latin1) as fc.Arbitrary<FieldLine>, { maxLength: 40 }),
});

test("reads what was encoded", () => {
  const view = new MetaView();
  fc.assert(
    fc.property(metas, (meta) => {
      const bytes = encodeMeta(meta);
      assert.ok(isMeta(bytes));
      assert.deepEqual(view.of(bytes).decode(), { ...meta });
    }),
    { numRuns: 200 },
  );
});

test("tells bytes that are no meta", () => {
  const bytes = encodeMeta(META);
  for (let length = 0; length < bytes.length; length++) assert.ok(!isMeta(bytes.subarray(0, length)));
  assert.ok(!isMeta(Buffer.concat([bytes, Buffer.alloc(1)])));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const broken = Buffer.from(bytes);
      broken[at]! ^= flip;
      // Whatever passes can be read to its end.
      if (isMeta(broken)) new MetaView().of(broken).decode();
    }),
  );
});

test("finds fields by name, of several all", () => {
  const view = new MetaView().of(encodeMeta(META));
  assert.equal(view.etag, '"v1"');
  assert.equal(view.field(toFieldName("X-Two")), "1, 2");
  assert.equal(view.vary, null);
  assert.equal(view.present & (1 << FieldId.Date), 1 << FieldId.Date);
});

test("takes no more than 100 bytes besides the texts", () => {
  const texts = META.key.length + META.tags.length;
  const lines = META.fields.reduce((sum, [field, value]) => sum + field.length + value.length + 4, 0);
  assert.ok(encodeMeta(META).length - texts - lines <= 84 + 4 * META.fields.length);
});

test("refuses fields that it can't hold", () => {
  const tooLong: readonly (readonly FieldLine[])[] = [
    [["x".repeat(256), ""]],
    [["x", "y".repeat(2 ** 19)]],
    Array.from({ length: 256 }, (_, i): FieldLine => [`x${i}`, ""]),
  ];
  for (const fields of tooLong) {
    assert.ok(!canHold(fields));
    assert.throws(() => encodeMeta({ ...META, fields }), RangeError);
  }
  const longest: readonly FieldLine[] = [["x".repeat(255), "y".repeat(2 ** 19 - 1)]];
  assert.deepEqual(new MetaView().of(encodeMeta({ ...META, fields: longest })).lines(), longest);
});

test("changes what a purge changes in a copy", () => {
  const bytes = encodeMeta(META);
  const purged = new MetaView().of(withPurge(bytes, META.flags | MetaFlag.Purged, 9));
  assert.deepEqual(purged.decode(), { ...META, flags: META.flags | MetaFlag.Purged, generation: 9 });
  assert.deepEqual(new MetaView().of(bytes).decode(), META);
});

test("bytes that other processes keep or share are those of their version", () => {
  const fields = Object.keys(FieldId).map((id): FieldLine => [id.replace(/\B[A-Z]/g, "-$&"), "1"]);
  const digest = hash("sha256", encodeMeta({ ...META, fields }), "hex").slice(0, 16);
  // Known fields have numbers in there: when those or the layout change, the version does.
  assert.deepEqual([META_VERSION, digest], [1, "e82a8ee86be28842"]);
});
