import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBlock, literals, type Pair } from "../../test/kit/hpack.ts";
import { FIELD_STRIDE } from "../http/field-table.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import { BlockKind, type FieldBlock } from "./hpack/field-block.ts";
import { BlockRequest, BlockResponse, guardedOf } from "./received-block.ts";

const { Request, Response } = BlockKind;

function requestOf(method: string, path: string, fields: readonly Pair[]): FieldBlock {
  const pseudo: Pair[] = [
    [":method", method],
    [":scheme", "https"],
    [":authority", "example.com"],
    [":path", path],
  ];
  return decodeBlock(literals([...pseudo, ...fields]), Request).block;
}

/** What the next head does to the block. */
function overwrite(block: FieldBlock): void {
  const fields: Pair[] = [["x", "another head, long enough to stand where the one before it stood"]];
  decodeBlock(
    literals([[":method", "PUT"], [":path", "/y"], [":scheme", "http"], [":authority", "b"], ...fields]),
    Request,
    undefined,
    block,
  );
}

describe("a request's head behind a block", () => {
  test("reads the same when it was retained and the block is another head's", () => {
    for (const method of ["GET", "POST", "GOT", "OPTIONS"]) {
      const block = requestOf(method, "/a/path?of=some&length", [
        ["accept", "*/*"],
        ["x-empty", ""],
      ]);
      const source = new BlockRequest(block);
      const bytes = () => source.table().bytes.toString("latin1", source.targetStart, source.targetEnd);
      assert.deepEqual(
        [source.method(), source.target(), bytes()],
        [method, "/a/path?of=some&length", source.target()],
      );
      source.retain();
      source.settle();
      overwrite(block);
      assert.deepEqual(
        [source.method(), source.target(), bytes()],
        [method, "/a/path?of=some&length", source.target()],
      );
      assert.deepEqual(
        [...HttpHeaders.copyOf(source.table())],
        [
          ["host", "example.com"],
          ["accept", "*/*"],
          ["x-empty", ""],
        ],
      );
    }
  });

  test("has the same table when it is retained, whatever its fields are", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
    const known = fc.constantFrom(
      "accept",
      "cookie",
      "content-length",
      "via",
      "x-forwarded-for",
      "user-agent",
    );
    const value = fc.stringMatching(/^([!-~\x80-\xff]([ -~\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
    const field = fc.tuple(fc.oneof(name, known), value) as fc.Arbitrary<Pair>;
    fc.assert(
      fc.property(fc.array(field, { maxLength: 12 }), (fields) => {
        const block = requestOf("GET", "/", fields);
        fc.pre(block.problem === null);
        const source = new BlockRequest(block);
        const count = block.count;
        const offsets = block.offsets.slice(0, count * FIELD_STRIDE);
        const text = block.bytes.toString("latin1", block.fieldsStart, block.fieldsEnd);
        source.retain();
        source.settle();
        overwrite(block);
        const table = source.table();
        assert.deepEqual(table.offsets, offsets);
        assert.equal(table.count, count);
        assert.equal(table.bytes.toString("latin1", table.offsets[0], table.fieldsEnd), text);
      }),
    );
  });

  test("reads as empty when it wasn't retained", () => {
    const source = new BlockRequest(requestOf("GET", "/", []));
    source.settle();
    assert.deepEqual(
      [source.method(), source.target(), source.targetStart, source.table().count],
      ["", "", -1, 0],
    );
  });
});

test("keeps the marks of fields that are never to be indexed", () => {
  const secret = literals([["x-secret", "1"]]);
  secret[0] = 0x10;
  const bytes = Buffer.concat([
    literals([
      [":status", "200"],
      ["x", "y"],
    ]),
    secret,
  ]);
  const { block } = decodeBlock(bytes, Response);
  const source = new BlockResponse(block);
  assert.deepEqual([...guardedOf(source)!.subarray(0, 2)], [0, 1]);
  source.retain();
  source.settle();
  overwrite(block);
  assert.deepEqual([...guardedOf(source)!], [0, 1]);
});
