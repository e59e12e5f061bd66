import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { answering, isWell, ok, request, startProxy } from "./proxy.ts";

/** A POST with these framing fields and this body. */
function post(fields: readonly string[], body: string): string {
  return request("POST /vector", ...fields) + body;
}

describe("malformed responses", () => {
  test("are a 502, and end their connection", async () => {
    const answers = {
      "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
      "two equal lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
      "a list of lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
      "a negative length": "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
      "both framings": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "another coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "twice chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
      "chunks in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "a coding with a blank": "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      "bare LF": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "bare CR": "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
      "obs-fold": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
      NUL: "HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n",
      "no colon": "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
      "a short status": "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
      "a long status": "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
      "status 099": "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
      "another version": "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
      "no version": "200 OK\r\nContent-Length: 0\r\n\r\n",
      "a request": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      garbage: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
      "a head without end": `HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}`,
      "101 unasked": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    };
    for (const [name, answer] of Object.entries(answers)) {
      await using proxy = await startProxy({
        origin: answering(({ target }) => (target === "/well" ? ok("GET /well ") : answer)),
      });
      await isWell(proxy);
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502, name);
      await proxy.origin.connections[0]?.closed;
      assert.equal((await client.exchange(request("GET /well"))).body.toString(), "GET /well ", name);
      assert.equal(proxy.origin.connections.length, 2, name);
      assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_BAD_RESPONSE");
    }
  });
});

test("a status line gets the space before its empty reason", async () => {
  for (const line of ["HTTP/1.1 299", "HTTP/1.1 299 "]) {
    await using proxy = await startProxy({ origin: answering(`${line}\r\nContent-Length: 0\r\n\r\n`) });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    assert.match(await client.readHead(), /^HTTP\/1\.1 299 \r\nContent-Length: 0\r\n/);
    client.destroy();
  }
});

describe("bytes that a server sends unasked", () => {
  const poison = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";

  const answers: Record<string, readonly [method: string, answer: string]> = {
    "behind a response": ["GET", ok("right") + poison],
    "behind chunks": [
      "GET",
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n${poison}`,
    ],
    "behind a 204": ["GET", `HTTP/1.1 204 No Content\r\n\r\n${poison}`],
    "as the body of a 204": [
      "GET",
      `HTTP/1.1 204 No Content\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`,
    ],
    "as the body of a 304": [
      "GET",
      `HTTP/1.1 304 Not Modified\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`,
    ],
    "as the body of HEAD": ["HEAD", `HTTP/1.1 200 OK\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`],
    "as CRLF": ["GET", `${ok("right")}\r\n`],
  };

  for (const [name, [method, answer]] of Object.entries(answers)) {
    test(`reach nobody: ${name}`, async () => {
      await using proxy = await startProxy({
        origin: answering(({ target }) => (target === "/well" ? ok("GET /well ") : answer)),
      });
      const client = await proxy.connect();
      const response = await client.exchange(request(`${method} /`), { method });
      assert.ok(!response.body.includes("poisoned"));
      await proxy.origin.connections[0]?.closed;
      for (let i = 0; i < 3; i++) await isWell(proxy);
      assert.equal((await client.exchange(request("GET /well"))).body.toString(), "GET /well ");
      assert.equal(client.unread.length, 0);
    });
  }

  test("reach nobody: later, on an idle connection", async () => {
    await using proxy = await startProxy({ origin: answering(ok("GET /well ")) });
    await isWell(proxy);
    const [connection] = proxy.origin.connections;
    assert.equal(proxy.connector.pool.size, 1);
    void connection?.write(poison);
    await connection?.closed;
    await until("the pool is empty", () => proxy.connector.pool.size === 0);
    await isWell(proxy);
    assert.equal(proxy.origin.connections.length, 2);
  });
});

describe("a response that is cut", () => {
  const answers = {
    "within its length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "within a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    "behind a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    "within the last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n",
    "within trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\nA: b\r\n",
    "by a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nx\r\n",
  };

  for (const [name, answer] of Object.entries(answers)) {
    for (const version of ["1.1", "1.0"]) {
      for (const how of ["end", "reset"] as const) {
        test(`is never a whole one for the client: ${name}, HTTP/${version}, by ${how}`, async () => {
          const { promise: read, resolve: hasRead } = Promise.withResolvers<void>();
          await using proxy = await startProxy({
            origin: async (connection) => {
              await connection.readRequest();
              await connection.write(answer);
              await read;
              if (how === "end") connection.end();
              else connection.reset();
            },
          });
          const client = await proxy.connect();
          void client.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
          if (!name.startsWith("by")) await until("some has come", () => client.unread.includes("only this"));
          hasRead();
          // By the end of a body that is not all there, or by a reset where the end would complete it.
          await assert.rejects(client.readResponse(), /ended|reset/);
          const [reported] = proxy.reported;
          assert.equal(reported?.error.source, "upstream");
        });
      }
    }
  }

  test("in its head is a 502", async () => {
    for (const answer of ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readRequest();
          connection.end(answer);
        },
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502);
      assert.equal((await client.exchange(request("GET /"))).status, 502);
    }
  });
});

describe("a request that is cut", () => {
  const bodies = {
    "within its length": post(["Content-Length: 100"], "only this"),
    "within a chunk": post(["Transfer-Encoding: chunked"], "64\r\nonly this"),
    "behind a chunk": post(["Transfer-Encoding: chunked"], "9\r\nonly this\r\n"),
    "within trailers": post(["Transfer-Encoding: chunked"], "9\r\nonly this\r\n0\r\nA: b\r\n"),
  };

  for (const [name, text] of Object.entries(bodies)) {
    for (const how of ["end", "reset"] as const) {
      test(`is never a whole one for the server: ${name}, by ${how}`, async () => {
        await using proxy = await startProxy({
          origin: async (connection) => {
            await connection.readUntil("only this");
            connection.socket.emit("seen");
            await connection.readRequest();
          },
        });
        const client = await proxy.connect();
        void client.write(text);
        const connection = await proxy.origin.connection(0);
        await new Promise((resolve) => connection.socket.once("seen", resolve));
        if (how === "end") client.end();
        else client.reset();
        await connection.closed;
        assert.doesNotMatch(connection.unread.toString(), /0\r\n/);
        await proxy.settled();
      });
    }
  }
});
