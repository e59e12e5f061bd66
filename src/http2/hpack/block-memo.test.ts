import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBlock, encodeBlock, hex, literals, type Pair } from "../../../test/kit/hpack.ts";
import { FIELD_STRIDE } from "../../http/field-table.ts";
import { BlockKind, FieldBlock } from "./field-block.ts";
import { DecodeOutcome, HeaderDecoder } from "./header-decoder.ts";
import { HeaderEncoder } from "./header-encoder.ts";

const { Request, Trailers } = BlockKind;

const GET: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "example.com"],
  [":path", "/"],
];

const HEADS: readonly (readonly Pair[])[] = [
  GET,
  [...GET, ["accept", "*/*"], ["content-length", "12"]],
  [...GET, ["cookie", "a=1"], ["x", "y"], ["cookie", "b=22"], ["cookie", "c"]],
  [...GET, ["authorization", "never indexed"], ["x", "y"]],
  [...GET, ["x-long", "l".repeat(3000)]],
  [...GET, ["x-fills", "f".repeat(1900)], ["etag", "1"]],
  [...GET, ["etag", "1"]],
];

/** All that a block says. */
function contentOf(block: FieldBlock): unknown {
  const { count, present, pseudo, contentLength, listSize, problem, fieldsStart, fieldsEnd, hasGuarded } =
    block;
  const offsets = [...block.offsets.subarray(0, count * FIELD_STRIDE)];
  const text = block.bytes.toString("latin1", 0, fieldsEnd);
  const guarded = [...block.guarded.subarray(0, count)];
  return {
    offsets,
    text,
    guarded,
    present,
    pseudo,
    contentLength,
    listSize,
    problem,
    fieldsStart,
    hasGuarded,
  };
}

describe("a block that comes again", () => {
  test("is what it would be to a decoder that remembers nothing", () => {
    const step = fc.record({ head: fc.nat(HEADS.length - 1), other: fc.boolean(), asTrailers: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const encoder = new HeaderEncoder();
        const decoder = new HeaderDecoder();
        const blocks = [new FieldBlock(), new FieldBlock()] as const;
        const sent: Buffer[] = [];
        for (const { head, other, asTrailers } of steps) {
          const bytes = encodeBlock(encoder, HEADS[head]!);
          sent.push(Buffer.from(bytes));
          const kind = asTrailers === 0 ? Trailers : Request;
          const block = blocks[other ? 1 : 0];
          const { outcome } = decodeBlock(bytes, kind, decoder, block);
          // All that was sent before, to one that can't have seen the last block twice in a row.
          const fresh = new HeaderDecoder();
          const expected = new FieldBlock();
          for (const before of sent.slice(0, -1)) {
            decodeBlock(before, Trailers, fresh);
            decodeBlock(Buffer.of(0x82), Trailers, fresh);
          }
          assert.equal(outcome, decodeBlock(bytes, kind, fresh, expected).outcome);
          assert.deepEqual(contentOf(block), contentOf(expected));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("isn't taken for the one before when the table has changed", () => {
    const decoder = new HeaderDecoder();
    const named = (value: string) => Buffer.concat([hex("40"), literals([["x", value]]).subarray(1)]);
    decodeBlock(named("one"), Trailers, decoder);
    assert.deepEqual(decodeBlock(hex("be"), Trailers, decoder).pairs, [["x", "one"]]);
    assert.deepEqual(decodeBlock(hex("be"), Trailers, decoder).pairs, [["x", "one"]]);
    decodeBlock(named("two"), Trailers, decoder);
    assert.deepEqual(decodeBlock(hex("be"), Trailers, decoder).pairs, [["x", "two"]]);
    // The table is emptied.
    assert.equal(decodeBlock(hex("20"), Trailers, decoder).outcome, DecodeOutcome.Complete);
    assert.equal(decodeBlock(hex("be"), Trailers, decoder).outcome, DecodeOutcome.Broken);
  });

  test("has to be told of a smaller table first, like any other", () => {
    const decoder = new HeaderDecoder();
    const block = literals([["x", "y"]]);
    for (let i = 0; i < 3; i++)
      assert.equal(decodeBlock(block, Trailers, decoder).outcome, DecodeOutcome.Complete);
    decoder.limitTable(64);
    assert.equal(decodeBlock(block, Trailers, decoder).outcome, DecodeOutcome.Broken);
  });
});
