import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIELD_STRIDE, type FieldTable, VALUE_END } from "../../src/http/field-table.ts";
import { FieldBlock } from "../../src/http2/hpack/field-block.ts";
import { DecodeOutcome, HeaderDecoder } from "../../src/http2/hpack/header-decoder.ts";
import { HeaderEncoder } from "../../src/http2/hpack/header-encoder.ts";
import { encodeBlock, literals, type Pair } from "../kit/hpack.ts";
import { Random } from "./random.ts";

/*
 * FUZZ_ITERATIONS=10000000 FUZZ_SEED=7 node --test test/fuzz/hpack.test.ts
 *
 * A failure names its iteration's seed; FUZZ_SEED with it and FUZZ_ITERATIONS=1 repeat it alone.
 */
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 40_000);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);

const names = [
  "accept",
  "cookie",
  "host",
  "te",
  "content-length",
  "x-long-name",
  ":path",
  ":method",
  "Upper",
];
const values = ["", "a=b", "trailers", "12", "/", "GET", "x".repeat(300), "\x00", "gzip, deflate", " y"];
const limits = { listSize: 2000, fields: 20 };

function someFields(random: Random): Pair[] {
  return Array.from({ length: random.below(12) }, () => [random.pick(names), random.pick(values)] as const);
}

function validBlock(random: Random): Buffer {
  const fields = someFields(random);
  if (random.below(3) === 0) return literals(fields);
  const usual = fields.filter(([name, value]) => !name.startsWith(":") && !value.includes("\x00"));
  return encodeBlock(new HeaderEncoder(random.pick([0, 100, 4096])), usual);
}

function mutated(random: Random): Buffer {
  const bytes = random.below(4) === 0 ? Buffer.alloc(random.below(60)) : validBlock(random);
  if (random.below(4) === 0) for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
  for (let changes = random.below(4); changes > 0 && bytes.length > 0; changes--) {
    bytes[random.below(bytes.length)] = random.pick([
      0,
      0xff,
      0x7f,
      0x80,
      0xbe,
      0x3f,
      0x20,
      random.below(256),
    ]);
  }
  return random.below(5) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

/** Lines follow each other without a gap, each offset where it should be. */
function assertWellFormed(table: FieldTable, start: number, context: string): void {
  const lines = table.bytes.toString("latin1", start, table.fieldsEnd);
  assert.match(lines, /^(?:[!#$%&'*+\-.^_`|~0-9a-z]+: [\t -~\x80-\xff]*\r\n)*$/, context);
  assert.equal(lines.split("\r\n").length - 1, table.count, context);
  if (table.count === 0) return;
  assert.equal(table.offsets[(table.count - 1) * FIELD_STRIDE + VALUE_END]! + 2, table.fieldsEnd, context);
}

describe("the decoder of field blocks", () => {
  test("takes whatever comes without throwing, growing or making up lines", () => {
    const counts = [0, 0, 0];
    const block = new FieldBlock(limits);
    let decoder = new HeaderDecoder();
    for (let i = 0; i < iterations; i++) {
      const seed = firstSeed + i;
      const random = new Random(seed);
      if (random.below(20) === 0) decoder = new HeaderDecoder();
      if (random.below(30) === 0) decoder.limitTable(random.pick([0, 100, 4096, 8192]));
      const bytes = mutated(random);
      const context = `seed ${seed}: ${bytes.toString("hex")}`;
      const outcome = decoder.decode(bytes, 0, bytes.length, block, random.pick([0, 1, 2]));
      counts[outcome]!++;
      assert.ok(decoder.tableBytes <= 8192, context);
      assert.ok(block.bytes.length <= 32 * 1024, context);
      assertWellFormed(block, block.fieldsStart, context);
      assert.equal(block.problem === null || block.count === 0, true, context);
      if (outcome === DecodeOutcome.Broken) decoder = new HeaderDecoder();
    }
    // A fuzzer whose mutations break everything, or nothing, tests nothing.
    if (iterations >= 1000) assert.ok(Math.min(...counts) > iterations / 40, counts.join());
  });
});
