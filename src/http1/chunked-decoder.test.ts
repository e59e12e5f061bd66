import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nameAt, valueAt } from "../http/field-table.ts";
import { ChunkedDecoder, type ChunkedLimits, DEFAULT_CHUNKED_LIMITS } from "./chunked-decoder.ts";

interface Decoded {
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  /** Bytes of all pieces that belong to the body. */
  readonly used: number;
  readonly outcome: "done" | "refused" | "more";
}

/** Decodes pieces that are overwritten as soon as they were handed over, as a read slab is. */
function decode(pieces: readonly string[], limits: ChunkedLimits = DEFAULT_CHUNKED_LIMITS): Decoded {
  const decoder = new ChunkedDecoder(limits);
  decoder.reset();
  let body = "";
  let used = 0;
  for (const piece of pieces) {
    const bytes = Buffer.from(`..${piece}\r\n0\r\n\r\n`, "latin1");
    const end = 2 + piece.length;
    for (let at = 2; at < end; ) {
      const stop = decoder.advance(bytes, at, end);
      if (stop < 0) return { body, trailers: [], used, outcome: "refused" };
      assert.ok(stop > at && stop <= end, "no progress");
      body += bytes.toString("latin1", decoder.dataStart, decoder.dataEnd);
      used += stop - at;
      at = stop;
      if (decoder.done) return { body, trailers: trailersOf(decoder), used, outcome: "done" };
    }
    bytes.fill(0x30);
  }
  return { body, trailers: [], used, outcome: "more" };
}

function trailersOf(decoder: ChunkedDecoder): [string, string][] {
  const table = decoder.trailers();
  if (table === null) return [];
  return Array.from({ length: table.count }, (_, i) => [nameAt(table, i), valueAt(table, i)]);
}

function assertDecodes(text: string, body: string, trailers: [string, string][] = []): void {
  const whole = decode([`${text}GET / next`]);
  assert.deepEqual(whole, { body, trailers, used: text.length, outcome: "done" }, JSON.stringify(text));
  for (let cut = 1; cut < text.length; cut++) {
    assert.deepEqual(decode([text.slice(0, cut)]).outcome, "more", `cut at ${cut}`);
    assert.deepEqual(decode([text.slice(0, cut), `${text.slice(cut)}GET`]), whole, `split at ${cut}`);
  }
  assert.deepEqual(decode([...text]), whole);
}

function assertRefused(text: string, limits?: ChunkedLimits): void {
  assert.equal(decode([text], limits).outcome, "refused", JSON.stringify(text.slice(0, 200)));
  // Trailers that come byte by byte are looked at when a line ends.
  assert.equal(decode([...text, "\n"], limits).outcome, "refused", JSON.stringify(text.slice(0, 200)));
}

