import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeBlock, hex, integer, literals, type Pair } from "../../../test/kit/hpack.ts";
import { FieldId } from "../../http/field-names.ts";
import { idAt } from "../../http/field-table.ts";
import { BlockKind, FieldBlock } from "./field-block.ts";
import { DecodeOutcome, HeaderDecoder } from "./header-decoder.ts";

const { Request, Response, Trailers } = BlockKind;
const { Broken, Complete, Refused } = DecodeOutcome;

const GET: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "example.com"],
  [":path", "/"],
];

/** `name: value` remembered in the table. */
function incremental(name: string, value: string): Buffer {
  const bytes = literals([[name, value]]);
  bytes[0] = 0x40;
  return bytes;
}

function problemOf(kind: BlockKind, fields: readonly Pair[]): string | null {
  const { outcome, problem } = decodeBlock(literals(fields), kind);
  assert.equal(outcome, problem === null ? Complete : Refused);
  return problem;
}

describe("a decoded block", () => {
  test("stands there as the lines that it is in HTTP/1, the host first", () => {
    const fields: Pair[] = [...GET, ["accept", "*/*"], ["content-length", "12"]];
    const { block } = decodeBlock(literals(fields), Request);
    const lines = block.bytes.toString("latin1", block.fieldsStart, block.fieldsEnd);
    assert.equal(lines, "host: example.com\r\naccept: */*\r\ncontent-length: 12\r\n");
    assert.deepEqual([idAt(block, 0), idAt(block, 1), idAt(block, 2)], [1, 0, 2]);
    assert.equal(block.contentLength, 12);
    assert.equal(block.present, (1 << FieldId.Other) | (1 << FieldId.Host) | (1 << FieldId.ContentLength));
  });

  test("has a host line also if the authority comes first, or nothing follows", () => {
    const [method, scheme, authority, path] = GET;
    const { block } = decodeBlock(literals([authority!, method!, path!, scheme!]), Request);
    assert.equal(block.bytes.toString("latin1", block.fieldsStart, block.fieldsEnd), "host: example.com\r\n");
  });

  test("is made of runs when its fields stand in the table one behind the other", () => {
    const decoder = new HeaderDecoder();
    const names = ["a", "b", "c", "cookie", "d", "e"];
    const first = Buffer.concat(names.map((name) => incremental(name, `${name}-value`)));
    const pairs = names.map((name): Pair => [name, `${name}-value`]);
    assert.deepEqual(decodeBlock(first, Trailers, decoder).pairs, pairs);
    assert.deepEqual(decodeBlock(hex("c3 c2 c1 c0 bf be"), Trailers, decoder).pairs, pairs);
    const backwards = decodeBlock(hex("be bf c0 c1 c2 c3"), Trailers, decoder);
    assert.deepEqual(backwards.pairs, pairs.toReversed());
    const mixed = decodeBlock(
      Buffer.concat([hex("c3"), literals([["x", "y"]]), hex("c2 c2 be 90")]),
      Trailers,
      decoder,
    );
    assert.deepEqual(mixed.pairs, [
      ["a", "a-value"],
      ["x", "y"],
      ["b", "b-value"],
      ["b", "b-value"],
      ["e", "e-value"],
      ["accept-encoding", "gzip, deflate"],
    ]);
  });

  test("tells a response's status", () => {
    const { block } = decodeBlock(literals([[":status", "204"]]), Response);
    assert.equal(block.status, 204);
  });
});

