import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readFirstJson } from "./json-reader.ts";
import { bool, float32, float64, int, int64, list, readAs, type Shape, struct, text } from "./shapes.ts";

const inner = struct({ type: "kit.Inner", name: "Inner" }, { size: int, rate: int64 });
const outer = struct(
  { type: "kit.Outer", name: "Outer" },
  { name: text, on: bool, share: float32, exact: float64, inner },
);

function read<T>(shape: Shape<T>, json: string): T | undefined {
  return readAs(shape, readFirstJson(Buffer.from(json)));
}

describe("what is read from JSON", () => {
  test("has the fields that are known, whatever their case", () => {
    const json = '{"NAME":"a","oN":true,"share":0.5,"exact":1e-3,"inner":{"SIZE":-3,"rate":7},"other":[1]}';
    assert.deepEqual(read(outer, json), {
      name: "a",
      on: true,
      share: 0.5,
      exact: 0.001,
      inner: { size: -3, rate: 7 },
    });
    assert.deepEqual(
      read(struct({ type: "", name: "" }, { key: text, share: int }), '{"\u212aEY":"k","\u017fhare":1}'),
      {
        key: "k",
        share: 1,
      },
    );
  });

  test("lacks what is null", () => {
    assert.deepEqual(read(outer, '{"name":null,"on":null,"share":null,"inner":null}'), {});
    assert.equal(read(outer, "null"), undefined);
    assert.deepEqual(read(list("[]string", text), '["a",null]'), ["a", undefined]);
  });

  test("takes the last of members that are repeated", () => {
    assert.deepEqual(read(outer, '{"name":"a","NAME":"b"}'), { name: "b" });
  });
});

const ERRORS: readonly (readonly [shape: Shape<unknown>, json: string, message: string])[] = [
  [outer, "[]", "array into Go value of type kit.Outer"],
  [outer, '"x"', "string into Go value of type kit.Outer"],
  [outer, '{"name":5}', "number into Go struct field Outer.name of type string"],
  [outer, '{"name":{}}', "object into Go struct field Outer.name of type string"],
  [outer, '{"on":"x"}', "string into Go struct field Outer.on of type bool"],
  [outer, '{"inner":true}', "bool into Go struct field Outer.inner of type kit.Inner"],
  [outer, '{"inner":{"size":"1"}}', "string into Go struct field Inner.inner.size of type int"],
  [outer, '{"inner":{"rate":5.0}}', "number 5.0 into Go struct field Inner.inner.rate of type int64"],
  [outer, '{"inner":{"rate":1e3}}', "number 1e3 into Go struct field Inner.inner.rate of type int64"],
  [
    outer,
    '{"inner":{"rate":9223372036854775808}}',
    "number 9223372036854775808 into Go struct field Inner.inner.rate of type int64",
  ],
  [outer, '{"share":1e39}', "number 1e39 into Go struct field Outer.share of type float32"],
  [outer, '{"exact":1e400}', "number 1e400 into Go struct field Outer.exact of type float64"],
  [outer, '{"on":1,"name":2}', "number into Go struct field Outer.on of type bool"],
  [list("[]kit.Outer", outer), "{}", "object into Go value of type []kit.Outer"],
  [list("[]kit.Outer", outer), '[{},{"name":1}]', "number into Go struct field Outer.name of type string"],
  [
    list(
      "[]struct",
      struct(
        { type: "struct", name: "", embedded: { name: "Kit", except: ["on"] } },
        { name: text, on: bool },
      ),
    ),
    '[{"name":1}]',
    "number into Go struct field .Kit.name of type string",
  ],
];

describe("what doesn't fit is told as Go tells it", () => {
  for (const [shape, json, message] of ERRORS) {
    test(json, () => {
      assert.throws(() => read(shape, json), {
        name: "JsonTypeError",
        message: `json: cannot unmarshal ${message}`,
      });
    });
  }
});
