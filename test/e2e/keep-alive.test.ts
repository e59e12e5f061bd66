import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { until } from "../kit/deadline.ts";
import { answering, ok, request, standstill, startProxy } from "./proxy.ts";

const MB = 1024 * 1024;

describe("keep-alive", () => {
  test("of a client is its own, whatever servers say", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        connection.end(ok("x", "Connection: close"));
      },
    });
    const client = await proxy.connect();
    for (let i = 0; i < 3; i++) {
      const response = await client.exchange(request("GET /"));
      assert.equal(response.header("connection"), undefined);
    }
    assert.equal(proxy.origin.connections.length, 3);
  });

  test("ends when the client says so", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    for (const text of [
      request("GET /", "Connection: close"),
      request("GET /", "Connection: x, Close ,y"),
      "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    ]) {
      const client = await proxy.connect();
      // A request behind a close is none.
      const response = await client.exchange(text + request("GET /ignored"));
      assert.deepEqual([response.status, response.header("connection")], [200, "close"]);
      assert.equal((await client.readToEnd()).length, 0);
    }
    assert.equal(proxy.origin.connections.length, 1);
  });

  test("of HTTP/1.0 is said both ways", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
      assert.deepEqual([response.version, response.header("connection")], ["HTTP/1.1", "keep-alive"]);
    }
  });

  test("of HTTP/1.0 servers is theirs to say", async () => {
    const answers = ["HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"];
    answers.push("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nb");
    for (const [i, answer] of answers.entries()) {
      await using proxy = await startProxy({ origin: answering(answer) });
      const client = await proxy.connect();
      for (let n = 0; n < 3; n++) {
        const response = await client.exchange(request("GET /"));
        assert.deepEqual([response.version, response.header("connection")], ["HTTP/1.1", undefined]);
      }
      assert.equal(proxy.origin.connections.length, i === 0 ? 3 : 1);
    }
  });

  test("answers what a client asked before it ended its direction", async () => {
    await using proxy = await startProxy({ origin: answering(({ target }) => ok(target)) });
    const client = await proxy.connect();
    client.end(request("GET /1") + request("GET /2") + request("GET /3"));
    for (const target of ["/1", "/2", "/3"]) {
      assert.equal((await client.readResponse()).body.toString(), target);
    }
    assert.equal((await client.readToEnd()).length, 0);
  });
});

describe("pipelining", () => {
  /** A request of one of five kinds, and what its answer tells. */
  function nth(i: number): { text: string; method: string; told: string } {
    const body = `body ${i} `.repeat(i % 50);
    const chunked = `${body.length.toString(16)};n=${i}\r\n${body}\r\n`;
    const chunks = `${body === "" ? "" : chunked}0\r\nT: ${i}\r\n\r\n`;
    const [method = "", text = ""] = [
      ["GET", request(`GET /${i}`)],
      ["HEAD", request(`HEAD /${i}`)],
      ["POST", request(`POST /${i}`, `Content-Length: ${body.length}`) + body],
      ["PUT", request(`PUT /${i}`, "Transfer-Encoding: chunked") + chunks],
      ["DELETE", `\r\n${request(`DELETE /${i}`)}`],
    ][i % 5] as [string, string];
    const told = method === "POST" || method === "PUT" ? `${method} /${i} ${body}` : `${method} /${i} `;
    return { method, text, told };
  }

  const all = Array.from({ length: 100 }, (_, i) => nth(i));

  for (const chunked of [false, true]) {
    test(`answers 100 requests in their order${chunked ? ", in chunks and async" : ""}`, async () => {
      await using proxy = await startProxy({
        origin: answering((seen) => {
          const told = `${seen.method} ${seen.target} ${seen.body}`;
          if (seen.method === "HEAD") return ok(told).slice(0, -told.length);
          if (!chunked) return ok(told);
          return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${told.length.toString(16)}\r\n${told}\r\n0\r\n\r\n`;
        }),
        phases: chunked ? { requestFilter: () => nextTurn(), responseFilter: () => nextTurn() } : {},
      });
      const text = all.map((one) => one.text).join("");
      for (const cuts of [[], [7, 99, 1000, 1001, 5000, 9999]]) {
        const client = await proxy.connect();
        void client.writePieces(text, cuts);
        for (const { method, told } of all) {
          const response = await client.readResponse({ method });
          assert.equal(response.status, 200);
          if (method !== "HEAD") assert.equal(response.body.toString(), told);
          else
            assert.equal(
              response.header("content-length"),
              chunked ? String(told.length) : String(told.length),
            );
        }
        assert.equal(client.unread.length, 0);
      }
      assert.equal(proxy.count("requests"), 200);
    });
  }

  test("takes no more requests than the client takes responses", async () => {
    let answered = 0;
    const body = "x".repeat(MB);
    await using proxy = await startProxy({
      origin: answering(() => {
        answered++;
        return ok(body);
      }),
    });
    const client = await proxy.connect();
    client.pause();
    void client.write(request("GET /").repeat(200));
    await standstill(() => answered);
    assert.ok(answered < 100, `${answered} answered`);
    client.resume();
    for (let i = 0; i < 200; i++) assert.equal((await client.readResponse()).body.length, MB);
  });
});

describe("a server that shuts down", () => {
  test("answers what is under way, and the first request of who has just come", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
    await using proxy = await startProxy({
      origin: answering(async ({ target }) => {
        if (target === "/held") await go;
        return ok(target);
      }),
    });
    const [idle, busy, fresh] = [await proxy.connect(), await proxy.connect(), await proxy.connect()];
    await idle.exchange(request("GET /"));
    const held = busy.exchange(request("GET /held"));
    await proxy.origin.connection(0);
    await until("all are there", () => proxy.count("connectionsOpen") === 3);
    const drained = proxy.server.drain(5000);
    assert.equal((await idle.readToEnd()).length, 0);
    letGo();
    for (const response of [await held, await fresh.exchange(request("GET /first"))]) {
      assert.deepEqual([response.status, response.header("connection")], [200, "close"]);
    }
    for (const client of [idle, busy, fresh]) client.end();
    await drained;
    await proxy.settled();
  });
});
