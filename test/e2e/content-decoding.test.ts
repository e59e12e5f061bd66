import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import { CODINGS } from "../../src/filters/coding/coding-settings.ts";
import { until } from "../kit/deadline.ts";
import { usedMemory } from "../kit/memory.ts";
import { DECODERS, ENCODERS, exchange, PLAIN, response, startCoding } from "./coding.ts";
import { answering, type ProxyUnderTest, request, standstill } from "./proxy.ts";

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(100);
const MB = 1024 * 1024;
const DECOMPRESS = { decompress: {} };

describe("a response that the client can't read", () => {
  for (const coding of CODINGS) {
    test(`is decompressed: ${coding}`, async () => {
      const coded = response(
        ENCODERS[coding](Buffer.from(TEXT)),
        ...[PLAIN, `Content-Encoding: ${coding}`, 'ETag: "a"', "Accept-Ranges: bytes"],
      );
      const got = await exchange(coded, "identity", DECOMPRESS);
      assert.equal(got.body.toString(), TEXT);
      const names = ["content-encoding", "content-length", "accept-ranges", "etag", "vary"];
      assert.deepEqual(
        names.map((name) => got.header(name)),
        [undefined, undefined, undefined, 'W/"a"', "Accept-Encoding"],
      );
      assert.equal((await exchange(coded, null, DECOMPRESS)).body.toString(), TEXT);
      const accepted = await exchange(coded, `x, ${coding}`, DECOMPRESS);
      assert.deepEqual([accepted.header("content-encoding"), accepted.header("etag")], [coding, '"a"']);
      assert.equal(accepted.header("vary"), "Accept-Encoding");
      assert.equal(DECODERS[coding](accepted.body).toString(), TEXT);
    });
  }

  const untouched: Readonly<Record<string, readonly string[]>> = {
    "nobody may change": ["Content-Encoding: gzip", "Cache-Control: no-transform"],
    "is coded twice": ["Content-Encoding: gzip, gzip"],
    "is coded in a way that nobody knows": ["Content-Encoding: x-own"],
    "isn't coded": [],
    "is a part": ["Content-Encoding: gzip", "Content-Range: bytes 0-9/20"],
    "is of gRPC": ["Content-Type: application/grpc", "Content-Encoding: gzip"],
  };
  for (const [what, fields] of Object.entries(untouched)) {
    test(`stays as it is where it ${what}`, async () => {
      const got = await exchange(response("as it is", ...fields), null, DECOMPRESS);
      assert.deepEqual([got.body.toString(), got.header("content-length")], ["as it is", "8"]);
    });
  }

  test("may be of several gzip members, of none, or of nothing though it says otherwise", async () => {
    const members = Buffer.concat([zlib.gzipSync("one "), zlib.gzipSync("two")]);
    const got = await exchange(response(members, "Content-Encoding: x-gzip"), null, DECOMPRESS);
    assert.equal(got.body.toString(), "one two");
    const none = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert.equal((await exchange(none, null, DECOMPRESS)).body.length, 0);
    const empty = await exchange(response("", "Content-Encoding: gzip"), null, DECOMPRESS);
    assert.deepEqual([empty.body.length, empty.header("content-length")], [0, "0"]);
  });

  test("to HEAD has the head of one to GET", async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: "a"\r\nContent-Length: 99\r\n\r\n';
    await using proxy = await startCoding(answering(head), DECOMPRESS);
    const client = await proxy.connect();
    const got = await client.exchange(request("HEAD /"), { method: "HEAD" });
    const names = ["content-encoding", "content-length", "etag"];
    assert.deepEqual(
      names.map((name) => got.header(name)),
      [undefined, undefined, 'W/"a"'],
    );
  });
});

test("filters see plain text where all is decompressed, and the client gets it compressed again", async () => {
  const coded = response(zlib.gzipSync(TEXT), PLAIN, "Content-Encoding: gzip");
  const both = { decompress: { when: "always" }, compress: {} } as const;
  await using proxy = await startCoding(answering(coded), both, {
    responseBodyFilter: (_, chunk) => chunk?.toString().toUpperCase(),
  });
  const client = await proxy.connect();
  const got = await client.exchange(request("GET /", "Accept-Encoding: gzip, br"));
  assert.equal(got.header("content-encoding"), "br");
  assert.equal(zlib.brotliDecompressSync(got.body).toString(), TEXT.toUpperCase());
  const plain = await client.exchange(request("GET /"));
  assert.equal(plain.body.toString(), TEXT.toUpperCase());
});

describe("a server's coding that goes wrong breaks the response off", () => {
  /** The error that is reported; the client can't take what it got for a whole. */
  async function errorOf(body: Buffer, maxSize: number = MB * 1024): Promise<string> {
    const coded = response(body, "Content-Encoding: gzip");
    await using proxy = await startCoding(answering(coded), { decompress: { maxSize } });
    const client = await proxy.connect();
    await assert.rejects(client.exchange(request("GET /")), /ended/);
    await until("it is reported", () => proxy.reported.length > 0);
    const { code, message } = proxy.reported[0]!.error;
    assert.equal(code, "UPSTREAM_BAD_RESPONSE");
    return message;
  }

  test("when it is malformed, or ends too early", async () => {
    assert.match(
      await errorOf(Buffer.from("this is no gzip")),
      /its gzip can't be decoded: incorrect header/,
    );
    assert.match(await errorOf(zlib.gzipSync(TEXT).subarray(0, 30)), /unexpected end of file/);
    const long = zlib.gzipSync(Buffer.from(Array.from({ length: 20_000 }, (_, i) => i * i).join(" ")));
    assert.match(await errorOf(long.subarray(0, -20)), /unexpected end of file/);
  });

  test("when it becomes too much", async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(4 * MB));
    assert.match(await errorOf(bomb), /it becomes more than 100 times as long/);
    assert.match(await errorOf(zlib.gzipSync(TEXT.repeat(300)), MB), /it becomes more than 1048576 bytes/);
  });
});

/** Reads a body that ends with its connection. */
async function bytesOf(proxy: ProxyUnderTest, ...fields: readonly string[]): Promise<number> {
  const client = await proxy.connect();
  let length = 0;
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
  };
  await client.exchange(request("GET /", ...fields), { onData });
  return length;
}

test("while a client reads nothing, no more of a large body is decoded than a little", async () => {
  const coded = response(zlib.gzipSync(Buffer.alloc(64 * MB, "0123456789abcdef")), "Content-Encoding: gzip");
  await using proxy = await startCoding(answering(coded), { decompress: { maxRatio: 10_000 } });
  const before = usedMemory();
  const client = await proxy.connect();
  await client.write(request("GET /"));
  await client.readHead();
  client.pause();
  await standstill(() => Math.round(process.memoryUsage().arrayBuffers / MB));
  const used = usedMemory() - before;
  assert.ok(used < 8 * MB, `${used} bytes are held`);
  client.destroy();
  assert.equal(await bytesOf(proxy), 64 * MB);
});