describe("cookies", () => {
  const cookiesOf = (fields: readonly Pair[]) => decodeBlock(literals(fields), Trailers).pairs;

  test("are joined from crumbs that follow each other", () => {
    const crumbs: Pair[] = ["a=1", "b=2", "c=3"].map((crumb) => ["cookie", crumb]);
    assert.deepEqual(cookiesOf([["x", "1"], ...crumbs, ["y", "2"]]), [
      ["x", "1"],
      ["cookie", "a=1; b=2; c=3"],
      ["y", "2"],
    ]);
  });

  test("are joined from crumbs with other fields between them, and stand last", () => {
    const fields: Pair[] = [
      ["x", "1"],
      ["cookie", "a=1"],
      ["y", "2"],
      ["cookie", "b=2"],
      ["cookie", "c=3"],
      ["cookies", "3"],
      ["cookie", "d=4"],
    ];
    assert.deepEqual(cookiesOf(fields), [
      ["x", "1"],
      ["y", "2"],
      ["cookies", "3"],
      ["cookie", "a=1; b=2; c=3; d=4"],
    ]);
  });

  test("are joined also when that needs more memory", () => {
    const crumbs = Array.from({ length: 12 }, (_, i) => `${i}=${"x".repeat(997)}`);
    const fields = crumbs.flatMap((crumb, i): Pair[] => [
      ["cookie", crumb],
      [`x${i}`, "y"],
    ]);
    assert.deepEqual(cookiesOf(fields).at(-1), ["cookie", crumbs.join("; ")]);
  });
});

describe("a block is malformed", () => {
  const badNames = ["", "Accept", "a b", "a:", "a\0", "a\x7f", "a\xe4", "a\r\n", ":unknown", ":Path"];
  for (const name of badNames) {
    test(`with the name ${JSON.stringify(name)}`, () => {
      assert.equal(problemOf(Request, [...GET, [name, "x"]]), "BAD_FIELD_NAME");
    });
  }

  const badValues = ["a\0", "a\nb", "a\rb", "\x7f", " a", "a ", "\ta", "a\t", " "];
  for (const value of badValues) {
    test(`with the value ${JSON.stringify(value)}`, () => {
      assert.equal(problemOf(Request, [...GET, ["x", value]]), "BAD_FIELD_VALUE");
      assert.equal(problemOf(Trailers, [["cookie", value]]), "BAD_FIELD_VALUE");
    });
  }

  for (const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]) {
    test(`with ${name}, a field of connections`, () => {
      assert.equal(problemOf(Request, [...GET, [name, "x"]]), "BAD_FIELD_NAME");
      assert.equal(
        problemOf(Response, [
          [":status", "200"],
          [name, "x"],
        ]),
        "BAD_FIELD_NAME",
      );
    });
  }

  test("with a te that asks for more than trailers", () => {
    assert.equal(problemOf(Request, [...GET, ["te", "gzip"]]), "BAD_FIELD_VALUE");
    assert.equal(problemOf(Request, [...GET, ["te", "trailers, gzip"]]), "BAD_FIELD_VALUE");
    assert.equal(problemOf(Request, [...GET, ["te", "trailers"]]), null);
  });

  test("with a host that isn't the authority, or several", () => {
    const withoutAuthority = GET.filter(([name]) => name !== ":authority");
    assert.equal(problemOf(Request, [...GET, ["host", "example.org"]]), "BAD_HOST");
    assert.equal(problemOf(Request, [...GET, ["host", ""]]), "BAD_HOST");
    assert.equal(problemOf(Request, [...GET, ["host", "EXAMPLE.com"]]), null);
    assert.equal(problemOf(Request, [...withoutAuthority, ["host", "a"], ["host", "a"]]), "BAD_HOST");
    assert.equal(problemOf(Request, [...withoutAuthority, ["host", "a"]]), null);
    assert.equal(problemOf(Request, withoutAuthority), "BAD_HOST");
  });

  test("a host that repeats the authority is left out", () => {
    const { block } = decodeBlock(literals([...GET, ["host", "example.com"], ["x", "y"]]), Request);
    const lines = block.bytes.toString("latin1", block.fieldsStart, block.fieldsEnd);
    assert.equal(lines, "host: example.com\r\nx: y\r\n");
  });

  for (const length of ["", "-1", "+1", "1, 1", "0x1", "01", "1.0", "1234567890123456"]) {
    test(`with a content-length of ${JSON.stringify(length)}`, () => {
      assert.equal(problemOf(Request, [...GET, ["content-length", length]]), "BAD_CONTENT_LENGTH");
    });
  }

  test("with two lengths, even if they are equal", () => {
    const fields: Pair[] = [...GET, ["content-length", "1"], ["content-length", "1"]];
    assert.equal(problemOf(Request, fields), "BAD_CONTENT_LENGTH");
  });
});

