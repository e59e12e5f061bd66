import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBlock, encodeBlock, hex, literals, type Pair } from "../../../test/kit/hpack.ts";
import { FieldId } from "../../http/field-names.ts";
import { EMPTY_TABLE, type FieldTable, type HeadSource } from "../../http/field-table.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import { BlockKind, FieldBlock } from "./field-block.ts";
import { Pseudo } from "./field-kinds.ts";
import { DecodeOutcome, HeaderDecoder } from "./header-decoder.ts";
import { blockRoom, HeaderEncoder } from "./header-encoder.ts";

const { Trailers } = BlockKind;
const HOST_BIT: number = 1 << FieldId.Host;

/** Headers over received fields. */
function received(fields: readonly Pair[]): { table: FieldTable; headers: HttpHeaders } {
  const { block } = decodeBlock(literals(fields), Trailers);
  const source: HeadSource = { table: () => block, retain() {}, settle() {} };
  return { table: block, headers: new HttpHeaders(source) };
}

function encodeFields(table: FieldTable, headers: HttpHeaders | null, dropped: number, lines = ""): Buffer {
  const encoder = new HeaderEncoder();
  const out = Buffer.alloc(blockRoom(table, headers, lines));
  encoder.begin(out, 0);
  encoder.fields(table, headers, dropped);
  encoder.lines(lines);
  return out.subarray(0, encoder.end());
}

function decoded(bytes: Buffer, decoder?: HeaderDecoder): readonly Pair[] {
  const { outcome, pairs } = decodeBlock(bytes, Trailers, decoder);
  assert.equal(outcome, DecodeOutcome.Complete);
  return pairs;
}

describe("fields", () => {
  test("are sent as received, changed, deleted and added", () => {
    const { table, headers } = received([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ]);
    headers.set("B", "two");
    headers.delete("c");
    headers.append("X-Added", "  4 ");
    assert.deepEqual(decoded(encodeFields(table, headers, 0)), [
      ["a", "1"],
      ["b", "two"],
      ["x-added", "4"],
    ]);
  });

  test("of the connection are left out, and those that the caller names by id", () => {
    const { table, headers } = received([
      ["te", "trailers"],
      ["host", "a"],
      ["via", "1.1 b"],
      ["x", "y"],
    ]);
    headers.append("Connection", "close");
    headers.append("Keep-Alive", "5");
    assert.deepEqual(decoded(encodeFields(table, headers, HOST_BIT)), [
      ["via", "1.1 b"],
      ["x", "y"],
    ]);
  });

  test("may be given as lines of HTTP/1", () => {
    const lines = "Via: 1.1 sluice\r\nX-Forwarded-For:203.0.113.7\r\nX-Empty: \r\n";
    assert.deepEqual(decoded(encodeFields(EMPTY_TABLE, null, 0, lines)), [
      ["via", "1.1 sluice"],
      ["x-forwarded-for", "203.0.113.7"],
      ["x-empty", ""],
    ]);
  });
});

