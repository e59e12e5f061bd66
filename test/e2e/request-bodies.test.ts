import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ProxyError } from "../../src/base/errors.ts";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { answering, ok, request, startProxy } from "./proxy.ts";

const CHUNKED = request("POST /", "Transfer-Encoding: chunked");

describe("a body that a phase reads", () => {
  for (const phase of [
    "earlyRequestFilter",
    "requestFilter",
    "proxyUpstreamFilter",
    "upstreamPeer",
  ] as const) {
    test(`in ${phase} still goes to the server, trailers and all`, async () => {
      const requests: RawRequest[] = [];
      const read: string[] = [];
      let port = 0;
      await using proxy = await startProxy({
        origin: answering(ok(), requests),
        phases: {
          [phase]: async (session: Session) => {
            read.push((await session.readBody()).toString());
            // Asked again it is the same, not another one.
            read.push((await session.readBody(1)).toString());
            return phase === "upstreamPeer" ? new HttpPeer(`127.0.0.1:${port}`) : undefined;
          },
        },
      });
      port = proxy.origin.port;
      const client = await proxy.connect();
      void client.write(`${CHUNKED}3\r\nabc\r\n`);
      await nextTurn();
      assert.equal((await client.exchange("2\r\nde\r\n0\r\nX-T: 1\r\n\r\n")).status, 200);
      assert.equal((await client.exchange(`${request("POST /", "Content-Length: 5")}fghij`)).status, 200);
      assert.deepEqual(read, ["abcde", "abcde", "fghij", "fghij"]);
      assert.deepEqual(
        requests.map(({ framing, body, trailers }) => [framing, body.toString(), trailers]),
        [
          ["chunked", "abcde", [["X-T", "1"]]],
          ["length", "fghij", []],
        ],
      );
    });
  }

  test("may be none at all", async () => {
    const requests: RawRequest[] = [];
    const read: number[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: { requestFilter: async (session) => void read.push((await session.readBody()).length) },
    });
    const client = await proxy.connect();
    for (const text of [request("GET /"), request("POST /", "Content-Length: 0"), `${CHUNKED}0\r\n\r\n`]) {
      assert.equal((await client.exchange(text)).status, 200);
    }
    assert.deepEqual(read, [0, 0, 0]);
    assert.deepEqual(
      requests.map(({ framing }) => framing),
      ["none", "length", "chunked"],
    );
  });

  test("is asked for where the client waits to be asked", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: { requestFilter: async (session) => void (await session.readBody()) },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", "Expect: 100-continue", "Content-Length: 5"));
    assert.equal(await client.readHead(), "HTTP/1.1 100 Continue\r\n\r\n");
    const response = await client.exchange("hello");
    assert.deepEqual([response.status, response.interim], [200, []]);
    assert.equal(requests[0]?.header("expect"), undefined);
    assert.equal(requests[0]?.body.toString(), "hello");
  });

  test("over the limit is a 413: by its length, without being asked for", async () => {
    await using proxy = await startProxy({
      origin: answering(ok()),
      phases: { requestFilter: async (session) => void (await session.readBody(4)) },
    });
    const texts = [
      `${request("POST /", "Content-Length: 5")}hello`,
      request("POST /", "Content-Length: 5", "Expect: 100-continue"),
      `${CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
    ];
    for (const text of texts) {
      const client = await proxy.connect();
      const response = await client.exchange(text);
      assert.deepEqual([response.status, response.interim], [413, []]);
    }
    const client = await proxy.connect();
    assert.equal((await client.exchange(`${request("POST /", "Content-Length: 4")}four`)).status, 200);
    assert.equal(proxy.origin.connections.length, 1);
  });

  test("doesn't have to be waited for", async () => {
    const requests: RawRequest[] = [];
    const read: Promise<Buffer>[] = [];
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: { requestFilter: (session) => void read.push(session.readBody()) },
    });
    const client = await proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 10")}01234`);
    await proxy.origin.connection(0);
    assert.equal((await client.exchange("56789")).status, 200);
    assert.equal(requests[0]?.body.toString(), "0123456789");
    assert.equal(String(await read[0]), "0123456789");
  });

  test("can be what the answer depends on", async () => {
    await using proxy = await startProxy({
      origin: answering(ok("passed")),
      phases: {
        earlyRequestFilter: () => nextTurn(),
        requestFilter: async (session) => {
          const body = await session.readBody();
          if (body.includes("attack")) session.respond({ status: 403, body: "no" });
        },
      },
    });
    const client = await proxy.connect();
    const send = (body: string): string => request("POST /", `Content-Length: ${body.length}`) + body;
    assert.equal((await client.exchange(send("attack!"))).status, 403);
    assert.equal((await client.exchange(send("good"))).body.toString(), "passed");
  });

  test("that the client doesn't finish is an error for who waits for it", async () => {
    const failures: unknown[] = [];
    await using proxy = await startProxy({
      phases: {
        requestFilter: (session) =>
          session.readBody().then(
            () => assert.fail(),
            (error: unknown) => void failures.push(error),
          ),
      },
    });
    for (const how of ["reset", "end"] as const) {
      const client = await proxy.connect();
      void client.write(`${request("POST /", "Content-Length: 10")}01234`);
      await until("it is asked", () => proxy.count("requestsActive") === 1);
      client[how]();
      await proxy.settled();
      client.destroy();
    }
    await nextTurn();
    assert.deepEqual(
      failures.map((error) => error instanceof ProxyError && error.code),
      ["DOWNSTREAM_CLOSED", "DOWNSTREAM_CLOSED"],
    );
  });

  test("is sent again in a retry, through the filters once", async () => {
    const requests: RawRequest[] = [];
    let filtered = 0;
    let port = 0;
    await using proxy = await startProxy({
      origin: answering(ok(), requests),
      phases: {
        requestFilter: async (session) => void (await session.readBody()),
        requestBodyFilter: (_, chunk) => {
          filtered++;
          return chunk === null ? "!" : chunk.toString().toUpperCase();
        },
        upstreamRequestFilter: (_, upstream) => void upstream.headers.delete("content-length"),
        upstreamPeer: ({ tries }) => new HttpPeer(`127.0.0.1:${tries < 3 ? 1 : port}`),
        failToConnect: (_, __, error) => {
          error.retry = "yes";
        },
      },
    });
    port = proxy.origin.port;
    const client = await proxy.connect();
    assert.equal((await client.exchange(`${request("PUT /", "Content-Length: 5")}hello`)).status, 200);
    assert.equal(requests[0]?.body.toString(), "HELLO!");
    assert.equal(filtered, 2);
    assert.equal(proxy.count("retries"), 2);
  });

  test("can't be read once it is on its way", async () => {
    const thrown: unknown[] = [];
    await using proxy = await startProxy({
      origin: answering(ok()),
      phases: {
        responseFilter: async (session) => {
          await session.readBody().catch((error: unknown) => thrown.push(error));
        },
      },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(`${request("POST /", "Content-Length: 2")}hi`)).status, 200);
    assert.match(String(thrown), /on its way/);
  });
});
