import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { RawRequest } from "../kit/raw-message.ts";
import { answering, ok, request, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;

describe("a request's body", () => {
  async function forward(...pieces: readonly string[]): Promise<RawRequest> {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests) });
    const client = await proxy.connect();
    for (const piece of pieces) {
      void client.write(piece);
      await nextTurn();
    }
    assert.equal((await client.readResponse()).status, 200);
    assert.equal((await client.exchange(request("GET /again"))).status, 200);
    assert.equal(requests[1]?.target, "/again");
    return requests[0]!;
  }

  test("of a known length keeps it", async () => {
    const seen = await forward(`${request("POST /", "Content-Length: 5")}hello`);
    assert.deepEqual([seen.framing, seen.header("content-length")], ["length", "5"]);
    assert.equal(seen.body.toString(), "hello");
  });

  test("may be empty", async () => {
    const seen = await forward(request("POST /", "Content-Length: 0"));
    assert.equal(seen.header("content-length"), "0");
    assert.equal(seen.header("transfer-encoding"), undefined);
    const none = await forward(request("POST /"));
    assert.equal(none.header("content-length"), undefined);
    const chunked = await forward(`${request("POST /", "Transfer-Encoding: chunked")}0\r\n\r\n`);
    assert.deepEqual([chunked.framing, chunked.body.length], ["chunked", 0]);
  });

  test("in chunks goes on in chunks, without their extensions, with its trailers", async () => {
    const head = request("PUT /", "transfer-encoding: Chunked", "Trailer: X-Sum");
    const chunks =
      '5;a=b;c="d;e"\r\nhello\r\n0000A ;x\r\n, chunked!\r\n0;last\r\nX-Sum: 42\r\nx-two:\t2\r\n\r\n';
    const seen = await forward(head + chunks);
    assert.equal(seen.header("transfer-encoding"), "chunked");
    assert.equal(seen.header("trailer"), "X-Sum");
    assert.equal(seen.body.toString(), "hello, chunked!");
    assert.deepEqual(seen.trailers, [
      ["X-Sum", "42"],
      ["x-two", "2"],
    ]);
  });

  test("can't route or frame by its trailers", async () => {
    const fields = ["X-Forwarded-For: 1.2.3.4", "Connection: close, X-Fine", "TE: trailers", "Trailer: a"];
    for (const framing of ["Content-Length: 9", "Transfer-Encoding: chunked"]) {
      const trailers = ["Host: b", framing, "Via: 1.1 x", "X-Fine: 1", ...fields].join("\r\n");
      const text = request("POST /", "Transfer-Encoding: chunked");
      const seen = await forward(`${text}1\r\na\r\n0\r\n${trailers}\r\n\r\n`);
      assert.deepEqual(seen.trailers, [["X-Fine", "1"]]);
    }
  });

  test("is the same however it is cut", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests) });
    const client = await proxy.connect();
    const text = `${request("POST /", "Transfer-Encoding: chunked")}3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n`;
    for (let at = 1; at < text.length; at++) {
      await client.writePieces(text, [at]);
      assert.equal((await client.readResponse()).status, 200);
      const seen = requests.at(-1);
      assert.deepEqual([seen?.body.toString(), seen?.trailers], ["abcd", [["A", "b"]]], `cut at ${at}`);
    }
  });
});