describe("fields that came as never to be indexed", () => {
  const guardedLiteral = (name: string, value: string) => {
    const bytes = literals([[name, value]]);
    bytes[0] = 0x10;
    return bytes;
  };

  test("go on as such, and no others", () => {
    const fields = [literals([["a", "1"]]), guardedLiteral("x-secret", "2"), literals([["b", "3"]])];
    const { block } = decodeBlock(Buffer.concat(fields), Trailers);
    assert.deepEqual([...block.guarded.subarray(0, 3)], [0, 1, 0]);
    const encoder = new HeaderEncoder();
    const decoder = new HeaderDecoder();
    for (const size of [20, 12]) {
      const out = Buffer.alloc(blockRoom(block, null, ""));
      encoder.begin(out, 0);
      encoder.fields(block, null, 0, block.hasGuarded ? block.guarded : null);
      const bytes = out.subarray(0, encoder.end());
      assert.equal(bytes.length, size);
      const sent = decodeBlock(bytes, Trailers, decoder);
      assert.deepEqual(sent.pairs, [
        ["a", "1"],
        ["x-secret", "2"],
        ["b", "3"],
      ]);
      assert.deepEqual([...sent.block.guarded.subarray(0, 3)], [0, 1, 0]);
    }
  });

  test("are forgotten with the block, and are cookies too", () => {
    const block = new FieldBlock();
    const decoder = new HeaderDecoder();
    const crumbs = [literals([["cookie", "a=1"]]), guardedLiteral("cookie", "b=2")];
    decodeBlock(Buffer.concat(crumbs), Trailers, decoder, block);
    assert.deepEqual([block.count, block.guarded[0], block.hasGuarded], [1, 1, true]);
    const apart = [crumbs[1]!, literals([["x", "y"]]), crumbs[0]!];
    decodeBlock(Buffer.concat(apart), Trailers, decoder, block);
    assert.deepEqual([block.count, block.guarded[1]], [2, 1]);
    decodeBlock(literals([["cookie", "a=1"]]), Trailers, decoder, block);
    assert.deepEqual([block.guarded[0], block.hasGuarded], [0, false]);
  });
});

describe("pseudo-header fields", () => {
  test("are one byte each where the static table has them", () => {
    const fields: Pair[] = [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/"],
    ];
    assert.deepEqual(encodeBlock(new HeaderEncoder(), fields), hex("82 87 84"));
    const encoder = new HeaderEncoder();
    const out = Buffer.alloc(100);
    encoder.begin(out, 0);
    encoder.status(404);
    assert.deepEqual(out.subarray(0, encoder.end()), hex("8d"));
  });

  test("hold any other value too", () => {
    const encoder = new HeaderEncoder();
    const out = Buffer.alloc(100);
    encoder.begin(out, 0);
    encoder.status(418);
    const { block } = decodeBlock(out.subarray(0, encoder.end()), BlockKind.Response);
    assert.equal(block.status, 418);
  });

  test("have the authority that Host says", () => {
    const host = (headers: HttpHeaders | null, table: FieldTable) => {
      const encoder = new HeaderEncoder();
      const out = Buffer.alloc(200);
      encoder.begin(out, 0);
      for (const [pseudo, value] of [
        [Pseudo.Method, "GET"],
        [Pseudo.Scheme, "http"],
        [Pseudo.Path, "/"],
      ] as const)
        encoder.pseudo(pseudo, value);
      const isThere = encoder.hostAsAuthority(table, headers);
      const { block } = decodeBlock(out.subarray(0, encoder.end()), BlockKind.Request);
      return isThere ? block.pseudoText(Pseudo.Authority) : null;
    };
    const { table, headers } = received([["host", "a.example"]]);
    assert.equal(host(null, table), "a.example");
    assert.equal(host(headers, table), "a.example");
    headers.set("Host", "b.example");
    assert.equal(host(headers, table), "b.example");
    headers.delete("host");
    assert.equal(host(headers, table), null);
    assert.equal(host(null, EMPTY_TABLE), null);
    // One of HTTP/1 may be empty, :authority may not (RFC 9113 §8.3.1).
    const empty = received([["host", ""]]);
    assert.equal(host(null, empty.table), null);
    headers.set("Host", "");
    assert.equal(host(headers, table), null);
  });
});

