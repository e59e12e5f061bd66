import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RetryPolicy } from "../../src/proxy/retries.ts";
import { until } from "../kit/deadline.ts";
import { startDeafServer } from "../kit/deaf-server.ts";
import { patternBytes } from "../kit/pattern.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import type { RawScript } from "../kit/raw-origin.ts";
import { Cluster, type ClusterOptions, type Member } from "./cluster.ts";
import { answering, ok, request, startProxy } from "./proxy.ts";

/** Reads a request, as much of it as there is to be, and ends. */
const closes: RawScript = [{ read: "request" }, { close: "both" }];
const unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
const onUnavailable: Partial<RetryPolicy> = { onStatus: [{ first: 502, last: 504 }] };

/** Answers one request, and resets the connection in the middle of the next. */
function diesIdle(onDead: () => void = () => undefined): RawScript {
  return async (connection) => {
    await connection.readRequest();
    void connection.write(ok());
    await connection.readHead();
    connection.reset();
    onDead();
  };
}

function start(
  members: readonly Member[],
  retries: Partial<RetryPolicy>,
  options: ClusterOptions = {},
): Promise<Cluster> {
  return Cluster.start(members, { retries, ...options });
}

describe("a server that can't be connected to", () => {
  test("is followed by another one, for any method", async () => {
    const requests: RawRequest[] = [];
    await using cluster = await start(["nobody", answering(ok(), requests)], { onConnectFailure: true });
    const client = await cluster.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal((await client.exchange(`${request("POST /", "Content-Length: 5")}hello`)).status, 200);
    assert.equal(requests[1]?.body.toString(), "hello");
    assert.deepEqual(cluster.ends, [Array(2).fill("UPSTREAM_CONNECT_REFUSED"), [null, null]]);
    assert.deepEqual([cluster.gate.entered, cluster.proxy.count("retries")], [2, 2]);
  });

  test("is given up where the phase, the number of attempts or the gate say so", async () => {
    const isStopped = {
      phases: {
        failToConnect: (_: unknown, __: unknown, error: { retry: string }) => {
          assert.equal(error.retry, "yes");
          error.retry = "no";
        },
      },
    };
    for (const [retries, options, most] of [
      [{}, isStopped, 9],
      [{ maxTries: 1 }, {}, 9],
      [{}, {}, 0],
    ] as const) {
      const policy = { onConnectFailure: true, ...retries };
      await using cluster = await start(["nobody", answering(ok())], policy, options);
      cluster.gate.most = most;
      const response = await (await cluster.proxy.connect()).exchange(request("GET /"));
      assert.deepEqual([response.status, response.body.toString()], [502, "HTTP 502 Bad Gateway\n"]);
      assert.equal(cluster.proxy.reported[0]?.error.code, "UPSTREAM_CONNECT_REFUSED");
      assert.equal(cluster.proxy.count("retryRefusals"), most === 0 ? 1 : 0);
    }
  });

  test("may be any number of servers; the gate counts one attempt at a time", async () => {
    const members: Member[] = ["nobody", "nobody", "nobody", answering(ok())];
    await using cluster = await start(members, { onConnectFailure: true });
    cluster.gate.most = 1;
    assert.equal((await (await cluster.proxy.connect()).exchange(request("GET /"))).status, 200);
    assert.deepEqual([cluster.gate.entered, cluster.gate.refused], [3, 0]);
  });
});

