import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Session } from "../../src/proxy/session.ts";
import { patternBytes } from "../kit/pattern.ts";
import type { RawConnection } from "../kit/raw-origin.ts";
import { answering, ok, readPattern, request, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;
const ASK = request("GET /chat", "Connection: Upgrade", "Upgrade: echo/2");
const AGREE = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/2\r\n\r\n";

/** A server that agrees to an upgrade and hands over the connection. */
function agreeing(goOn: (connection: RawConnection) => void | Promise<void>) {
  return async (connection: RawConnection): Promise<void> => {
    const head = await connection.readHead();
    assert.match(head, /\r\nConnection: Upgrade\r\nUpgrade: echo\/2\r\n/);
    void connection.write(AGREE);
    await goOn(connection);
  };
}

describe("an upgrade", () => {
  test("to anything else is passed on, with its protocol and nothing more", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        const { headers } = await connection.readRequest();
        assert.deepEqual(headers, [
          ["Host", "a.example"],
          ["X-Stays", "1"],
          ["Connection", "Upgrade"],
          ["Upgrade", "chat/2, other"],
        ]);
        const fields = "Connection: upgrade, X-Gone\r\nX-Gone: 1\r\nUpgrade: other\r\nX-Told: 1";
        void connection.write(`HTTP/1.1 101 As You Like\r\n${fields}\r\n\r\n`);
        void connection.write(await connection.readExactly(4));
      },
    });
    const client = await proxy.connect();
    const fields = ["Connection: x-gone, UPGRADE", "Upgrade: chat/2, other", "X-Gone: 1", "X-Stays: 1"];
    void client.write(request("GET /", ...fields));
    const head = await client.readHead();
    assert.equal(
      head,
      "HTTP/1.1 101 As You Like\r\nX-Told: 1\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
    );
    void client.write("\x00\xff\r\n");
    assert.equal((await client.readExactly(4)).toString("latin1"), "\x00\xff\r\n");
    assert.equal(proxy.count("tunnels"), 1);
    assert.equal(proxy.count("responses1xx"), 0);
  });

  test("may come with a body, and is agreed to after it", async () => {
    for (const early of [false, true]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readHead();
          if (early) void connection.write(AGREE);
          assert.equal((await connection.readExactly(5)).toString(), "hello");
          if (!early) void connection.write(AGREE);
          void connection.write(await connection.readExactly(3));
        },
      });
      const client = await proxy.connect();
      void client.write(request("POST /", "Content-Length: 5", "Connection: Upgrade", "Upgrade: echo/2"));
      await proxy.origin.connection(0);
      if (early) {
        // A server that agrees before it was asked all would get the rest as something else.
        assert.equal((await client.readResponse()).status, 502);
        continue;
      }
      void client.write("hello");
      assert.match(await client.readHead(), /^HTTP\/1.1 101 /);
      void client.write("hey");
      assert.equal((await client.readExactly(3)).toString(), "hey");
    }
  });

  test("that is refused leaves HTTP as it was", async () => {
    for (const status of ["200 OK", "404 Not Found", "426 Upgrade Required"]) {
      await using proxy = await startProxy({
        origin: answering(({ target }) => {
          if (target !== "/chat") return ok("next");
          const field = status.startsWith("426") ? "Upgrade: echo/3\r\nConnection: Upgrade\r\n" : "";
          return `HTTP/1.1 ${status}\r\n${field}Content-Length: 2\r\n\r\nno`;
        }),
      });
      const client = await proxy.connect();
      // What was sent behind it is the next request.
      void client.write(ASK + request("GET /next"));
      const response = await client.readResponse();
      assert.deepEqual([response.status, response.body.toString()], [Number(status.slice(0, 3)), "no"]);
      assert.equal((await client.readResponse()).body.toString(), "next");
      assert.equal(proxy.origin.connections.length, 1);
      assert.equal(proxy.count("tunnels"), 0);
    }
  });

  test("loses no byte that either side sends early", async () => {
    for (const isAsync of [false, true]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          const head = await connection.readHead();
          assert.match(head, /^GET \/chat/);
          // With the head, in one segment.
          void connection.write(AGREE + patternBytes(3000, 0, 1).toString("latin1"));
          await writePattern(connection, 500_000 - 3000, 1, 3000);
          await readPattern(connection, 300_000, 2);
          connection.end();
        },
        phases: isAsync ? { responseFilter: () => nextTurn() } : {},
      });
      const client = await proxy.connect();
      void client.write(ASK + patternBytes(300_000, 0, 2).toString("latin1"));
      assert.match(await client.readHead(), /^HTTP\/1.1 101 /);
      await readPattern(client, 500_000, 1);
      assert.equal(await client.closed, "end");
      assert.equal(await proxy.origin.outcome(0), undefined);
    }
  });

  test("ends each direction by itself", async () => {
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        await connection.readToEnd();
        void connection.write("still here");
        await connection.readToEnd();
        connection.end(" and gone");
      }),
    });
    const client = await proxy.connect();
    void client.write(ASK);
    await client.readHead();
    client.end("bye");
    assert.equal((await client.readToEnd()).toString(), "still here and gone");
    await proxy.settled();
    assert.deepEqual(proxy.reported, []);
  });

  test("ends the client's direction also when it ended before the server agreed", async () => {
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => connection.end(`heard ${await connection.readToEnd()}`)),
    });
    for (const said of ["", "early"]) {
      const client = await proxy.connect();
      client.end(`${ASK}${said}`);
      assert.equal(await client.readHead(), AGREE);
      assert.equal((await client.readToEnd()).toString(), `heard ${said}`);
    }
  });

  test("ends the server's direction by itself too", async () => {
    let heard = "";
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        connection.end("all I have");
        heard = (await connection.readToEnd()).toString();
      }),
    });
    const client = await proxy.connect();
    void client.write(ASK);
    await client.readHead();
    assert.equal((await client.readToEnd()).toString(), "all I have");
    await client.write("one ");
    client.end("two");
    await proxy.settled();
    assert.equal(heard, "one two");
  });

  test("is cut on both sides by a reset on one", async () => {
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        if ((await connection.readExactly(1)).toString() === "r") connection.reset();
        await connection.closed;
      }),
    });
    for (const who of ["server", "client"]) {
      const client = await proxy.connect();
      void client.write(ASK);
      await client.readHead();
      if (who === "server") {
        void client.write("r");
        assert.equal(await client.closed, "reset");
      } else {
        client.reset();
        const connection = proxy.origin.connections.at(-1);
        assert.equal(await connection?.closed, "reset");
      }
      await proxy.settled();
    }
    assert.deepEqual(
      proxy.reported.map(({ error }) => error.code),
      ["UPSTREAM_RESET", "DOWNSTREAM_CLOSED"],
    );
  });

  test("is seen by the phases, told in the log, and bytes are counted", async () => {
    const seen: string[] = [];
    const phase = (name: string) => (): void => void seen.push(name);
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        void connection.write(await connection.readExactly(4));
        connection.end("12345678");
      }),
      phases: {
        requestFilter: phase("requestFilter"),
        upstreamRequestFilter: (_, upstream) => void seen.push(`upgrade ${upstream.upgrade}`),
        upstreamResponseFilter: phase("upstreamResponseFilter"),
        responseFilter: (_, response) => response.headers.set("X-Filtered", String(response.status)),
        responseBodyFilter: () => assert.fail("this is no body"),
        logging: (session: Session, error) => {
          seen.push(
            `logging ${session.response?.status} ${error} ${session.bytesReceived} ${session.bytesSent}`,
          );
        },
      },
    });
    const client = await proxy.connect();
    void client.write(ASK);
    assert.match(await client.readHead(), /\r\nX-Filtered: 101\r\n/);
    client.end("ping");
    assert.equal((await client.readToEnd()).toString(), "ping12345678");
    await proxy.settled();
    assert.deepEqual(seen, [
      "requestFilter",
      "upgrade echo/2",
      "upstreamResponseFilter",
      "logging 101 null 4 12",
    ]);
  });

  test("is a filter's to refuse", async () => {
    const requests: unknown[] = [];
    await using proxy = await startProxy({
      origin: answering(({ headers }) => {
        requests.push(headers);
        return AGREE;
      }),
      phases: {
        upstreamRequestFilter: ({ request: { path } }, { headers }) => {
          if (path === "/plain") headers.delete("upgrade");
        },
        responseFilter: (_, response) => {
          response.status = 403;
        },
      },
    });
    const client = await proxy.connect();
    const response = await client.exchange(ASK);
    assert.deepEqual([response.status, response.header("content-length")], [403, "0"]);
    await proxy.origin.connections[0]?.closed;
    // Nobody asked, so that an agreement is an error.
    const plain = await client.exchange(ASK.replace("/chat", "/plain"));
    assert.equal(plain.status, 502);
    assert.deepEqual(requests[1], [["Host", "a.example"]]);
  });

  test("is none in HTTP/1.0, or without Connection", async () => {
    const seen: unknown[] = [];
    await using proxy = await startProxy({
      origin: answering(({ headers }) => {
        seen.push(headers);
        return ok();
      }),
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /", "Upgrade: echo/2"));
    await client.exchange(
      "GET / HTTP/1.0\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo/2\r\n\r\n",
    );
    assert.deepEqual(seen, [[["Host", "a.example"]], [["Host", "a.example"]]]);
  });

  test("goes on through a slow reader on either side, every byte", async () => {
    const size = 24 * MB;
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        connection.pause();
        const sending = writePattern(connection, size, 1);
        await nextTurn();
        setTimeout(() => connection.resume(), 200);
        await Promise.all([sending, readPattern(connection, size, 2)]);
        connection.end();
      }),
    });
    const client = await proxy.connect();
    void client.write(ASK);
    await client.readHead();
    client.pause();
    const sending = writePattern(client, size, 2);
    setTimeout(() => client.resume(), 400);
    await Promise.all([sending, readPattern(client, size, 1)]);
    client.end();
    assert.equal(await client.closed, "end");
    assert.equal(await proxy.origin.outcome(0), undefined);
  });

  test("ends with the server, after its grace", async () => {
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => void (await connection.closed)),
    });
    const client = await proxy.connect();
    void client.write(ASK);
    await client.readHead();
    const drained = proxy.server.drain(100);
    assert.notEqual(await client.closed, "here");
    await drained;
    await proxy.settled();
  });
});
