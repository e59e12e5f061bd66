import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { ErrorCode } from "../../src/base/errors.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { patternView } from "../kit/pattern.ts";
import type { RawClient } from "../kit/raw-client.ts";
import { answering, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/** A short timeout, milliseconds; it may fire up to two ticks of 100 ms late. */
const SHORT = 100;
/** For those who are in time: a machine that has other work to do may stand still for hundreds of milliseconds. */
const LONG = 1_000;

function reportedCodes(proxy: ProxyUnderTest): ErrorCode[] {
  return proxy.reported.map(({ error }) => error.code);
}

/** The client's connection ends without a complete response. */
async function assertCut(client: RawClient): Promise<void> {
  await assert.rejects(client.readResponse(), /ended|reset/);
}

/** A listener whose queue is full: whoever connects waits for ever, for nobody accepts. */
class FullListener implements AsyncDisposable {
  readonly port: number;
  readonly #worker: Worker;
  readonly #waiting: readonly Socket[];

  private constructor(worker: Worker, port: number, waiting: readonly Socket[]) {
    this.#worker = worker;
    this.port = port;
    this.#waiting = waiting;
  }

  static async start(): Promise<FullListener> {
    const source = `
      const { parentPort } = require("node:worker_threads");
      const server = require("node:net").createServer().listen(0, "127.0.0.1", 1, () => {
        parentPort.postMessage(server.address().port);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const worker = new Worker(source, { eval: true });
    const [port] = (await once(worker, "message")) as [number];
    const waiting = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    await until("the queue is full", async () => {
      const before = waiting.filter((socket) => socket.readyState === "open").length;
      await delay(50);
      return before > 0 && before === waiting.filter((socket) => socket.readyState === "open").length;
    });
    return new FullListener(worker, port, waiting);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    await this.#worker.terminate();
  }
}

describe("timeouts of clients", { concurrency: true }, () => {
  test("a head that doesn't come to its end is a 408", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), settings: { headTimeout: SHORT } });
    const client = await proxy.connect();
    void client.write("GET / HTTP/1.1\r\n");
    const dripping = (async () => {
      while (client.socket.writable) {
        void client.write("X: y\r\n");
        await delay(20);
      }
    })();
    const response = await client.readResponse();
    assert.deepEqual([response.status, response.header("connection")], [408, "close"]);
    client.destroy();
    await dripping;
    assert.equal(proxy.origin.connections.length, 0);
  });

  test("a connection on which nothing comes is closed", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), settings: { headTimeout: SHORT } });
    const client = await proxy.connect();
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("between requests it is closed too, but not within one", async () => {
    await using proxy = await startProxy({
      origin: answering(async () => {
        await delay(LONG * 1.5);
        return ok();
      }),
      settings: { keepAliveTimeout: LONG },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal((await client.readToEnd()).length, 0);
    assert.deepEqual(proxy.reported, []);
  });

  test("a body that stops is a 408, and its server is let go", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => void (await connection.readRequest()),
      settings: { bodyTimeout: SHORT },
    });
    for (const framing of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
      const client = await proxy.connect();
      const response = await client.exchange(`${request("POST /", framing)}5\r\nab`);
      assert.deepEqual([response.status, response.header("connection")], [408, "close"]);
      client.destroy();
    }
    assert.match(String(await proxy.origin.outcome(1)), /ended|reset/);
    assert.deepEqual(reportedCodes(proxy), ["DOWNSTREAM_BODY_TIMEOUT", "DOWNSTREAM_BODY_TIMEOUT"]);
    assert.equal(proxy.count("timeouts"), 2);
  });

  test("a body that stops when the response has begun cuts it", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
      },
      settings: { bodyTimeout: SHORT },
    });
    const client = await proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 10")}hello`);
    await assertCut(client);
  });

  test("a body that comes slowly but steadily is none of them", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), settings: { bodyTimeout: LONG } });
    const client = await proxy.connect();
    void client.write(request("POST /", "Content-Length: 10"));
    for (let i = 0; i < 10; i++) {
      await delay(LONG / 5);
      void client.write("x");
    }
    assert.equal((await client.readResponse()).status, 200);
  });

  test("a client that we keep waiting isn't late", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
    const size = 16 * 1024 * 1024;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        connection.pause();
        await go;
        connection.resume();
        for (let left = size; left > 0; ) left -= (await connection.readSome()).length;
        void connection.write(ok());
      },
      settings: { bodyTimeout: LONG },
      phases: { requestFilter: () => delay(LONG * 1.5) },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", `Content-Length: ${size}`));
    for (let sent = 0; sent < size; sent += 65_536) void client.write(patternView(65_536, 0));
    await proxy.origin.connection(0);
    await delay(LONG * 1.5);
    letGo();
    assert.equal((await client.readResponse()).status, 200);
  });

  test("a body below the minimum rate is a 408, also if a filter takes its time for it", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => void (await connection.readRequest()),
      settings: { minimumRate: 10_000 },
      phases: { requestBodyFilter: () => nextTurn(undefined) },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", "Content-Length: 1000000"));
    const dripping = (async () => {
      while (client.socket.writable) {
        void client.write("x".repeat(100));
        await delay(100);
      }
    })();
    const begin = performance.now();
    assert.equal((await client.readResponse()).status, 408);
    assert.ok(performance.now() - begin > 4000);
    client.destroy();
    await dripping;
  });

  test("a client that takes nothing of its response is cut off", async () => {
    const size = 64 * 1024 * 1024;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        for (let sent = 0; sent < size; sent += 65_536) await connection.write(patternView(65_536, 0));
      },
      settings: { writeTimeout: SHORT },
    });
    const client = await proxy.connect();
    client.pause();
    void client.write(request("GET /"));
    await until("it was given up", () => proxy.reported.length > 0);
    assert.deepEqual(reportedCodes(proxy), ["DOWNSTREAM_WRITE_TIMEOUT"]);
    await proxy.origin.connections[0]?.closed;
    client.resume();
    await assertCut(client);
  });
});