describe("a server that breaks off before its response", () => {
  test("is followed by another one, if the method bears it", async () => {
    for (const [method, retries, status] of [
      ["GET", { onReset: true }, 200],
      ["PUT", { onReset: true }, 200],
      ["GET", {}, 502],
      ["POST", { onReset: true }, 502],
      ["POST", { onReset: true, nonIdempotent: true }, 200],
    ] as const) {
      const requests: RawRequest[] = [];
      await using cluster = await start([closes, answering(ok(), requests)], retries);
      const client = await cluster.proxy.connect();
      const body = method === "GET" ? "" : "hello";
      const response = await client.exchange(
        `${request(`${method} /`, `Content-Length: ${body.length}`)}${body}`,
      );
      assert.equal(response.status, status, `${method} ${JSON.stringify(retries)}`);
      if (status === 200) assert.equal(requests[0]?.body.toString(), body);
      assert.deepEqual(cluster.ends[0], ["UPSTREAM_CLOSED"]);
    }
  });

  test("is followed by another one as long as no server can have acted on the request", async () => {
    const framings = [
      ["PUT", "Content-Length: 11", "hello ", "world"],
      ["POST", "Content-Length: 11", "", "hello world"],
      ["PUT", "Transfer-Encoding: chunked", "6\r\nhello \r\n", "5\r\nworld\r\n0\r\n\r\n"],
      ["POST", "Transfer-Encoding: chunked", "", "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"],
    ] as const;
    for (const [method, field, first, rest] of framings) {
      const requests: RawRequest[] = [];
      const dead = Promise.withResolvers<void>();
      const dying: RawScript = async (connection) => {
        await connection.readHead();
        if (first !== "") await connection.readExactly(first.length);
        connection.reset();
        dead.resolve();
      };
      await using cluster = await start([dying, answering(ok(), requests)], { onReset: true });
      const client = await cluster.proxy.connect();
      void client.write(request(`${method} /`, field) + first);
      await dead.promise;
      await until("the next one is asked", () => cluster.watchers[1]?.begun === 1);
      void client.write(rest);
      assert.equal((await client.readResponse()).status, 200);
      assert.equal(requests[0]?.body.toString(), "hello world");
      assert.equal(cluster.proxy.count("retries"), 1);
    }
  });

  test("ends a POST of whose body something was sent", async () => {
    const dying: RawScript = [{ read: "head" }, { read: 5 }, { close: "reset" }];
    await using cluster = await start([dying, answering(ok())], { onReset: true });
    const client = await cluster.proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 11")}hello`);
    assert.equal((await client.readResponse()).status, 502);
    assert.equal(cluster.watchers[1]?.begun, 0);
  });

  test("ends the request when the body is too long to be kept", async () => {
    await using cluster = await start(
      [[{ read: "head" }, { read: 100_000 }, { close: "reset" }], answering(ok())],
      { onReset: true },
      { retryBufferSize: 50_000 },
    );
    const client = await cluster.proxy.connect();
    void client.write(request("PUT /", "Content-Length: 200000"));
    void client.write(patternBytes(100_000));
    assert.equal((await client.readResponse()).status, 502);
    assert.deepEqual([cluster.watchers[1]?.begun, cluster.gate.entered], [0, 0]);
  });

  test("is never followed by another one once the client got something", async () => {
    const breaks = (head: string): RawScript => [{ read: "request" }, { send: head }, { close: "reset" }];
    for (const head of [
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ]) {
      const all = { onReset: true, onTimeout: true, onConnectFailure: true, nonIdempotent: true };
      await using cluster = await start([breaks(head), answering(ok())], { ...all, ...onUnavailable });
      const client = await cluster.proxy.connect();
      await assert.rejects(client.exchange(request("GET /")), /ended|reset/);
      assert.equal(cluster.watchers[1]?.begun, 0);
    }
  });

  test("is followed by another one when it dies within the head, not behind an interim response", async () => {
    for (const [begin, status] of [
      ["HTTP/1.1 200 OK\r\nContent-", 200],
      ["HTTP/1.1 103 Early Hints\r\n\r\n", 502],
    ] as const) {
      const dies: RawScript = [{ read: "request" }, { send: begin }, { close: "both" }];
      await using cluster = await start([dies, answering(ok())], { onReset: true, ...onUnavailable });
      const client = await cluster.proxy.connect();
      void client.write(request("GET /"));
      if (status === 502) assert.match(await client.readHead(), / 103 /);
      assert.equal((await client.readResponse()).status, status);
    }
  });

  test("is replaced without leave when its connection had been idle, if only that died", async () => {
    const requests: RawRequest[] = [];
    await using cluster = await start([diesIdle(), answering(ok("two"), requests)], {});
    cluster.gate.most = 0;
    const client = await cluster.proxy.connect();
    await client.exchange(request("GET /"));
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "two");
    assert.deepEqual([cluster.gate.refused, cluster.proxy.count("retries")], [0, 1]);
  });

  test("is replaced on an idle connection for a POST that has nothing of its body yet", async () => {
    const dead = Promise.withResolvers<void>();
    const requests: RawRequest[] = [];
    await using cluster = await start([diesIdle(dead.resolve), answering(ok("two"), requests)], {});
    const client = await cluster.proxy.connect();
    await client.exchange(request("GET /"));
    void client.write(request("POST /", "Content-Length: 5"));
    await dead.promise;
    await until("the next one is asked", () => cluster.watchers[1]?.begun === 1);
    void client.write("hello");
    assert.equal((await client.readResponse()).body.toString(), "two");
    assert.equal(requests[0]?.body.toString(), "hello");
  });
});

