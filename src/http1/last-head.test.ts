import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ScanOutcome } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";

const LIMITS = { requestLine: 8192, bytes: 65_536, fields: 100 };

/** What a scan says, and where. */
function state(scan: HeadScan, outcome: ScanOutcome): unknown {
  if (outcome !== ScanOutcome.Complete) return outcome;
  const {
    count,
    fieldsEnd,
    end,
    status,
    reasonStart,
    reasonEnd,
    contentLength,
    chunked,
    present,
    connection,
  } = scan;
  const { minorVersion, fieldsStart, start } = scan;
  const offsets = [...scan.offsets.subarray(0, count * 5)];
  return {
    offsets,
    fieldsEnd,
    end,
    status,
    reasonStart,
    reasonEnd,
    contentLength,
    chunked,
    present,
    connection,
    minorVersion,
    fieldsStart,
    start,
  };
}

describe("a scan that has read the same head before", () => {
  test("says what a new one says, whatever it read meanwhile", () => {
    const heads = [
      "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 13\r\n\r\n",
      "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 14\r\n\r\n",
      "HTTP/1.1 200 OK\r\nServer: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nServer: a\r\nConnection: close\r\nX: \r\n\r\n",
      "HTTP/1.0 404 Not Found\r\n\r\n",
      "HTTP/1.1 200 OK\r\nServer a\r\n\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(2000)}\r\n\r\n`,
    ];
    const step = fc.record({
      head: fc.constantFrom(...heads),
      rest: fc.constantFrom("", "Hello", "HTTP/1.1 200"),
      start: fc.constantFrom(0, 0, 0, 4, 5),
      missing: fc.constantFrom(0, 0, 0, 1, 20),
      slab: fc.constantFrom(0, 0, 0, 1),
      asRequest: fc.constantFrom(false, false, false, true),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const slabs = [Buffer.alloc(4096), Buffer.alloc(4096)];
        const scan = new HeadScan(LIMITS);
        for (const { head, rest, start, missing, slab, asRequest } of steps) {
          const bytes = slabs[slab]!;
          const text = missing > 0 ? head.slice(0, -missing) : head + rest;
          const end = start + bytes.write(text, start, "latin1");
          if (asRequest) scan.scanRequest(bytes, start, end);
          const seen = state(scan, scan.scanResponse(bytes, start, end));
          const fresh = new HeadScan(LIMITS);
          assert.deepEqual(seen, state(fresh, fresh.scanResponse(bytes, start, end)));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("doesn't take a longer head for the one that it begins like", () => {
    const bytes = Buffer.alloc(256);
    const scan = new HeadScan(LIMITS);
    const first = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert.equal(scan.scanResponse(bytes, 0, bytes.write(first)), ScanOutcome.Complete);
    const longer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nVia: x\r\n\r\n";
    assert.equal(scan.scanResponse(bytes, 0, bytes.write(longer)), ScanOutcome.Complete);
    assert.equal(scan.count, 2);
    // A part of it, with the rest of the longer one still behind it in the memory.
    assert.equal(scan.scanResponse(bytes, 0, longer.length - 1), ScanOutcome.Incomplete);
  });
});