describe("a response's body", () => {
  test("of a known length keeps it", async () => {
    await using proxy = await startProxy({ origin: answering(ok("hello")) });
    const client = await proxy.connect();
    const response = await client.exchange(request("GET /"));
    assert.deepEqual([response.framing, response.body.toString()], ["length", "hello"]);
  });

  test("in chunks goes on in chunks, without their extensions, with its trailers", async () => {
    const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    const answer = `${head}5;a=b\r\nhello\r\n0\r\nX-Sum: 42\r\nSet-Cookie: a\r\nContent-Length: 3\r\n\r\n`;
    await using proxy = await startProxy({ origin: answering(answer) });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange(request("GET /"));
      assert.deepEqual([response.framing, response.body.toString()], ["chunked", "hello"]);
      assert.deepEqual(response.trailers, [
        ["X-Sum", "42"],
        ["Set-Cookie", "a"],
      ]);
    }
    assert.equal(proxy.origin.connections.length, 1);
  });

  test("that ends with its connection is sent in chunks, to HTTP/1.0 until the close", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        connection.end("HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end");
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange(request("GET /"));
      assert.deepEqual([response.framing, response.body.toString()], ["chunked", "until the end"]);
      assert.equal(response.header("connection"), undefined);
    }
    assert.equal(proxy.origin.connections.length, 2);
    const old = await proxy.connect();
    const response = await old.exchange("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    assert.deepEqual([response.framing, response.body.toString()], ["end", "until the end"]);
    assert.equal(response.header("connection"), "close");
  });

  test("is the same however it is cut", async () => {
    const text =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n";
    let at = 1;
    await using proxy = await startProxy({
      origin: answering(async (_, connection) => {
        await connection.writePieces(text, [at]);
        return undefined;
      }),
    });
    const client = await proxy.connect();
    for (; at < text.length; at++) {
      const response = await client.exchange(request("GET /"));
      assert.deepEqual([response.body.toString(), response.trailers], ["abcd", [["A", "b"]]], `cut at ${at}`);
    }
    assert.equal(proxy.origin.connections.length, 1);
  });

  test("is missing where there is none, and the connection goes on", async () => {
    const answers: Record<string, string> = {
      "HEAD length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      "HEAD chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HEAD nothing": "HTTP/1.1 200 OK\r\n\r\n",
      "GET 204": "HTTP/1.1 204 No Content\r\n\r\n",
      "GET 204 length": "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
      "GET 304": 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n',
      "GET 205": "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
      "GET 200": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };
    await using proxy = await startProxy({
      origin: answering(({ target }) => answers[decodeURIComponent(target.slice(1))]),
    });
    const client = await proxy.connect();
    for (const [name, answer] of Object.entries(answers)) {
      const [method = ""] = name.split(" ");
      const response = await client.exchange(request(`${method} /${encodeURIComponent(name)}`), { method });
      assert.equal(response.status, Number(/\d{3}/.exec(answer.slice(8))?.[0]), name);
      assert.equal(response.body.length, 0, name);
      assert.equal(response.header("connection"), undefined, name);
      const length = name === "GET 204 length" ? undefined : /Length: (\d)/.exec(answer)?.[1];
      assert.equal(response.header("content-length"), length, name);
    }
    assert.equal(client.unread.length, 0);
    assert.equal(proxy.origin.connections.length, 1);
  });
});