describe("a server that takes too long", () => {
  test("is followed by another one, where the policy says so", async () => {
    for (const [retries, status] of [
      [{ onTimeout: true }, 200],
      [{ onReset: true, onConnectFailure: true }, 504],
    ] as const) {
      const peer = { firstByteTimeout: 1 };
      const hangs: RawScript = [{ read: "request" }];
      await using cluster = await start([hangs, answering(ok())], retries, { peer });
      assert.equal((await (await cluster.proxy.connect()).exchange(request("GET /"))).status, status);
      assert.deepEqual(cluster.ends[0], ["UPSTREAM_FIRST_BYTE_TIMEOUT"]);
    }
  });

  test("may take so long for one attempt, from the choice of the server to its response", async () => {
    const hangs: RawScript = [{ read: "request" }];
    await using cluster = await start([hangs, hangs], { tryTimeout: 1_000, onTimeout: true, maxTries: 2 });
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    for (const origin of [0, 1]) {
      await until("a server is asked", () => cluster.origins[origin]?.connections.length === 1);
      cluster.clock.advance(999);
      assert.equal(cluster.watchers[origin]?.active, 1);
      cluster.clock.advance(1);
      assert.equal(cluster.watchers[origin]?.active, 0);
    }
    assert.equal((await client.readResponse()).status, 504);
    assert.deepEqual(cluster.ends, Array(2).fill(["UPSTREAM_FIRST_BYTE_TIMEOUT"]));
  });

  test("may take so long to be connected to as well", async () => {
    await using deaf = await startDeafServer();
    await using cluster = await start(
      [answering(ok())],
      { tryTimeout: 500, onTimeout: true },
      {
        phases: {
          upstreamPeer: ({ tries }) =>
            cluster.watchers[0]!.peer(tries === 1 ? deaf.port : (cluster.origins[0]?.port ?? 0)),
        },
      },
    );
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await until("it is tried", () => cluster.watchers[0]?.active === 1);
    cluster.clock.advance(500);
    assert.equal((await client.readResponse()).status, 200);
    assert.deepEqual(cluster.ends, [["UPSTREAM_CONNECT_TIMEOUT", null]]);
  });

  test("isn't blamed for a client that takes its time", async () => {
    const begun = Promise.withResolvers<void>();
    const patient: RawScript = async (connection) => {
      await connection.readHead();
      await connection.readExactly(2);
      begun.resolve();
      await connection.readExactly(3);
      void connection.write(ok());
    };
    await using cluster = await start([patient], { tryTimeout: 1_000, onTimeout: true });
    const client = await cluster.proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 5")}he`);
    await begun.promise;
    for (let i = 0; i < 5; i++) cluster.clock.advance(1_000);
    void client.write("llo");
    assert.equal((await client.readResponse()).status, 200);
    assert.deepEqual(cluster.ends, [[null]]);
  });

  test("has all the time for the rest, once its head is there", async () => {
    const slow: RawScript = async (connection) => {
      await connection.readRequest();
      void connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
      await connection.readHead();
    };
    await using cluster = await start([slow, answering(ok())], { tryTimeout: 1_000, onTimeout: true });
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await client.readHead();
    cluster.clock.advance(100_000);
    assert.equal(cluster.watchers[0]?.active, 1);
    client.reset();
  });
});

