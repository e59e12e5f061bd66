import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import { CODING_KINDS, type CodingStream } from "../../src/filters/coding/codings.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { DECODERS, exchange, PLAIN, response, startCoding } from "./coding.ts";
import { type Answer, answering, type ProxyUnderTest, request } from "./proxy.ts";

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(100);
const LONG_TEXT = TEXT.repeat(50);

describe("a response", () => {
  for (const coding of ["zstd", "br", "gzip"] as const) {
    for (const [what, text] of [
      ["short", TEXT],
      ["long", LONG_TEXT],
    ] as const) {
      test(`that is ${what} is compressed with ${coding}`, async () => {
        const got = await exchange(
          response(text, PLAIN, 'ETag: "a"', "Accept-Ranges: bytes", "Content-MD5: x"),
          coding,
        );
        assert.equal(got.header("content-encoding"), coding);
        assert.equal(got.header("vary"), "Accept-Encoding");
        assert.equal(got.header("etag"), 'W/"a"');
        const gone = ["content-length", "accept-ranges", "content-md5"].map((name) => got.header(name));
        assert.deepEqual(gone, [undefined, undefined, undefined]);
        assert.ok(got.body.length < text.length / 5, `${got.body.length}`);
        assert.equal(DECODERS[coding](got.body).toString(), text);
      });
    }
  }

  test("is compressed the way the client likes best, and then the proxy", async () => {
    const chosen = async (accept: string): Promise<string | undefined> =>
      (await exchange(response(TEXT, PLAIN), accept)).header("content-encoding");
    assert.equal(await chosen("gzip, deflate, br, zstd"), "zstd");
    assert.equal(await chosen("gzip, br;q=0.9"), "gzip");
    assert.equal(await chosen("*"), "zstd");
    const { headers } = { headers: { compress: { codings: ["gzip", "zstd"] as const } } };
    const got = await exchange(response(TEXT, PLAIN), "zstd, gzip", headers);
    assert.equal(got.header("content-encoding"), "gzip");
  });

  const unaccepted: Readonly<Record<string, string | null>> = {
    "no word of it": null,
    "a coding that there isn't": "deflate",
    "nothing else": "identity",
    "nothing at all, which is no reason for a 406": "identity;q=0, *;q=0",
  };
  for (const [what, accept] of Object.entries(unaccepted)) {
    test(`stays as it is where the client accepts ${what}, and varies all the same`, async () => {
      const got = await exchange(response(TEXT, PLAIN, 'ETag: "a"', "Vary: Origin"), accept);
      assert.deepEqual(
        [got.status, got.body.toString(), got.header("content-encoding")],
        [200, TEXT, undefined],
      );
      assert.deepEqual([got.header("vary"), got.header("etag")], ["Origin, Accept-Encoding", '"a"']);
    });
  }

  const untouched: Readonly<Record<string, readonly string[]>> = {
    "of another type": ["Content-Type: image/png"],
    "of no type": [],
    "that is coded already": [PLAIN, "Content-Encoding: br"],
    "coded in a way that nobody knows": [PLAIN, "Content-Encoding: gzip, x-own"],
    "that nobody may change": [PLAIN, "Cache-Control: public, no-transform"],
    "of gRPC": ["Content-Type: application/grpc"],
    "of a part": [PLAIN, "Content-Range: bytes 0-4499/9000"],
  };
  for (const [what, fields] of Object.entries(untouched)) {
    test(`${what} stays as it is`, async () => {
      const options = { compress: { types: what === "of gRPC" ? ["*"] : ["text/*"] } };
      const got = await exchange(response(TEXT, ...fields, 'ETag: "a"'), "gzip", options);
      assert.deepEqual(
        [got.body.toString(), got.header("vary"), got.header("etag")],
        [TEXT, undefined, '"a"'],
      );
      assert.equal(got.header("content-length"), `${TEXT.length}`);
    });
  }

  test("stays as it is where it is short, or partial, or the request forbids it", async () => {
    const short = await exchange(response("short", PLAIN), "gzip");
    assert.deepEqual([short.body.toString(), short.header("vary")], ["short", undefined]);
    const partial = response(TEXT, PLAIN, "Content-Range: bytes 0-4499/9000")
      .toString()
      .replace("200 OK", "206 Partial");
    assert.equal((await exchange(partial, "gzip")).body.toString(), TEXT);
    const forbidden = await exchange(response(TEXT, PLAIN), "gzip", undefined, "Cache-Control: no-transform");
    assert.deepEqual([forbidden.body.toString(), forbidden.header("vary")], [TEXT, "Accept-Encoding"]);
  });

  test("stays as it is where there are cookies, if that is asked for", async () => {
    const options = { compress: { cookies: false } };
    const set = await exchange(response(TEXT, PLAIN, "Set-Cookie: a=b"), "gzip", options);
    assert.equal(set.body.toString(), TEXT);
    const sent = await exchange(response(TEXT, PLAIN), "gzip", options, "Cookie: a=b");
    assert.equal(sent.body.toString(), TEXT);
    const none = await exchange(response(TEXT, PLAIN), "gzip", options);
    assert.equal(none.header("content-encoding"), "gzip");
  });

  test("in chunks is compressed whatever its length, and its trailers come through but digests", async () => {
    const chunked = `HTTP/1.1 200 OK\r\n${PLAIN}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nContent-Digest: x\r\n\r\n`;
    const got = await exchange(chunked, "gzip");
    assert.equal(zlib.gunzipSync(got.body).toString(), "hello");
    assert.deepEqual(got.trailers, [["X-T", "1"]]);
  });

  test("of an error is compressed like any other", async () => {
    const got = await exchange(response(TEXT, PLAIN).toString().replace("200 OK", "404 Not Found"), "gzip");
    assert.equal(got.status, 404);
    assert.equal(zlib.gunzipSync(got.body).toString(), TEXT);
  });

  test("to HEAD has the head of one to GET", async () => {
    await using proxy = await startCoding(
      answering(`HTTP/1.1 200 OK\r\n${PLAIN}\r\nETag: "a"\r\nContent-Length: 9000\r\n\r\n`),
    );
    const client = await proxy.connect();
    const got = await client.exchange(request("HEAD /", "Accept-Encoding: gzip"), { method: "HEAD" });
    assert.deepEqual(
      ["content-encoding", "etag", "vary", "content-length"].map((name) => got.header(name)),
      ["gzip", 'W/"a"', "Accept-Encoding", undefined],
    );
    const next = await client.exchange(request("HEAD /"), { method: "HEAD" });
    assert.deepEqual([next.header("content-length"), next.header("etag")], ["9000", '"a"']);
  });

  test("that is made here is compressed too, in one piece, in several, and for HEAD", async () => {
    async function* pieces(): AsyncIterable<string> {
      for (let i = 0; i < 50; i++) yield TEXT;
    }
    const headers = { "Content-Type": "text/plain" };
    await using proxy = await startCoding(answering(""), undefined, {
      requestFilter: (session) => {
        const isStreamed = session.request.path === "/streamed";
        return session.respond({ status: 200, headers, body: isStreamed ? pieces() : LONG_TEXT });
      },
    });
    const client = await proxy.connect();
    for (const path of ["/", "/streamed"]) {
      const got = await client.exchange(request(`GET ${path}`, "Accept-Encoding: br"));
      assert.equal(zlib.brotliDecompressSync(got.body).toString(), LONG_TEXT);
    }
    const head = await client.exchange(request("HEAD /", "Accept-Encoding: br"), { method: "HEAD" });
    assert.deepEqual([head.header("content-encoding"), head.header("content-length")], ["br", undefined]);
    const plain = await client.exchange(request("GET /"));
    assert.equal(plain.header("content-length"), `${LONG_TEXT.length}`);
  });
});