describe("pseudo-header fields", () => {
  const without = (name: string) => GET.filter(([other]) => other !== name);
  const replaced = (name: string, value: string) =>
    GET.map(([other, was]): Pair => [other, other === name ? value : was]);

  test("come before all others", () => {
    assert.equal(problemOf(Request, [...without(":path"), ["x", "y"], [":path", "/"]]), "BAD_PSEUDO_FIELD");
  });

  for (const [name, value] of GET) {
    test(`${name} comes once`, () => {
      assert.equal(problemOf(Request, [...GET, [name, value]]), "BAD_PSEUDO_FIELD");
    });
  }

  for (const name of [":method", ":scheme", ":path"]) {
    test(`${name} can't be missing or empty`, () => {
      assert.equal(problemOf(Request, without(name)), "MISSING_PSEUDO_FIELD");
      assert.equal(problemOf(Request, replaced(name, "")), "BAD_PSEUDO_FIELD");
    });
  }

  const bad: readonly Pair[] = [
    [":method", "G T"],
    [":scheme", "1http"],
    [":scheme", "ht tp"],
    [":authority", ""],
    [":authority", "user@example.com"],
    [":authority", "a/b"],
    [":authority", "a b"],
    [":authority", "a:b"],
    [":authority", "a:123456"],
    [":authority", "[::1"],
    [":authority", "[]"],
    [":path", "index.html"],
    [":path", "/a b"],
    [":path", "/a#b"],
    [":path", "/\xe4"],
    [":path", "**"],
  ];
  for (const [name, value] of bad) {
    test(`${name} can't be ${JSON.stringify(value)}`, () => {
      assert.equal(problemOf(Request, replaced(name, value)), "BAD_PSEUDO_FIELD");
    });
  }

  for (const authority of ["a", "a:", "a:80", "[::1]", "[::1]:8080", "127.0.0.1:1", "a_b-c.d~e"]) {
    test(`the authority can be ${authority}`, () => {
      assert.equal(problemOf(Request, replaced(":authority", authority)), null);
    });
  }

  test("the path is * for OPTIONS only", () => {
    assert.equal(problemOf(Request, replaced(":path", "*")), "BAD_TARGET");
    const [, ...rest] = replaced(":path", "*");
    assert.equal(problemOf(Request, [[":method", "OPTIONS"], ...rest]), null);
  });

  test("CONNECT has an authority and nothing else", () => {
    const connect: Pair[] = [
      [":method", "CONNECT"],
      [":authority", "example.com:443"],
    ];
    assert.equal(problemOf(Request, connect), null);
    assert.equal(problemOf(Request, connect.slice(0, 1)), "MISSING_PSEUDO_FIELD");
    assert.equal(problemOf(Request, [...connect, [":path", "/"]]), "BAD_PSEUDO_FIELD");
    assert.equal(problemOf(Request, [...connect, [":scheme", "https"]]), "BAD_PSEUDO_FIELD");
  });

  test("extended CONNECT has all of them", () => {
    const [, ...rest] = GET;
    const connect: Pair[] = [[":method", "CONNECT"], [":protocol", "websocket"], ...rest];
    assert.equal(problemOf(Request, connect), null);
    for (const name of [":scheme", ":path", ":authority"]) {
      const less = connect.filter(([other]) => other !== name);
      assert.equal(problemOf(Request, less), "MISSING_PSEUDO_FIELD", name);
    }
    assert.equal(problemOf(Request, [[":protocol", "websocket"], ...GET]), "BAD_PSEUDO_FIELD");
  });

  test("a response has its status and nothing else", () => {
    assert.equal(problemOf(Response, []), "MISSING_PSEUDO_FIELD");
    assert.equal(
      problemOf(Response, [
        [":status", "200"],
        [":path", "/"],
      ]),
      "BAD_PSEUDO_FIELD",
    );
    for (const status of ["", "20", "2000", "099", "2x0", "101"]) {
      assert.equal(problemOf(Response, [[":status", status]]), "BAD_PSEUDO_FIELD", status);
    }
    assert.equal(problemOf(Request, [...GET, [":status", "200"]]), "BAD_PSEUDO_FIELD");
  });

  test("trailers have none", () => {
    assert.equal(problemOf(Trailers, [[":status", "200"]]), "BAD_PSEUDO_FIELD");
    assert.equal(problemOf(Trailers, [[":path", "/"]]), "BAD_PSEUDO_FIELD");
    assert.equal(problemOf(Trailers, [["grpc-status", "0"]]), null);
  });
});

