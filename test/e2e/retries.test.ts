import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ProxyError } from "../../src/base/errors.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { patternBytes } from "../kit/pattern.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { answering, ok, readPattern, request, startProxy, writePattern } from "./proxy.ts";

const NOBODY = new HttpPeer("127.0.0.1:1");

function again(_: unknown, __: unknown, error: ProxyError): void {
  error.retry = "yes";
}

describe("a connection that can't be made", () => {
  test("isn't tried again by itself", async () => {
    await using proxy = await startProxy({ phases: { upstreamPeer: () => NOBODY } });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 502);
    assert.deepEqual([proxy.count("retries"), proxy.count("upstreamConnectFailures")], [0, 1]);
  });

  test("is tried again where failToConnect says so, on another server and after a while", async () => {
    const requests: RawRequest[] = [];
    const tries: number[] = [];
    let port = 0;
    await using proxy = await startProxy({
      origin: answering(ok("at last"), requests),
      phases: {
        upstreamPeer: async ({ tries: current }) => {
          tries.push(current);
          if (current > 1) await delay(10 * 2 ** current);
          return current < 4 ? NOBODY : new HttpPeer(`127.0.0.1:${port}`);
        },
        failToConnect: again,
      },
    });
    port = proxy.origin.port;
    const client = await proxy.connect();
    const begin = performance.now();
    const response = await client.exchange(`${request("POST /", "Content-Length: 5")}hello`);
    assert.equal(response.body.toString(), "at last");
    assert.ok(performance.now() - begin > 250);
    assert.deepEqual(tries, [1, 2, 3, 4]);
    assert.equal(requests[0]?.body.toString(), "hello");
    assert.deepEqual(proxy.reported, []);
  });

  test("is tried as often as the policy allows", async () => {
    for (const maxTries of [1, 3]) {
      await using proxy = await startProxy({
        phases: { upstreamPeer: () => NOBODY, failToConnect: again },
        retries: { maxTries },
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502);
      assert.equal(proxy.count("upstreamConnectFailures"), maxTries);
    }
  });

  test("is forgotten when the client goes, or a phase fails", async () => {
    let tries = 0;
    await using proxy = await startProxy({
      phases: {
        upstreamPeer: async (session) => {
          tries = session.tries;
          if (session.request.path === "/fails" && tries === 3) throw new Error("enough");
          await delay(5);
          return NOBODY;
        },
        failToConnect: again,
      },
      retries: { maxTries: 1_000_000 },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /fails"))).status, 500);
    void client.write(request("GET /"));
    await until("it is tried", () => tries > 5);
    client.reset();
    await proxy.settled();
    const last = tries;
    await delay(50);
    assert.ok(tries <= last + 1);
  });
});

describe("an exchange that fails", () => {
  test("is tried again where errorWhileProxy says so, with its body", async () => {
    const requests: RawRequest[] = [];
    await using good = await startRawOrigin(answering(ok("good"), requests));
    const errors: string[] = [];
    for (const broken of ["", "HTTP/1.1 2", "nonsense\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
      let port = 0;
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readRequest();
          connection.end(broken);
        },
        phases: {
          upstreamPeer: ({ tries }) => new HttpPeer(`127.0.0.1:${tries === 1 ? port : good.port}`),
          errorWhileProxy: (session, peer, error) => {
            assert.equal(String(peer), `127.0.0.1:${port}`);
            errors.push(error.code);
            again(session, peer, error);
          },
        },
      });
      port = proxy.origin.port;
      const client = await proxy.connect();
      const response = await client.exchange(`${request("POST /", "Content-Length: 5")}hello`);
      assert.equal(response.body.toString(), "good");
      assert.equal(requests.at(-1)?.body.toString(), "hello");
    }
    const [closed, bad] = ["UPSTREAM_CLOSED", "UPSTREAM_BAD_RESPONSE"];
    assert.deepEqual(errors, [closed, closed, bad, closed]);
  });

  test("isn't when the client has got something, nor when the body is gone", async () => {
    for (const kept of [true, false]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          if (kept) await connection.readRequest();
          else await connection.readExactly(100_000);
          connection.end(kept ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello" : "");
        },
        phases: { errorWhileProxy: again },
      });
      const client = await proxy.connect();
      const size = kept ? 10 : 200_000;
      void client.write(request("POST /", `Content-Length: ${size}`));
      void client.write(Buffer.alloc(size));
      if (kept) await assert.rejects(client.readResponse(), /ended|reset/);
      else assert.equal((await client.readResponse()).status, 502);
      assert.equal(proxy.count("retries"), 0);
    }
  });

  test("doesn't hold the request back for a server that is gone", async () => {
    const size = 4 * 1024 * 1024;
    const { promise: full, resolve: isFull } = Promise.withResolvers<void>();
    let isFirst = true;
    await using proxy = await startProxy({
      origin: async (connection) => {
        const dies = isFirst;
        isFirst = false;
        if (!dies) {
          await connection.readHead();
          await readPattern(connection, size);
          void connection.write(ok("whole"));
          return;
        }
        connection.pause();
        await full;
        connection.reset();
      },
      phases: { errorWhileProxy: again },
      retryBufferSize: 64 * 1024 * 1024,
    });
    const client = await proxy.connect();
    void client.write(request("PUT /", `Content-Length: ${size}`));
    const writing = writePattern(client, size);
    await until("the first server is full", () => proxy.count("upstreamConnects") === 1);
    await delay(200);
    isFull();
    await writing;
    assert.equal((await client.readResponse()).body.toString(), "whole");
    assert.equal(proxy.count("retries"), 1);
  });

  test("keeps what filters made of the body between two servers", async () => {
    let isFirst = true;
    const { promise: dead, resolve: isDead } = Promise.withResolvers<void>();
    const requests: RawRequest[] = [];
    const rest = answering(ok(), requests);
    await using proxy = await startProxy({
      origin: async (connection) => {
        if (!isFirst) return typeof rest === "function" ? rest(connection) : undefined;
        isFirst = false;
        await connection.readHead();
        connection.reset();
        return undefined;
      },
      phases: {
        upstreamPeer: async ({ tries }): Promise<HttpPeer> => {
          if (tries === 2) {
            isDead();
            await delay(50);
          }
          return new HttpPeer(`127.0.0.1:${proxy.origin.port}`);
        },
        requestBodyFilter: async (_, chunk) => {
          await dead;
          return chunk === null ? undefined : Buffer.concat([chunk, patternBytes(100_000)]);
        },
        errorWhileProxy: again,
      },
    });
    const client = await proxy.connect();
    const response = await client.exchange(
      `${request("POST /", "Transfer-Encoding: chunked")}2\r\nhi\r\n0\r\n\r\n`,
    );
    assert.equal(response.status, 200);
    assert.equal(requests[0]?.body.length, 100_002);
    assert.equal(requests[0]?.body.toString("latin1", 0, 2), "hi");
  });
});