describe("timeouts of servers", { concurrency: true }, () => {
  test("no connection in time is a 504", async () => {
    await using listener = await FullListener.start();
    await using proxy = await startProxy({ origin: listener, peer: { connectTimeout: SHORT } });
    const client = await proxy.connect();
    const response = await client.exchange(`${request("POST /", "Content-Length: 2")}hi`);
    assert.equal(response.status, 504);
    assert.deepEqual(reportedCodes(proxy), ["UPSTREAM_CONNECT_TIMEOUT"]);
    assert.equal((await client.exchange(request("GET /"))).status, 504);
    assert.equal(proxy.count("upstreamConnectFailures"), 2);
  });

  test("no connection in time is a 504 for CONNECT too", async () => {
    await using listener = await FullListener.start();
    const peer = { connectTimeout: SHORT };
    await using proxy = await startProxy({ origin: listener, peer, allowConnect: true });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("CONNECT a:1"))).status, 504);
    assert.deepEqual(reportedCodes(proxy), ["UPSTREAM_CONNECT_TIMEOUT"]);
  });

  test("a connection that nobody waits for any more isn't waited for", async () => {
    await using listener = await FullListener.start();
    await using proxy = await startProxy({ origin: listener, allowConnect: true });
    for (const text of [request("GET /"), request("CONNECT a:1")]) {
      const client = await proxy.connect();
      void client.write(text);
      await until("it is asked", () => proxy.count("requestsActive") === 1);
      client.reset();
      await proxy.settled();
    }
    assert.deepEqual(new Set(reportedCodes(proxy)), new Set(["DOWNSTREAM_CLOSED"]));
    assert.equal(proxy.count("upstreamConnectFailures"), 0);
  });

  test("no first byte in time is a 504", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => void (await connection.readRequest()),
      peer: { firstByteTimeout: SHORT },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 504);
    assert.deepEqual(reportedCodes(proxy), ["UPSTREAM_FIRST_BYTE_TIMEOUT"]);
    await proxy.origin.connections[0]?.closed;
    assert.equal((await client.exchange(request("GET /"))).status, 504);
    assert.equal(proxy.origin.connections.length, 2);
  });

  test("the first byte is waited for once the request is sent, and anew after a 1xx", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        for (let i = 0; i < 4; i++) {
          void connection.write("HTTP/1.1 102 Processing\r\n\r\n");
          await delay(LONG / 2);
        }
        void connection.write(ok());
      },
      peer: { firstByteTimeout: LONG * 1.5 },
    });
    const client = await proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 4")}a`);
    for (const piece of ["b", "c", "d"]) {
      await delay(LONG / 2);
      void client.write(piece);
    }
    assert.equal((await client.readResponse()).status, 200);
  });

  test("a response that stops is cut", async () => {
    for (const head of [
      "Content-Length: 10\r\n\r\nhello",
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readRequest();
          void connection.write(`HTTP/1.1 200 OK\r\n${head}`);
        },
        peer: { readTimeout: SHORT },
      });
      const client = await proxy.connect();
      void client.write(request("GET /"));
      await assertCut(client);
      assert.deepEqual(reportedCodes(proxy), ["UPSTREAM_READ_TIMEOUT"]);
    }
  });

  test("a response that comes slowly but steadily is whole", async () => {
    await using proxy = await startProxy({
      origin: answering(async (_, connection) => {
        for (const byte of ok("slow")) {
          void connection.write(byte);
          await delay(LONG / 25);
        }
        return undefined;
      }),
      peer: { readTimeout: LONG, firstByteTimeout: LONG * 10 },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "slow");
  });

  test("a server that we keep waiting isn't late", async () => {
    const size = 16 * 1024 * 1024;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        for (let sent = 0; sent < size; sent += 65_536) await connection.write(patternView(65_536, 0));
      },
      peer: { readTimeout: LONG },
    });
    const client = await proxy.connect();
    client.pause();
    void client.write(request("GET /"));
    await proxy.origin.connection(0);
    await delay(LONG * 1.5);
    client.resume();
    assert.equal((await client.readResponse()).body.length, size);
  });

  test("a server that takes nothing of the request is a 504", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        connection.pause();
      },
      peer: { writeTimeout: SHORT },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", "Content-Length: 100000000"));
    const upload = (async () => {
      for (;;) await client.write(patternView(65_536, 0));
    })().catch(() => undefined);
    assert.equal((await client.readResponse()).status, 504);
    assert.deepEqual(reportedCodes(proxy), ["UPSTREAM_WRITE_TIMEOUT"]);
    client.destroy();
    await upload;
  });
});