describe("a response that the policy doesn't want", () => {
  test("is followed by another server's, and phases see only that", async () => {
    const seen: number[] = [];
    const requests: RawRequest[] = [];
    await using cluster = await start(
      [answering(unavailable), answering(ok("good"), requests)],
      onUnavailable,
      {
        phases: { upstreamResponseFilter: (_, { status }) => void seen.push(status) },
      },
    );
    const client = await cluster.proxy.connect();
    const response = await client.exchange(`${request("PUT /", "Content-Length: 5")}hello`);
    assert.deepEqual([response.body.toString(), seen], ["good", [200]]);
    assert.equal(requests[0]?.body.toString(), "hello");
    assert.deepEqual([cluster.watchers[0]?.statuses, cluster.ends], [[503], [[null], [null]]]);
  });

  test("is what the client gets when there is no better one to be had", async () => {
    const whole = `${request("POST /", "Content-Length: 5")}hello`;
    for (const [text, maxTries, most, begun] of [
      [request("GET /"), 1, 9, 0],
      [request("GET /"), 2, 0, 0],
      [request("GET /"), 2, 9, 1],
      [whole, 2, 9, 0],
    ] as const) {
      const both = answering(unavailable);
      await using cluster = await start([both, both], { ...onUnavailable, maxTries });
      cluster.gate.most = most;
      const response = await (await cluster.proxy.connect()).exchange(text);
      assert.deepEqual([response.status, response.body.toString()], [503, "busy"]);
      assert.equal(cluster.watchers[1]?.begun, begun);
    }
  });

  test("that comes before the body is out whole is followed by another one", async () => {
    const requests: RawRequest[] = [];
    const early: RawScript = [{ read: "head" }, { send: unavailable }];
    await using cluster = await start([early, answering(ok(), requests)], onUnavailable);
    const client = await cluster.proxy.connect();
    void client.write(`${request("PUT /", "Content-Length: 5")}he`);
    await until("the next one is asked", () => cluster.watchers[1]?.begun === 1);
    void client.write("llo");
    assert.equal((await client.readResponse()).status, 200);
    assert.equal(requests[0]?.body.toString(), "hello");
  });

  test("leaves its connection for the next request if it is short", async () => {
    const long = "x".repeat(100_000);
    for (const [text, connections] of [
      [unavailable, 1],
      [`HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n${long}`, 3],
      ["HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 3],
    ] as const) {
      await using cluster = await start([answering(text), answering(ok())], onUnavailable);
      const client = await cluster.proxy.connect();
      for (let i = 0; i < 3; i++) assert.equal((await client.exchange(request("GET /"))).status, 200);
      assert.deepEqual(
        cluster.origins.map((origin) => origin?.connections.length),
        [connections, 1],
      );
    }
  });

  /** Sends most of its first answer, the end of it when it is told, and then a second one. */
  const late =
    (told: Promise<void>): RawScript =>
    async (connection) => {
      await connection.readRequest();
      void connection.write(unavailable.slice(0, -4));
      await told;
      await connection.write("busy");
      await connection.readRequest();
      await connection.write(unavailable);
    };

  test("may end later than the good one; then its connection is used again", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using cluster = await start([late(promise), answering(ok())], onUnavailable);
    const client = await cluster.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    resolve();
    await until("both connections are idle", () => cluster.proxy.connector.pool.size === 2);
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal(cluster.origins[0]?.connections.length, 1);
  });

  test("has its connection closed in time if it doesn't end", async () => {
    const never = new Promise<void>(() => {});
    const peer = { readTimeout: 1 };
    await using cluster = await start([late(never), answering(ok())], onUnavailable, { peer });
    const client = await cluster.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    const { connector } = cluster.proxy;
    await until("the one that says no more is closed", () => connector.open === 1);
    await until("the other one is idle", () => connector.pool.size === 1);
  });

  test("is thrown away one after the other, with one attempt under way at a time", async () => {
    const bad = answering(unavailable);
    await using cluster = await start([bad, bad, bad, answering(ok())], onUnavailable);
    cluster.gate.most = 1;
    assert.equal((await (await cluster.proxy.connect()).exchange(request("GET /"))).status, 200);
    assert.deepEqual([cluster.gate.entered, cluster.gate.refused], [3, 0]);
  });
});

describe("between two attempts", () => {
  const waits = { onConnectFailure: true, backoff: 100, longestBackoff: 300 };
  const random = { next: () => 0.5 };

  test("the proxy waits, longer each time", async () => {
    const members: Member[] = ["nobody", "nobody", "nobody", "nobody", answering(ok())];
    await using cluster = await start(members, waits, { random });
    const client = await cluster.proxy.connect();
    void client.write(`${request("POST /", "Content-Length: 5")}hello`);
    for (const [failed, wait] of [50, 100, 150, 150].entries()) {
      await until("an attempt has failed", () => cluster.ends[failed]?.length === 1);
      cluster.clock.advance(wait - 1);
      assert.equal(cluster.watchers[failed + 1]?.begun, 0);
      cluster.clock.advance(1);
      assert.equal(cluster.watchers[failed + 1]?.begun, 1);
    }
    assert.equal((await client.readResponse()).status, 200);
  });

  test("nothing is left of a session that ends", async () => {
    await using cluster = await start(["nobody", answering(ok())], waits, { random });
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await until("the attempt has failed", () => cluster.ends[0]?.length === 1);
    assert.equal(cluster.gate.active, 1);
    client.reset();
    await cluster.proxy.settled();
    assert.equal(cluster.gate.active, 0);
    cluster.clock.advance(10_000);
    assert.equal(cluster.watchers[1]?.begun, 0);
  });

  test("a dead idle connection isn't waited for", async () => {
    await using cluster = await start(
      [diesIdle(), answering(ok("two"))],
      { ...waits, onReset: true },
      { random },
    );
    const client = await cluster.proxy.connect();
    await client.exchange(request("GET /"));
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "two");
  });
});

describe("a session's own policy", () => {
  test("takes the place of the proxy's", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        if (proxy.origin.connections.length === 1) connection.end();
        else void connection.write(ok());
      },
      retries: { maxTries: 1 },
      phases: {
        requestFilter: (session) => {
          session.retryPolicy = { ...session.retryPolicy, maxTries: 2, onReset: true };
        },
      },
    });
    assert.equal((await (await proxy.connect()).exchange(request("GET /"))).status, 200);
    assert.equal(proxy.count("retries"), 1);
  });
});
