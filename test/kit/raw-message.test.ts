import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectRaw } from "./raw-client.ts";
import type { RawRequest, RawResponse, ReadResponseOptions } from "./raw-message.ts";
import { startRawOrigin } from "./raw-origin.ts";

/** What the parser makes of these bytes, followed by the end of the stream. */
async function parseResponse(bytes: string, options: ReadResponseOptions = {}): Promise<RawResponse> {
  await using origin = await startRawOrigin([{ send: bytes }, { close: "half" }]);
  await using client = await connectRaw(origin.port);
  return await client.readResponse(options);
}

async function parseRequest(bytes: string): Promise<RawRequest> {
  const parsed = Promise.withResolvers<RawRequest>();
  await using origin = await startRawOrigin((connection) => {
    parsed.resolve(connection.readRequest());
  });
  await using client = await connectRaw(origin.port);
  client.end(bytes);
  return await parsed.promise;
}

describe("a response", () => {
  test("keeps the headers as they came", async () => {
    const response = await parseResponse(
      "HTTP/1.1 201 Made  it\r\nX-A:  1 \r\nx-a: 2\r\nEmpty:\r\nContent-Length: 0\r\n\r\n",
    );
    assert.deepEqual([response.version, response.status, response.reason], ["HTTP/1.1", 201, "Made  it"]);
    assert.deepEqual(response.headers.slice(0, 3), [
      ["X-A", "1"],
      ["x-a", "2"],
      ["Empty", ""],
    ]);
    assert.equal(response.header("x-A"), "1, 2");
    assert.equal(response.header("x-b"), undefined);
  });

  test("has a body by length, by chunks, or to the end", async () => {
    const length = await parseResponse("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc+");
    assert.deepEqual([length.framing, length.body.toString()], ["length", "abc"]);

    const chunked = await parseResponse(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n",
    );
    assert.deepEqual([chunked.framing, chunked.body.toString()], ["chunked", "abc0123456789"]);
    assert.deepEqual(chunked.trailers, [["X-T", "v"]]);

    const end = await parseResponse("HTTP/1.0 200 OK\r\n\r\nto the end");
    assert.deepEqual([end.framing, end.body.toString()], ["end", "to the end"]);
  });

  test("has no body where the rules say so", async () => {
    const withLength = "content-length: 5\r\n\r\n";
    for (const [status, method] of [
      [204, "GET"],
      [304, "GET"],
      [200, "HEAD"],
      [200, "CONNECT"],
    ] as const) {
      const response = await parseResponse(`HTTP/1.1 ${status} X\r\n${withLength}`, { method });
      assert.equal(response.framing, "none");
    }
  });

  test("collects what came before it", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    const response = await parseResponse(
      `HTTP/1.1 100 Continue\r\n\r\n${early}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`,
    );
    assert.deepEqual(response.interim, ["HTTP/1.1 100 Continue\r\n\r\n", early]);
    assert.equal((await parseResponse("HTTP/1.1 101 Switching Protocols\r\n\r\n")).status, 101);
  });

  test("hands a large body on in pieces", async () => {
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
    };
    const body = "x".repeat(300_000);
    const response = await parseResponse(`HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n${body}`, {
      onData,
    });
    assert.deepEqual([bytes, response.body.length], [300_000, 0]);
  });

  const refused = {
    "a bare LF": "HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
    "a missing reason and space": "HTTP/1.1 200\r\n\r\n",
    "another version": "HTTP/2.0 200 OK\r\n\r\n",
    "a folded line": "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
    "a space before the colon": "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
    "a control character": "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
    "two framings": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
    "a length with a sign": "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
    "an unknown coding": "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
    "a short body": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
    "a chunk past its size": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a prefix":
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "no last chunk": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
  };
  for (const [what, bytes] of Object.entries(refused)) {
    test(`with ${what} is refused`, async () => {
      await assert.rejects(parseResponse(bytes));
    });
  }
});

describe("a request", () => {
  test("is parsed the same way", async () => {
    const request = await parseRequest(
      "PUT /a?b HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nt: 1\r\n\r\n",
    );
    assert.deepEqual(
      [request.method, request.target, request.version, request.header("host")],
      ["PUT", "/a?b", "HTTP/1.1", "x"],
    );
    assert.deepEqual([request.body.toString(), request.trailers], ["hi", [["t", "1"]]]);
  });

  test("without framing has no body", async () => {
    assert.equal((await parseRequest("GET / HTTP/1.1\r\n\r\n")).framing, "none");
  });

  test("with a space in its target is refused", async () => {
    await assert.rejects(parseRequest("GET /a b HTTP/1.1\r\n\r\n"), /not a start line/);
  });
});