describe("the timeout of a whole request", { concurrency: true }, () => {
  test("is a 504 while there is no response", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => void (await connection.readRequest()),
      requestTimeout: SHORT,
    });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) assert.equal((await client.exchange(request("GET /"))).status, 504);
    await proxy.origin.connections[1]?.closed;
    assert.deepEqual(reportedCodes(proxy), ["REQUEST_TIMEOUT", "REQUEST_TIMEOUT"]);
  });

  test("cuts a response that has begun", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        void connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (connection.socket.writable) {
          void connection.write("1\r\nx\r\n");
          await delay(10);
        }
      },
      requestTimeout: SHORT,
    });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await assertCut(client);
  });

  test("covers phases, and retries", async () => {
    await using proxy = await startProxy({
      requestTimeout: LONG,
      phases: {
        requestFilter: ({ request: { path } }) =>
          path === "/filter" ? delay(60_000, undefined, { ref: false }) : undefined,
        upstreamPeer: async () => {
          await delay(20);
          return new HttpPeer("127.0.0.1:1");
        },
        failToConnect: (_, __, error) => {
          error.retry = "yes";
        },
      },
      retries: { maxTries: 1_000_000 },
    });
    const client = await proxy.connect();
    for (const path of ["/filter", "/retries"]) {
      assert.equal((await client.exchange(request(`GET ${path}`))).status, 504);
    }
    assert.ok(proxy.count("retries") > 1);
  });

  test("doesn't end what came in time", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), requestTimeout: LONG });
    const client = await proxy.connect();
    for (let i = 0; i < 5; i++) {
      assert.equal((await client.exchange(request("GET /"))).status, 200);
      await delay(LONG / 4);
    }
    assert.deepEqual(proxy.reported, []);
  });
});