describe("Expect: 100-continue", () => {
  const head = request("POST /", "Expect: 100-continue", "Content-Length: 5");

  test("is the server's to answer", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        assert.match(await connection.readHead(), /\r\nExpect: 100-continue\r\n/);
        assert.equal(connection.unread.length, 0);
        void connection.write("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n");
        assert.equal((await connection.readExactly(5)).toString(), "hello");
        void connection.write(ok());
        void connection.write(ok("", await connection.readHead().then(() => "X-Second: 1")));
      },
    });
    const client = await proxy.connect();
    void client.write(head);
    assert.match(await client.readHead(), /^HTTP\/1.1 100 Continue\r\nX-Early: 1\r\n\r\n$/);
    assert.equal((await client.exchange("hello")).header("connection"), undefined);
    assert.equal((await client.exchange(request("GET /"))).header("x-second"), "1");
  });

  test("answered at once with a final response closes: nobody knows whether the body comes", async () => {
    for (const status of ["417 Expectation Failed", "200 OK", "413 Content Too Large"]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readHead();
          void connection.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nno`);
        },
      });
      const client = await proxy.connect();
      const response = await client.exchange(head);
      assert.equal(`${response.status} ${response.reason}`, status);
      assert.equal(response.header("connection"), "close");
      assert.equal(await client.closed, "end");
    }
  });

  test("of anything else is a 417", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const client = await proxy.connect();
    const response = await client.exchange(request("POST /", "Expect: 200-maybe", "Content-Length: 5"));
    assert.equal(response.status, 417);
    assert.equal(proxy.origin.connections.length, 0);
  });

  test("of HTTP/1.0 means nothing", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: answering(ok(), requests) });
    const client = await proxy.connect();
    const text = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    assert.equal((await client.exchange(text)).status, 200);
    assert.equal(requests[0]?.header("expect"), undefined);
    assert.equal(requests[0]?.body.toString(), "hi");
  });
});

describe("interim responses", () => {
  const early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 9\r\n\r\n";

  test("are passed on in order", async () => {
    const answer = `HTTP/1.1 102 Processing\r\n\r\n${early}${early}${ok("done")}`;
    await using proxy = await startProxy({ origin: answering(answer) });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange(request("GET /"));
      assert.deepEqual(
        response.interim.map((head) => head.split("\r\n")[0]),
        ["HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints", "HTTP/1.1 103 Early Hints"],
      );
      assert.equal(response.interim[1], "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
      assert.equal(response.body.toString(), "done");
    }
    assert.equal(proxy.count("responses1xx"), 6);
  });

  test("are kept from HTTP/1.0", async () => {
    await using proxy = await startProxy({ origin: answering(early + ok("done")) });
    const client = await proxy.connect();
    const response = await client.exchange("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert.deepEqual([response.interim, response.body.toString()], [[], "done"]);
  });

  test("have an end", async () => {
    const large = early.replace("a.css", "a".repeat(20_000));
    for (const heads of [early.repeat(40), large.repeat(4)]) {
      await using proxy = await startProxy({ origin: answering(heads + ok("done")) });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502);
    }
  });
});

describe("a server that answers before the upload ends", () => {
  test("leaves the connection usable when little is left", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write(ok("early"));
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 3; i++) {
      const response = await client.exchange(`${request("POST /", "Content-Length: 2000")}abc`);
      assert.equal(response.body.toString(), "early");
      void client.write(Buffer.alloc(1997));
    }
    assert.equal(proxy.origin.connections.length, 3);
  });

  test("is heard by a client that writes on, and on", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        connection.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        await connection.closed;
      },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", `Content-Length: ${100 * MB}`));
    void writePattern(client, 100 * MB).catch(() => undefined);
    const response = await client.readResponse();
    assert.deepEqual([response.status, response.body.toString()], [413, "big"]);
    client.destroy();
    await proxy.settled();
  });

  test("is heard even by a client that writes all before it reads", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        connection.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        await connection.closed;
      },
    });
    const client = await proxy.connect();
    client.pause();
    void client.write(request("POST /", `Content-Length: ${40 * MB}`));
    await writePattern(client, 40 * MB);
    client.resume();
    const response = await client.readResponse();
    assert.deepEqual([response.status, response.body.toString()], [413, "big"]);
  });

  test("may stream while it listens", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (let i = 0; i < 5; i++) {
          const piece = await connection.readUntil(`chunk ${i}\r\n`);
          void connection.write(`${piece.length.toString(16)}\r\n${piece.toString()}\r\n`);
        }
        await connection.readUntil("0\r\n\r\n");
        void connection.write("0\r\n\r\n");
      },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", "Transfer-Encoding: chunked"));
    await client.readHead();
    for (let i = 0; i < 5; i++) {
      void client.write(`7\r\nchunk ${i}\r\n`);
      await client.readUntil(`chunk ${i}\r\n`);
    }
    void client.write("0\r\n\r\n");
    await client.readUntil("0\r\n\r\n");
    assert.equal(await proxy.origin.outcome(0), undefined);
  });
});