describe("after a malformed block the table is in step", () => {
  test("and a bad field is bad again when it is referred to", () => {
    const decoder = new HeaderDecoder();
    const bad = Buffer.concat([incremental("x", "a\nb"), incremental("good", "value")]);
    assert.equal(decodeBlock(bad, Trailers, decoder).problem, "BAD_FIELD_VALUE");
    assert.deepEqual(decodeBlock(hex("be"), Trailers, decoder).pairs, [["good", "value"]]);
    assert.equal(decodeBlock(hex("bf"), Trailers, decoder).problem, "BAD_FIELD_VALUE");
  });

  test("and a bad value doesn't spoil its name, a bad name does spoil other values", () => {
    const decoder = new HeaderDecoder();
    decodeBlock(Buffer.concat([incremental("x", "a\nb"), incremental("Y", "z")]), Trailers, decoder);
    assert.deepEqual(decodeBlock(hex("0f30 0161"), Trailers, decoder).pairs, [["x", "a"]]);
    assert.equal(decodeBlock(hex("0f2f 0161"), Trailers, decoder).problem, "BAD_FIELD_NAME");
  });
});

describe("a connection is broken by", () => {
  const broken: Readonly<Record<string, string>> = {
    "index 0": "80",
    "an index past the tables": "be",
    "a name's index past the tables": "7f00 0161",
    "a string that breaks off": "00 0161 0561",
    "a missing value": "00 0161",
    "a missing name": "40",
    "an integer that breaks off": "ff",
    "an integer that goes on for ever": "ff ffff ffff ffff ffff ffff 01",
    "a Huffman string with bad padding": "00 0161 8218",
    "a change of the table's size after a field": "8286 20",
    "a table that is larger than allowed": "3fe2 1f",
  };
  for (const [what, digits] of Object.entries(broken)) {
    test(what, () => {
      assert.equal(decodeBlock(hex(digits), Trailers).outcome, Broken);
    });
  }
});