describe("the table", () => {
  const sizes = (fields: readonly Pair[]) => {
    const encoder = new HeaderEncoder();
    return [encodeBlock(encoder, fields).length, encodeBlock(encoder, fields).length];
  };

  test("makes a field that comes again one byte", () => {
    assert.deepEqual(sizes([["x-custom", "some value"]])[1], 1);
    assert.deepEqual(
      sizes([
        ["user-agent", "curl/8.14.1"],
        ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ])[1],
      2,
    );
  });

  test("has the names too", () => {
    const encoder = new HeaderEncoder();
    encodeBlock(encoder, [["x-custom", "0"]]);
    assert.equal(encodeBlock(encoder, [["x-custom", "1"]]).length, 3);
  });

  const kept = ["content-length", "etag", "set-cookie", "x-request-id"];
  for (const name of kept) {
    test(`isn't used for ${name}`, () => {
      const [first, second] = sizes([[name, "0123456789"]]);
      assert.equal(first, second);
    });
  }

  test("isn't used for long paths", () => {
    const [first, second] = sizes([[":path", `/${"x".repeat(70)}`]]);
    assert.equal(first, second);
    assert.equal(sizes([[":path", "/some/path"]])[1], 1);
  });

  for (const [name, value] of [
    ["authorization", "Basic dGVzdDp0ZXN0"],
    ["cookie", "a=b"],
  ] as const) {
    test(`is never to be used by anybody for ${name}`, () => {
      const block = encodeBlock(new HeaderEncoder(), [[name, value]]);
      assert.equal(block[0]! & 0xf0, 0x10);
    });
  }

  test("keeps cookies that nobody guesses", () => {
    assert.equal(sizes([["cookie", "session=0123456789abcdef"]])[1], 1);
  });

  test("isn't emptied for a field that takes most of it", () => {
    const encoder = new HeaderEncoder();
    const decoder = new HeaderDecoder();
    decoded(encodeBlock(encoder, [["x", "y"]]), decoder);
    decoded(encodeBlock(encoder, [["large", "z".repeat(3000)]]), decoder);
    assert.equal(decoder.tableBytes, 34);
    assert.equal(encodeBlock(encoder, [["x", "y"]]).length, 1);
  });

  test("is given up when the peer wants none, and taken up again", () => {
    const encoder = new HeaderEncoder();
    const fields: Pair[] = [["x", "y"]];
    encodeBlock(encoder, fields);
    encoder.limitTable(0);
    const without = encodeBlock(encoder, fields);
    assert.deepEqual(without, hex("20 00 0178 0179"));
    encoder.limitTable(100);
    encoder.limitTable(4096);
    assert.deepEqual(encodeBlock(encoder, fields).subarray(0, 6), hex("3f45 3fe11f 40"));
  });

  test("has been as small as the peer ever wanted", () => {
    const encoder = new HeaderEncoder();
    encodeBlock(encoder, [["x", "y"]]);
    encoder.limitTable(0);
    encoder.limitTable(4096);
    assert.deepEqual(encodeBlock(encoder, [["x", "y"]]).subarray(0, 5), hex("20 3fe11f 40"));
  });

  test("is no larger than we want it, whatever the peer allows", () => {
    const encoder = new HeaderEncoder(64);
    encoder.limitTable(65_536);
    const decoder = new HeaderDecoder();
    const first = encodeBlock(encoder, [["a", "b"]]);
    assert.deepEqual(first.subarray(0, 2), hex("3f21"));
    decoded(first, decoder);
    for (let i = 0; i < 20; i++) decoded(encodeBlock(encoder, [[`name${i}`, "v"]]), decoder);
    assert.ok(decoder.tableBytes <= 64);
  });
});

