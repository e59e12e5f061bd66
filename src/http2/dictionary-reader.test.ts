import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DictionaryReader, ItemKind } from "./dictionary-reader.ts";

type Member = readonly [key: string, value: number | boolean | null];

/** The members of a dictionary, null when it is none; a value of another type than integer or boolean is null. */
function readDictionary(text: string): Member[] | null {
  const bytes = Buffer.from(`,${text},`, "latin1");
  const reader = new DictionaryReader(bytes, 1, bytes.length - 1);
  const members: Member[] = [];
  while (reader.next()) {
    const key = bytes.toString("latin1", reader.keyStart, reader.keyEnd);
    const value = reader.kind === ItemKind.Boolean ? reader.value === 1 : reader.value;
    members.push([key, reader.kind === ItemKind.Other ? null : value]);
  }
  assert.equal(reader.next(), false);
  return reader.failed ? null : members;
}

describe("a dictionary", () => {
  test("has members of all types", () => {
    const cases: [text: string, members: Member[]][] = [
      ["", []],
      ["   ", []],
      ["a", [["a", true]]],
      ["  a=1  ", [["a", 1]]],
      [
        "a=?0, b=?1",
        [
          ["a", false],
          ["b", true],
        ],
      ],
      [
        "a=-7,b=0,\t c=999999999999999",
        [
          ["a", -7],
          ["b", 0],
          ["c", 999_999_999_999_999],
        ],
      ],
      [
        "a=1.5, b=-123456789012.123",
        [
          ["a", null],
          ["b", null],
        ],
      ],
      [
        'a="x, y=\\"\\\\", b=2',
        [
          ["a", null],
          ["b", 2],
        ],
      ],
      [
        "a=tok:en/*, b=*",
        [
          ["a", null],
          ["b", null],
        ],
      ],
      [
        "a=:aGk=:, b=::",
        [
          ["a", null],
          ["b", null],
        ],
      ],
      [
        "a=@1659578233, b=@-1",
        [
          ["a", null],
          ["b", null],
        ],
      ],
      [
        'a=%"f%c3%bc", b',
        [
          ["a", null],
          ["b", true],
        ],
      ],
      [
        'a=(1 "x" y);q=1, b=(), c=( 1;z  ?1 )',
        [
          ["a", null],
          ["b", null],
          ["c", null],
        ],
      ],
      [
        "a;x;y=1;  z=2, b=3;q",
        [
          ["a", true],
          ["b", 3],
        ],
      ],
      ["*a.b-c_d*0=1", [["*a.b-c_d*0", 1]]],
      [
        "a=1 , b=2",
        [
          ["a", 1],
          ["b", 2],
        ],
      ],
      [
        "a=1,a=2",
        [
          ["a", 1],
          ["a", 2],
        ],
      ],
    ];
    for (const [text, members] of cases) assert.deepEqual(readDictionary(text), members, text);
  });

  test("with anything out of place is none", () => {
    const broken = [
      ...[
        "A",
        "1",
        "-",
        "=1",
        ",",
        "a,",
        "a, ",
        ",a",
        "a,,b",
        "a b",
        "\ta",
        "a\t",
        "a=1b",
        "a==1",
        "a= 1",
        "a =1",
      ],
      ...[
        "a=",
        "a=-",
        "a=--1",
        "a=1.",
        "a=1.2345",
        "a=.5",
        "a=1234567890123456",
        "a=1234567890123.1",
        "a=1.2.3",
      ],
      ...["a=?", "a=?2", "a=?11", 'a="', 'a="x', 'a="\\x"', 'a="\x1f"', 'a="\x7f"', 'a="\xe9"', 'a="\\'],
      ...["a=:", "a=:x", "a=:!:", "a=@", "a=@1.5", "a=@x", 'a=%"', "a=%x", 'a=%"%C3"', 'a=%"%c"', 'a=%"%'],
      ...["a=(", "a=(1", "a=(1,2)", "a=(1 2", "a=)", 'a=("x"1)', "a=(1)2", "a=((1))", "a=(1;)"],
      ...["a;", "a;=1", "a;b=", "a;B", "a; ", "a=1;;b", "\xe9", "a=\xe9", "a=#"],
    ];
    for (const text of broken) assert.equal(readDictionary(text), null, JSON.stringify(text));
  });

  test("is read to its end, whatever it is", () => {
    const alphabet = fc.constantFrom(...'au=013.,; ()":?%@*-\\\t/A\x7f\xff');
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 40 }), (text) => {
        readDictionary(text);
      }),
      { numRuns: 5000 },
    );
  });

  test("survives being put together again", () => {
    const key = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,5}$/);
    const value = fc.oneof(fc.boolean(), fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 6 }), (members) => {
        const text = members.map(
          ([name, item]) => `${name}=${typeof item === "boolean" ? `?${Number(item)}` : item}`,
        );
        const expected = members.map(([name, item]) => [name, item === 0 ? 0 : item] as const);
        assert.deepEqual(readDictionary(text.join(" ,\t")), expected);
      }),
    );
  });
});
