import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ResponseHead } from "../../http/heads.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import type { ByteStream, DownstreamStream } from "../../http/streams.ts";
import { GrpcWebStream } from "./web-stream.ts";

/** A client that keeps what it is sent. */
class Recorder implements DownstreamStream {
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly blocked = false;
  readonly requestComplete = true;
  head: ResponseHead | null = null;
  pieces: Buffer[] = [];
  end: "open" | "ended" | "cut" = "open";
  trailers: HttpHeaders | null = null;

  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  sendInformational(): void {}

  sendHead(head: ResponseHead): void {
    this.head = head;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  sendEnd(trailers: HttpHeaders | null): void {
    this.trailers = trailers;
    this.end = "ended";
  }

  abort(): void {
    this.end = "cut";
  }

  reset(): void {}
  malform(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}

  toByteStream(): ByteStream {
    throw new Error("no tunnel");
  }
}

function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.of(flag, 0, 0, 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** What a client has of the body so far: of text, the groups that are whole. */
function received(client: Recorder, isText: boolean): Buffer {
  if (!isText) return client.body;
  const groups = client.body.toString("latin1").match(/.{4}/gs) ?? [];
  return Buffer.concat(groups.map((group) => Buffer.from(group, "base64")));
}

function begin(
  isText: boolean,
  type = "application/grpc+proto",
): { client: Recorder; stream: GrpcWebStream } {
  const client = new Recorder();
  const stream = new GrpcWebStream(client, { isText, cors: null, origin: null });
  stream.sendHead(ResponseHead.from({ status: 200, headers: { "content-type": type } }), "unknown", true);
  return { client, stream };
}

const messages = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
const steps = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });

for (const isText of [false, true]) {
  describe(`an answer to gRPC-Web as ${isText ? "text" : "bytes"}`, () => {
    test("has all messages and then the trailers, however they are cut on their way", () => {
      fc.assert(
        fc.property(messages, steps, (sent, sizes) => {
          const { client, stream } = begin(isText);
          const all = Buffer.concat(sent.map((message) => framed(message)));
          const ends = new Set([0]);
          for (let i = 0, end = 0; i < sent.length; i++) {
            end += 5 + sent[i]!.length;
            ends.add(end);
          }
          for (let at = 0, i = 0; at < all.length; i++) {
            const end = Math.min(all.length, at + sizes[i % sizes.length]!);
            // Where the bytes lie is nobody's business.
            const padded = Buffer.concat([Buffer.from("xx"), all.subarray(at, end), Buffer.from("yy")]);
            stream.sendBody(padded, 2, 2 + end - at);
            at = end;
            const got = received(client, isText);
            assert.deepEqual(got, all.subarray(0, got.length));
            assert.ok(ends.has(at) ? got.length === at : at - got.length <= 2);
          }
          stream.sendEnd(HttpHeaders.from({ "Grpc-Status": "0", "X-More": "a b" }));
          const trailers = framed(Buffer.from("grpc-status:0\r\nx-more:a b\r\n"), 0x80);
          assert.deepEqual(received(client, isText), Buffer.concat([all, trailers]));
          assert.deepEqual([client.end, client.trailers], ["ended", null]);
        }),
      );
    });

    test("that ends within a message is cut, whatever its trailers say", () => {
      const whole = framed(Buffer.from("abc"));
      for (let end = 1; end < whole.length; end++) {
        const { client, stream } = begin(isText);
        stream.sendBody(whole, 0, end);
        stream.sendEnd(HttpHeaders.from({ "grpc-status": "13" }));
        assert.equal(client.end, "cut");
      }
    });
  });
}

describe("an answer without a status is told to have none", () => {
  const untold = "grpc-status:2\r\ngrpc-message:The server told no status\r\n";

  test("behind its messages", () => {
    for (const [trailers, told] of [
      [null, untold],
      [HttpHeaders.from({ "x-a": "1" }), `x-a:1\r\n${untold}`],
    ] as const) {
      const { client, stream } = begin(false);
      stream.sendEnd(trailers);
      assert.deepEqual([client.body, client.end], [framed(Buffer.from(told), 0x80), "ended"]);
    }
  });

  test("in its head, when that is all of it", () => {
    const client = new Recorder();
    const stream = new GrpcWebStream(client, { isText: true, cors: null, origin: null });
    const head = { status: 200, headers: { "content-type": "application/grpc" } };
    stream.sendHead(ResponseHead.from(head), 0, true);
    stream.sendEnd(null);
    assert.equal(client.head?.headers.get("grpc-status"), "2");
    assert.equal(client.body.length, 0);
  });

  test("but not when its head told one, or a status of HTTP says more", () => {
    for (const [status, fields] of [
      [200, { "grpc-status": "5" }],
      [503, {}],
    ] as const) {
      const client = new Recorder();
      const stream = new GrpcWebStream(client, { isText: false, cors: null, origin: null });
      const headers = { "content-type": "application/grpc", ...fields };
      stream.sendHead(ResponseHead.from({ status, headers }), "unknown", true);
      stream.sendEnd(null);
      assert.deepEqual([client.body.length, client.end], [0, "ended"]);
    }
  });
});

test("an answer that isn't gRPC stays as it is, trailers included", () => {
  const { client, stream } = begin(true, "text/html");
  const trailers = HttpHeaders.from({ "x-end": "1" });
  stream.sendBody(Buffer.from("<p>"), 0, 3);
  stream.sendEnd(trailers);
  assert.equal(client.head?.headers.get("content-type"), "text/html");
  assert.equal(client.body.toString(), "<p>");
  assert.equal(client.trailers, trailers);
});