describe("the chunked coding", () => {
  const accepted: [text: string, body: string, trailers?: [string, string][]][] = [
    ["0\r\n\r\n", ""],
    ["5\r\nhello\r\n0\r\n\r\n", "hello"],
    ["1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", "abc"],
    ["A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"],
    ["0000000000005\r\nhello\r\n0\r\n\r\n", "hello"],
    ["4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"],
    ["7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n", "0\r\n\r\n0\r"],
    ["3;a\r\nabc\r\n0;b=c\r\n\r\n", "abc"],
    ['3 \t; a = "x\\"y;\xe4" ;b\r\nabc\r\n0\r\n\r\n', "abc"],
    ["0\r\nA: b\r\n\r\n", "", [["A", "b"]]],
    ["1\r\nx\r\n0\r\nDigest: \t y \r\nB:\r\nb: 2\r\n\r\n", "x", [["Digest", "y"], ["B", ""], ["b", "2"]]], // biome-ignore format: one line
  ];
  for (const [text, body, trailers] of accepted) {
    test(`is taken off: ${JSON.stringify(text)}`, () => assertDecodes(text, body, trailers));
  }

  const refused = [
    "\r\n",
    " 5\r\nhello\r\n",
    "\t5\r\n",
    "-5\r\n",
    "+5\r\n",
    "0x5\r\nhello\r\n",
    "0X5\r\n",
    "5_0\r\n",
    "5h\r\n",
    "5.0\r\n",
    "5,5\r\n",
    "5 5\r\n",
    "g\r\n",
    "\xb2\r\n",
    "5 \r\nhello\r\n",
    "5\t\r\n",
    "5\nhello\r\n",
    "5\rhello\r\n",
    "5\r\rhello",
    "5\0\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello!\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello\r\n\r\n",
    "5\r\nhello\r\n;a\r\n",
    "00000000000005\r\nhello\r\n",
    "fffffffffffffff\r\n",
    "10000000000000000\r\n",
    // TERM.EXT: one reader ends the line at the bare LF, another doesn't.
    "5;\nhello\r\n0\r\n\r\n",
    "5;a=\nx\r\nhello\r\n",
    '5;a="\n"\r\nhello\r\n',
    "5;a\rb\r\nhello\r\n",
    "5;a\0\r\n",
    "5;a\x7f\r\n",
    "0;\n\r\n",
    "0\r\n\n",
    "0\n\n",
    "0\r\n\rX",
    "0\r\n X: y\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX\r\n\r\n",
    "0\r\nX: y\r\n z\r\n\r\n",
    "0\r\nX: \0\r\n\r\n",
    "0\r\nGET / HTTP/1.1\r\n\r\n",
    "0\r\nContent-Length: x\r\n\r\n",
    "0\r\nTransfer-Encoding: gzip\r\n\r\n",
  ];
  for (const text of refused) {
    test(`is refused: ${JSON.stringify(text)}`, () => assertRefused(text));
  }

  test("may have sizes up to 2^52 and no more", () => {
    const decoder = new ChunkedDecoder(DEFAULT_CHUNKED_LIMITS);
    const bytes = Buffer.from("fffffffffffff\r\nabc");
    assert.equal(decoder.advance(bytes, 0, bytes.length), bytes.length);
    assert.equal(decoder.dataEnd - decoder.dataStart, 3);
    assertRefused("10000000000000\r\n");
  });

  test("ends where it ends: what follows belongs to the next message", () => {
    assert.deepEqual(decode(["0\r\n\r\n\r\n"]).used, 5);
    assert.deepEqual(decode(["0\r\n\r\n0\r\n\r\n"]).used, 5);
    assert.deepEqual(decode(["0\r\nA: b\r\n\r\nX"]).used, 11);
  });

  test("has no trailers left from the body before", () => {
    const decoder = new ChunkedDecoder(DEFAULT_CHUNKED_LIMITS);
    const first = Buffer.from("0\r\nA: b\r\n\r\n");
    decoder.advance(first, 0, first.length);
    assert.equal(decoder.trailers()?.count, 1);
    decoder.reset();
    const second = Buffer.from("0\r\n\r\n");
    decoder.advance(second, 0, second.length);
    assert.equal(decoder.done, true);
    assert.equal(decoder.trailers(), null);
  });
});

describe("the limits of the chunked coding", () => {
  const limits: ChunkedLimits = { extensionBytes: 50, trailers: { requestLine: 0, bytes: 100, fields: 3 } };

  test("end a flood of extensions, in one chunk or in many", () => {
    assert.equal(decode([`1;${"x".repeat(50)}\r\na\r\n0\r\n\r\n`], limits).outcome, "done");
    assertRefused(`1;${"x".repeat(51)}\r\na\r\n0\r\n\r\n`, limits);
    assertRefused(`1${" ".repeat(52)};\r\na\r\n0\r\n\r\n`, limits);
    assertRefused("1;xx\r\na\r\n".repeat(30), limits);
  });

  test("end a flood of trailers", () => {
    assert.equal(decode(["0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"], limits).outcome, "done");
    assertRefused("0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", limits);
    assertRefused(`0\r\nA: ${"x".repeat(200)}\r\n\r\n`, limits);
    assertRefused(`0\r\n${"x".repeat(200)}`, limits);
  });

  test("hold for each body by itself", () => {
    const decoder = new ChunkedDecoder(limits);
    const bytes = Buffer.from(`0;${"x".repeat(40)}\r\n\r\n`);
    for (let i = 0; i < 5; i++) {
      decoder.reset();
      assert.equal(decoder.advance(bytes, 0, bytes.length), bytes.length);
    }
  });
});

test("whatever the chunks and the cuts, the bytes are the same", () => {
  const extension = fc.constantFrom("", "", ";x", " ;a=b", ';q="\t;"');
  const chunk = fc.tuple(
    fc.string({ minLength: 1, maxLength: 40, unit: "binary-ascii" }),
    extension,
    fc.boolean(),
  );
  fc.assert(
    fc.property(fc.array(chunk), fc.array(fc.nat()), (chunks, cuts) => {
      const coded = chunks.map(([data, extra, upper]) => {
        const size = data.length.toString(16);
        return `${upper ? size.toUpperCase() : size}${extra}\r\n${data}\r\n`;
      });
      const text = `${coded.join("")}0\r\nX-T: 1\r\n\r\n`;
      const offsets = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length];
      const pieces = offsets.slice(1).map((end, i) => text.slice(offsets[i], end));
      const decoded = decode(pieces);
      assert.equal(decoded.outcome, "done");
      assert.equal(decoded.body, chunks.map(([data]) => data).join(""));
      assert.deepEqual(decoded.trailers, [["X-T", "1"]]);
    }),
  );
});