describe("the size of the table", () => {
  test("may be changed several times at the beginning of a block", () => {
    const decoder = new HeaderDecoder();
    decodeBlock(incremental("a", "b"), Trailers, decoder);
    assert.equal(decoder.tableBytes, 34);
    const { pairs } = decodeBlock(
      Buffer.concat([hex("20 3fe11f"), literals([["c", "d"]])]),
      Trailers,
      decoder,
    );
    assert.deepEqual(pairs, [["c", "d"]]);
    assert.equal(decoder.tableBytes, 0);
  });

  test("must be lowered after we allow less", () => {
    const lowered = () => {
      const decoder = new HeaderDecoder();
      decoder.limitTable(100);
      return decoder;
    };
    assert.equal(decodeBlock(hex("90"), Trailers, lowered()).outcome, Broken);
    assert.equal(decodeBlock(hex("3fe11f 90"), Trailers, lowered()).outcome, Broken);
    assert.equal(decodeBlock(hex("3f45 90"), Trailers, lowered()).outcome, Complete);
  });

  test("must have been as low as the least that we allowed", () => {
    const decoder = new HeaderDecoder();
    decodeBlock(incremental("a", "b"), Trailers, decoder);
    decoder.limitTable(0);
    decoder.limitTable(4096);
    assert.equal(decodeBlock(hex("20 3fe11f be"), Trailers, decoder).outcome, Broken);
    const other = new HeaderDecoder();
    other.limitTable(0);
    other.limitTable(4096);
    assert.equal(decodeBlock(hex("3fe11f"), Trailers, other).outcome, Broken);
  });

  test("may grow when we allow more, and keeps what was in it", () => {
    const decoder = new HeaderDecoder();
    const fields = Array.from({ length: 40 }, (_, i): Pair => [`name-${i}`, "x".repeat(60)]);
    decodeBlock(Buffer.concat(fields.map(([name, value]) => incremental(name, value))), Trailers, decoder);
    decoder.limitTable(65_536);
    const grown = Buffer.concat([integer(65_536, 0x1f, 0x20), incremental("one", "more"), hex("bf c0 be")]);
    assert.deepEqual(decodeBlock(grown, Trailers, decoder).pairs, [
      ["one", "more"],
      fields[39],
      fields[38],
      ["one", "more"],
    ]);
  });

  test("an entry larger than the table empties it", () => {
    const decoder = new HeaderDecoder();
    decodeBlock(incremental("a", "b"), Trailers, decoder);
    decodeBlock(incremental("a", "b".repeat(5000)), Trailers, decoder);
    assert.equal(decoder.tableBytes, 0);
  });
});

describe("limits", () => {
  const limits = { listSize: 1000, fields: 10 };

  test("on the size of the list count 32 bytes more for each field", () => {
    const fits = literals([["x", "y".repeat(967)]]);
    const over = literals([["x", "y".repeat(968)]]);
    assert.equal(decodeBlock(fits, Trailers, undefined, new FieldBlock(limits)).problem, null);
    assert.equal(decodeBlock(over, Trailers, undefined, new FieldBlock(limits)).problem, "HEAD_TOO_LARGE");
  });

  test("on the number of fields", () => {
    const fields = Array.from({ length: 10 }, (): Pair => ["x", "y"]);
    assert.equal(decodeBlock(literals(fields), Trailers, undefined, new FieldBlock(limits)).problem, null);
    const more = literals([...fields, ["x", "y"]]);
    assert.equal(decodeBlock(more, Trailers, undefined, new FieldBlock(limits)).problem, "TOO_MANY_FIELDS");
  });

  test("leave the table in step", () => {
    const decoder = new HeaderDecoder();
    const block = new FieldBlock(limits);
    const large = Buffer.concat([
      incremental("a", "b"),
      literals([["huge", "x".repeat(20_000)]]),
      incremental("c", "d"),
    ]);
    assert.equal(decodeBlock(large, Trailers, decoder, block).outcome, Refused);
    assert.equal(block.count, 0);
    assert.deepEqual(decodeBlock(hex("bf be"), Trailers, decoder, block).pairs, [
      ["a", "b"],
      ["c", "d"],
    ]);
  });

  test("a huge string empties the table if it is to be remembered", () => {
    const decoder = new HeaderDecoder();
    const block = new FieldBlock(limits);
    decodeBlock(incremental("a", "b"), Trailers, decoder, block);
    assert.equal(
      decodeBlock(incremental("x", "y".repeat(50_000)), Trailers, decoder, block).outcome,
      Refused,
    );
    assert.equal(decoder.tableBytes, 0);
  });

  test("hold against a block of references to one large entry", () => {
    const decoder = new HeaderDecoder();
    const block = new FieldBlock();
    decodeBlock(incremental("x", "y".repeat(4000)), Trailers, decoder, block);
    const bomb = Buffer.alloc(60_000, 0xbe);
    assert.equal(decodeBlock(bomb, Trailers, decoder, block).problem, "HEAD_TOO_LARGE");
    assert.ok(block.bytes.length <= 3 * 64 * 1024, `${block.bytes.length} bytes`);
    assert.equal(decodeBlock(hex("be"), Trailers, decoder, block).pairs.length, 1);
  });
});
