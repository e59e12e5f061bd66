import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BODY_REFUSED, BodyDecoder, type BodySink } from "./body-decoder.ts";
import { DEFAULT_CHUNKED_LIMITS } from "./chunked-decoder.ts";
import type { HeadScan } from "./head-scan.ts";

class Collector implements BodySink {
  bodyPaused = false;
  body = "";
  ends = 0;
  trailers: string[] = [];
  /** Pauses after every piece. */
  isSlow = false;

  onBodyChunk(bytes: Buffer, start: number, end: number): void {
    assert.ok(end > start, "an empty piece");
    assert.equal(this.ends, 0, "a piece after the end");
    assert.equal(this.bodyPaused, false, "a piece during a pause");
    this.body += bytes.toString("latin1", start, end);
    this.bodyPaused = this.isSlow;
  }

  onBodyEnd(trailers: HeadScan | null): void {
    this.ends++;
    if (trailers === null) return;
    this.trailers = Array.from({ length: trailers.count }, (_, i) =>
      trailers.bytes.toString("latin1", trailers.offsets[i * 5], trailers.offsets[i * 5 + 3]),
    );
  }
}

function setUp(): { sink: Collector; decoder: BodyDecoder } {
  const sink = new Collector();
  return { sink, decoder: new BodyDecoder(sink, DEFAULT_CHUNKED_LIMITS) };
}

/** Decodes all of `text`, going on after each pause; returns how much was taken. */
function feed(decoder: BodyDecoder, sink: Collector, text: string): number {
  const bytes = Buffer.from(`##${text}`, "latin1");
  let at = 2;
  while (at < bytes.length && !decoder.complete) {
    const stop = decoder.decode(bytes, at, bytes.length);
    if (stop === BODY_REFUSED) return BODY_REFUSED;
    assert.ok(stop > at || sink.bodyPaused || decoder.complete, "no progress");
    at = stop;
    sink.bodyPaused = false;
  }
  if (!decoder.complete && decoder.remaining === 0) decoder.finish(null);
  return at - 2;
}

for (const isSlow of [false, true]) {
  describe(`a body for a ${isSlow ? "slow" : "fast"} sink`, () => {
    test("of a known length ends with it", () => {
      const { sink, decoder } = setUp();
      sink.isSlow = isSlow;
      decoder.startLength(5);
      assert.equal(decoder.remaining, 5);
      assert.equal(feed(decoder, sink, "he"), 2);
      assert.equal(decoder.remaining, 3);
      assert.equal(decoder.complete, false);
      assert.equal(feed(decoder, sink, "lloGET /"), 3);
      assert.deepEqual([sink.body, sink.ends, decoder.received, decoder.remaining], ["hello", 1, 5, 0]);
      assert.equal(decoder.endsWithConnection, false);
    });

    test("in chunks ends with the last one", () => {
      const { sink, decoder } = setUp();
      sink.isSlow = isSlow;
      decoder.startChunked();
      assert.equal(decoder.remaining, Number.POSITIVE_INFINITY);
      const text = "2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n";
      assert.equal(feed(decoder, sink, `${text}GET`), text.length);
      assert.deepEqual([sink.body, sink.ends, sink.trailers, decoder.received], ["abc", 1, ["X: y"], 3]);
    });

    test("without a framing ends with the connection", () => {
      const { sink, decoder } = setUp();
      sink.isSlow = isSlow;
      decoder.startUntilClose();
      assert.equal(feed(decoder, sink, "abc"), 3);
      assert.equal(feed(decoder, sink, "\r\n0\r\n\r\n"), 7);
      assert.equal(decoder.endsWithConnection, true);
      assert.equal(decoder.complete, false);
      decoder.finish(null);
      decoder.finish(null);
      assert.deepEqual([sink.body, sink.ends, decoder.complete], ["abc\r\n0\r\n\r\n", 1, true]);
    });
  });
}

describe("a body", () => {
  test("that isn't there is complete at once and tells nobody", () => {
    const { sink, decoder } = setUp();
    assert.equal(decoder.complete, true);
    decoder.startChunked();
    feed(decoder, sink, "1\r\nx\r\n0\r\n\r\n");
    decoder.startNone();
    assert.deepEqual([decoder.complete, decoder.remaining, decoder.received], [true, 0, 0]);
    assert.equal(decoder.decode(Buffer.from("GET /"), 0, 5), 0);
    decoder.finish(null);
    assert.equal(sink.ends, 1);
  });

  test("whose last piece pauses the sink ends when the sink goes on", () => {
    const { sink, decoder } = setUp();
    sink.isSlow = true;
    decoder.startLength(3);
    assert.equal(decoder.decode(Buffer.from("abcGET"), 0, 6), 3);
    assert.deepEqual([decoder.complete, decoder.remaining, sink.ends], [false, 0, 0]);
    sink.bodyPaused = false;
    assert.equal(decoder.decode(Buffer.from("abcGET"), 3, 6), 3);
    assert.deepEqual([decoder.complete, sink.ends], [true, 1]);
  });

  test("of another message starts afresh", () => {
    const { sink, decoder } = setUp();
    for (let i = 0; i < 3; i++) {
      sink.ends = 0;
      sink.body = "";
      decoder.startChunked();
      assert.equal(feed(decoder, sink, "1\r\nx\r\n0\r\n\r\n"), 11);
      assert.deepEqual([sink.body, sink.ends], ["x", 1]);
      sink.ends = 0;
      decoder.startLength(2);
      assert.equal(feed(decoder, sink, "yz"), 2);
      assert.equal(sink.ends, 1);
    }
  });

  test("that is malformed is refused where it is", () => {
    const { sink, decoder } = setUp();
    decoder.startChunked();
    assert.equal(feed(decoder, sink, "2\r\nabc\r\n"), BODY_REFUSED);
    assert.deepEqual([sink.body, sink.ends, decoder.complete], ["ab", 0, false]);
  });
});
