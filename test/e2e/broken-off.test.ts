import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { patternBytes } from "../kit/pattern.ts";
import type { RawConnection } from "../kit/raw-origin.ts";
import { answering, ok, request, startProxy } from "./proxy.ts";

/** Answers so many requests on a connection, reads one more and closes without a word. */
function closingAfter(answers: number): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    for (let i = 0; i < answers; i++) {
      await connection.readRequest();
      void connection.write(ok());
    }
    await connection.readHead();
    connection.destroy();
  };
}

describe("a server that closes a connection under a request", () => {
  test("is asked again on a new one, the second request of a connection included", async () => {
    await using proxy = await startProxy({ origin: closingAfter(1) });
    const client = await proxy.connect();
    for (let i = 0; i < 4; i++) assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal(proxy.origin.connections.length, 4);
  });

  test("is not asked again for what must not be repeated, nor on a connection that was new", async () => {
    await using proxy = await startProxy({ origin: closingAfter(1) });
    const client = await proxy.connect();
    await client.exchange(request("GET /"));
    assert.equal((await client.exchange(request("POST /"))).status, 502);
    await using closing = await startProxy({ origin: closingAfter(0) });
    const other = await closing.connect();
    assert.equal((await other.exchange(request("GET /"))).status, 502);
    assert.equal(closing.origin.connections.length, 1);
  });
});

describe("a response that breaks off", () => {
  test("leaves those before it whole, which the client may not have read yet", async () => {
    const body = patternBytes(512 * 1024).toString("latin1");
    await using proxy = await startProxy({
      origin: answering((seen, connection) => {
        if (seen.target === "/whole") return Buffer.from(ok(body), "latin1");
        connection.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        return undefined;
      }),
    });
    const client = await proxy.connect();
    client.pause();
    void client.write(request("GET /whole") + request("GET /cut"));
    const second = await proxy.origin.connection(0);
    await second.closed;
    client.resume();
    const whole = await client.readResponse();
    assert.equal(whole.body.toString("latin1"), body);
    await assert.rejects(client.readResponse(), /5 bytes short of 10/);
  });

  test("is reset where its end would look like the end of the body", async () => {
    await using proxy = await startProxy({
      origin: [
        { read: "request" },
        { send: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n" },
        { close: "half" },
      ],
    });
    const client = await proxy.connect();
    await client.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert.equal(await client.closed, "reset");
  });
});

describe("a connection whose upload goes on after the answer", () => {
  async function answerTo(...headers: readonly string[]): Promise<string | undefined> {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write(ok());
      },
    });
    const client = await proxy.connect();
    const response = await client.exchange(request("POST /", ...headers));
    assert.equal(response.status, 200);
    return response.header("connection");
  }

  test("announces its close when too much is to come, or nobody knows how much", async () => {
    assert.equal(await answerTo("Content-Length: 1000000"), "close");
    assert.equal(await answerTo("Transfer-Encoding: chunked"), "close");
  });

  test("stays open when the rest is short", async () => {
    assert.equal(await answerTo("Content-Length: 1000"), undefined);
  });
});
