import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MessageReader } from "./message-reader.ts";
import { mutate, requestSeeds, responseSeeds } from "./mutations.ts";
import { Random } from "./random.ts";
import { type Reading, readRequests, readResponses } from "./reference-parser.ts";

/*
 * FUZZ_ITERATIONS=1000000 FUZZ_SEED=7 node --test test/fuzz/http1.test.ts
 *
 * A failure names its iteration's seed; FUZZ_SEED with it and FUZZ_ITERATIONS=1 repeat it alone.
 */
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 20_000);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);

function cutsOf(length: number, random: Random): number[] {
  const count = random.below(4) === 0 ? length : random.below(5);
  return Array.from({ length: count }, () => random.below(length + 1)).sort((a, b) => a - b);
}

/** Of text that breaks off, how far a parser gets before it sees that something is wrong is its own affair. */
function assertSame(actual: Reading, expected: Reading, context: string): void {
  assert.deepEqual(actual.messages, expected.messages, context);
  const mayBeLater = expected.end === "unfinished" && actual.end === "refused";
  if (!mayBeLater) assert.equal(actual.end, expected.end, context);
}

function fuzz(kind: "request" | "response", seeds: readonly string[]): void {
  let complete = 0;
  let refused = 0;
  for (let i = 0; i < iterations; i++) {
    const seed = firstSeed + i;
    const random = new Random(seed);
    const text = mutate(seeds, random);
    const bytes = Buffer.from(text, "latin1");
    const isEnd = random.below(2) === 0;
    const expected = kind === "request" ? readRequests(text) : readResponses(text, isEnd);
    const context = `seed ${seed}: ${JSON.stringify(text)}`;
    for (const cuts of [[], cutsOf(bytes.length, random)]) {
      assertSame(MessageReader.read(kind, bytes, cuts, isEnd), expected, `${context}, cut at ${cuts}`);
    }
    complete += expected.messages.length;
    if (expected.end === "refused") refused++;
  }
  // A fuzzer whose mutations break everything, or nothing, tests nothing.
  if (iterations >= 1000) {
    assert.ok(
      complete > iterations / 4 && refused > iterations / 8,
      `${complete} complete, ${refused} refused`,
    );
  }
}

describe("broken and unbroken messages, whole and in pieces, are read as a plain parser reads them", () => {
  test("requests", () => fuzz("request", requestSeeds));
  test("responses", () => fuzz("response", responseSeeds));
});

describe("the plain parser", () => {
  test("reads what it should", () => {
    for (const seed of requestSeeds) {
      const reading = readRequests(seed + seed);
      assert.equal(reading.messages.length, 2, seed);
      assert.equal(reading.end, "clean", seed);
    }
    for (const seed of responseSeeds) assert.equal(readResponses(seed, true).end, "clean", seed);
  });

  test("refuses what it should", () => {
    for (const text of [
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\n\r\nx\r\n0\r\n\r\n",
    ]) {
      assert.equal(readRequests(text).end, "refused", JSON.stringify(text));
    }
    assert.equal(readRequests("GET / HTTP/1.1\r\nHost: a\r\n").end, "unfinished");
  });
});