describe("blocks come back as they were", () => {
  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((name) => !special.has(name));
  const special = new Set(["te", "host", "connection", "upgrade", "cookie", "content-length"]);
  const known = fc.constantFrom(
    "accept",
    "user-agent",
    "etag",
    "x-request-id",
    "date",
    "set-cookie",
    "a",
    "b",
  );
  const value = fc.array(fc.constantFrom(..."abc 09ä%\\\t~\x80\xff"), { maxLength: 40 }).map((characters) =>
    characters
      .join("")
      .trim()
      .replaceAll(/[^\t -~\x80-\xff]/g, ""),
  );
  const pair = fc.tuple(fc.oneof(known, token), fc.oneof(value, fc.constantFrom("gzip, deflate", "", "v")));
  const block = fc.array(pair, { maxLength: 20 });
  const size = fc.constantFrom(0, 33, 64, 100, 300, 4096, 10_000);

  test("whatever the fields and however the table's size changes", () => {
    const run = fc.array(fc.tuple(block, fc.option(size)), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(run, fc.constantFrom(0, 100, 4096, 16_384), (steps, own) => {
        const encoder = new HeaderEncoder(own);
        const decoder = new HeaderDecoder();
        for (const [fields, limit] of steps) {
          if (limit !== null) {
            encoder.limitTable(limit);
            decoder.limitTable(limit);
          }
          assert.deepEqual(decoded(encodeBlock(encoder, fields), decoder), fields);
        }
      }),
      { numRuns: 400 },
    );
  });

  test("from borrowed bytes as from strings", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), (blocks) => {
        const encoder = new HeaderEncoder();
        const decoder = new HeaderDecoder();
        for (const fields of blocks) {
          const { table } = received(fields);
          const out = Buffer.alloc(blockRoom(table, null, ""));
          encoder.begin(out, 0);
          encoder.fields(table, null, 0);
          assert.deepEqual(decoded(out.subarray(0, encoder.end()), decoder), fields);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("cut off at any byte they are broken, or say less, and nothing is thrown", () => {
    fc.assert(
      fc.property(block, (fields) => {
        const bytes = encodeBlock(new HeaderEncoder(), fields);
        for (let end = 0; end < bytes.length; end++) {
          const { outcome, pairs } = decodeBlock(bytes.subarray(0, end), Trailers);
          if (outcome === DecodeOutcome.Complete) assert.deepEqual(pairs, fields.slice(0, pairs.length));
          else assert.equal(outcome, DecodeOutcome.Broken);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a section that comes again", () => {
  /** Encodes and decodes the untouched sections one after the other; returns the length of each block. */
  function send(
    sections: readonly (readonly Pair[])[],
    between: (encoder: HeaderEncoder, i: number) => void = () => {},
  ) {
    const encoder = new HeaderEncoder();
    const decoder = new HeaderDecoder();
    return sections.map((fields, i) => {
      between(encoder, i);
      const { table } = received(fields);
      const out = Buffer.alloc(blockRoom(table, null, "") + 64);
      encoder.begin(out, 0);
      encoder.status(200);
      encoder.fields(table, null, 0);
      const bytes = out.subarray(0, encoder.end());
      const { outcome, pairs } = decodeBlock(bytes, BlockKind.Response, decoder);
      assert.equal(outcome, DecodeOutcome.Complete);
      assert.deepEqual(pairs, [[":status", "200"], ...fields]);
      return bytes.length;
    });
  }

  const section = (etag: string, name = "x-name"): Pair[] => [
    [name, "a value that is indexed"],
    ["etag", etag],
    ["server", "one"],
  ];

  test("is as short as before, and right when others stand between", () => {
    const [a, b] = [section('"one"'), section('"two, longer"')];
    const lengths = send([a, a, a, b, a, a, b]);
    assert.equal(lengths[1], lengths[2]);
    assert.equal(lengths[4], lengths[2]);
    assert.ok(lengths[1]! < lengths[0]!);
  });

  test("is right whatever happened to the table meanwhile", () => {
    const sections = fc.array(
      fc.record({
        name: fc.integer({ min: 0, max: 4 }),
        etag: fc.integer({ min: 0, max: 1 }),
        size: fc.option(fc.constantFrom(0, 60, 200, 4096), { freq: 8 }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(sections, (steps) => {
        // The decoder would have to be told of limits, so only those are used that it knows.
        send(
          steps.map(({ name, etag }) => section(`"${etag}"`, `x-${"n".repeat(name * 300 + 1)}`)),
          (encoder, i) => {
            const { size } = steps[i]!;
            if (size !== null) encoder.limitTable(size);
          },
        );
      }),
    );
  });
});