describe("a conditional request", () => {
  const answer: Answer = ({ header }) => {
    const known = header("if-none-match") ?? "";
    // Weak comparison, as RFC 9110 §13.1.2 asks for.
    if (!/(?:W\/)?"a"/.test(known)) return response(TEXT, PLAIN, 'ETag: "a"');
    return 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n';
  };

  test("by a weak tag is answered with the weak one, by a strong one with the strong", async () => {
    for (const [sent, expected] of [
      ['W/"a"', 'W/"a"'],
      ['"b", W/"a"', 'W/"a"'],
      ['"a"', '"a"'],
    ] as const) {
      const got = await exchange(answer, "gzip", undefined, `If-None-Match: ${sent}`);
      assert.deepEqual(
        [got.status, got.header("etag"), got.header("vary")],
        [304, expected, "Accept-Encoding"],
      );
    }
  });

  test("for a range with a weak tag gets the whole, for none can be taken from another coding", async () => {
    const requests: RawRequest[] = [];
    const seen: Answer = (one) => {
      requests.push(one);
      return response(TEXT, PLAIN, 'ETag: "a"');
    };
    const got = await exchange(seen, "gzip", undefined, "Range: bytes=0-9", 'If-Range: W/"a"');
    assert.equal(requests[0]?.header("if-range"), 'W/"a"');
    assert.equal(zlib.gunzipSync(got.body).toString(), TEXT);
  });
});

/** Reads chunks of a coded body until they are decoded to something that ends with `end`. */
async function decodedUntil(
  client: Awaited<ReturnType<ProxyUnderTest["connect"]>>,
  decoder: CodingStream,
  end: string,
): Promise<void> {
  let text = "";
  const listen = (piece: Buffer): void => {
    text += piece.toString();
  };
  decoder.on("data", listen);
  while (!text.endsWith(end)) {
    const line = (await client.readUntil("\r\n")).toString();
    decoder.write(await client.readExactly(Number.parseInt(line, 16)));
    await client.readExactly(2);
    await new Promise((resolve) => decoder.flush(() => resolve(null)));
  }
  decoder.off("data", listen);
}

describe("what a server sends bit by bit", () => {
  for (const [type, coding] of [
    ["text/event-stream", "gzip"],
    ["text/event-stream", "br"],
    ["text/event-stream", "zstd"],
    ["text/plain", "gzip"],
  ] as const) {
    test(`isn't held back: ${type} in ${coding}`, async () => {
      const { promise, resolve } = Promise.withResolvers<(text: string) => Promise<void>>();
      await using proxy = await startCoding(async (connection) => {
        await connection.readRequest();
        await connection.write(
          `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
        );
        resolve((text) => connection.write(`${text.length.toString(16)}\r\n${text}\r\n`));
        await connection.closed;
      });
      const client = await proxy.connect();
      void client.write(request("GET /", `Accept-Encoding: ${coding}`));
      assert.match((await client.readHead()).toString(), new RegExp(`Content-Encoding: ${coding}`, "i"));
      const send = await promise;
      const decoder = CODING_KINDS[coding].openDecoder();
      for (const text of ["data: one\n\n", "data: two\n\n"]) {
        void send(text);
        await decodedUntil(client, decoder, text);
      }
      decoder.destroy();
      client.destroy();
    });
  }
});
