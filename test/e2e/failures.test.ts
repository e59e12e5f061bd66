import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { type ErrorCode, ProxyError } from "../../src/base/errors.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { answering, EARLY_PHASES, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

type Phase = keyof ProxyPhases;

/** Those that may take their time. */
const ASYNC = EARLY_PHASES.filter((phase) => phase !== "newContext");

const POST = `${request("POST /", "Content-Length: 5")}hello`;

/** A program that does `what` in one phase of requests to "/". */
function doingIn(phase: Phase, what: (session: Session) => unknown, port: () => number): ProxyPhases {
  const peer = (): HttpPeer => new HttpPeer(`127.0.0.1:${port()}`);
  const special = (session: Session): unknown => {
    if (session.request.path === "/") return what(session);
    return phase === "upstreamPeer" ? peer() : undefined;
  };
  return { upstreamPeer: peer, [phase]: special } as ProxyPhases;
}

/** Starts such a program and takes down how sessions end. */
async function startDoing(
  phase: Phase,
  what: (session: Session) => unknown,
): Promise<{ proxy: ProxyUnderTest; logged: (ErrorCode | null)[] }> {
  let port = 0;
  const logged: (ErrorCode | null)[] = [];
  const proxy = await startProxy({
    origin: answering(ok()),
    phases: {
      ...doingIn(phase, what, () => port),
      logging: (_, error) => void logged.push(error === null ? null : error.code),
    },
  });
  port = proxy.origin.port;
  return { proxy, logged };
}

describe("an error that a phase throws", () => {
  for (const phase of EARLY_PHASES) {
    for (const isAsync of phase === "newContext" ? [false] : [false, true]) {
      test(`in ${phase}${isAsync ? ", later" : ""} is a 500, and the connection goes on`, async () => {
        const failing = (): unknown => {
          throw new Error("a secret of ours");
        };
        const { proxy, logged } = await startDoing(phase, isAsync ? () => nextTurn().then(failing) : failing);
        await using _ = proxy;
        const client = await proxy.connect();
        for (let i = 0; i < 2; i++) {
          const response = await client.exchange(POST);
          assert.equal(response.status, 500);
          assert.equal(response.body.toString(), "HTTP 500 Internal Server Error\n");
          assert.equal(response.header("connection"), undefined);
        }
        assert.equal((await client.exchange(request("GET /next"))).status, 200);
        await proxy.settled(1);
        assert.deepEqual(logged, ["FILTER_FAILED", "FILTER_FAILED", null]);
        assert.match(proxy.reported[0]?.error.message ?? "", /secret/);
        assert.equal(proxy.reported[0]?.summary, "POST a.example/ from 127.0.0.1");
        assert.equal(proxy.count("internalErrors"), 2);
        assert.equal(proxy.count("responses5xx"), 2);
      });
    }
  }

  test("may be a ProxyError, which says what to answer", async () => {
    for (const isAsync of [false, true]) {
      const { proxy, logged } = await startDoing("requestFilter", () => {
        const error = new ProxyError("NO_ROUTE");
        if (isAsync) return Promise.reject(error);
        throw error;
      });
      await using _ = proxy;
      const client = await proxy.connect();
      assert.equal((await client.exchange(POST)).status, 404);
      await proxy.settled(1);
      assert.deepEqual(logged, ["NO_ROUTE"]);
    }
  });

  test("of logging is told and harms nobody", async () => {
    for (const isAsync of [false, true]) {
      await using proxy = await startProxy({
        origin: answering(ok()),
        phases: {
          logging: () => {
            if (isAsync) return Promise.reject(new Error("broken"));
            throw new Error("broken");
          },
        },
      });
      const client = await proxy.connect();
      for (let i = 0; i < 2; i++) assert.equal((await client.exchange(POST)).status, 200);
      await until("it was told", () => proxy.reported.length === 2);
    }
  });

  test("isn't the only thing a phase can do wrong", async () => {
    const peers: unknown[] = [undefined, null, "127.0.0.1:80", {}, 5];
    for (const peer of peers) {
      for (const isAsync of [false, true]) {
        const upstreamPeer = (): HttpPeer => (isAsync ? nextTurn(peer) : peer) as HttpPeer;
        await using proxy = await startProxy({ phases: { upstreamPeer } });
        const client = await proxy.connect();
        assert.equal((await client.exchange(POST)).status, 500);
      }
    }
    const local = { localAddress: "no address" };
    await using proxy = await startProxy({ origin: { port: 1 }, peer: local });
    const client = await proxy.connect();
    assert.equal((await client.exchange(POST)).status, 502);
    await using stopping = await startProxy({
      origin: { port: 1 },
      phases: { proxyUpstreamFilter: () => false },
    });
    const stopped = await stopping.connect();
    assert.equal((await stopped.exchange(POST)).status, 502);
    assert.equal(stopping.reported[0]?.error.code, "NOT_PROXIED");
  });
});

describe("failToProxy", () => {
  test("answers in our place", async () => {
    for (const isAsync of [false, true]) {
      const codes: string[] = [];
      await using proxy = await startProxy({
        origin: { port: 1 },
        phases: {
          failToProxy: async (session, error) => {
            if (isAsync) await nextTurn();
            codes.push(error.code);
            session.respond({ status: 503, headers: { "Retry-After": "1" }, body: "sorry" });
          },
        },
      });
      const client = await proxy.connect();
      for (let i = 0; i < 2; i++) {
        const response = await client.exchange(POST);
        assert.deepEqual([response.status, response.body.toString()], [503, "sorry"]);
        assert.equal(response.header("retry-after"), "1");
      }
      assert.deepEqual(codes, ["UPSTREAM_CONNECT_REFUSED", "UPSTREAM_CONNECT_REFUSED"]);
      // It is an error all the same.
      assert.equal(proxy.reported.length, 2);
    }
  });

  test("may change the status only", async () => {
    const statuses: readonly (readonly [number, number])[] = [
      [404, 404],
      [204, 204],
      [99, 500],
      [101, 500],
      [1e9, 500],
      [Number.NaN, 500],
    ];
    for (const [wanted, got] of statuses) {
      await using proxy = await startProxy({
        origin: { port: 1 },
        phases: {
          failToProxy: (_, error) => {
            error.status = wanted;
          },
        },
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, got, String(wanted));
      assert.equal((await client.exchange(request("GET /"))).status, got, String(wanted));
    }
  });

  test("that fails itself leaves the answer to us", async () => {
    for (const isAsync of [false, true]) {
      let calls = 0;
      await using proxy = await startProxy({
        origin: { port: 1 },
        phases: {
          failToProxy: () => {
            calls++;
            if (isAsync) return Promise.reject(new Error("broken"));
            throw new Error("broken");
          },
        },
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(POST)).status, 502);
      assert.equal(calls, 1);
      assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_CONNECT_REFUSED");
    }
  });

  test("sees what the client did wrong as well", async () => {
    const codes: string[] = [];
    await using proxy = await startProxy({
      origin: async (connection) => void (await connection.readRequest()),
      settings: { bodyTimeout: 100 },
      phases: {
        failToProxy: (session, error) => {
          codes.push(error.code);
          session.respond({ status: error.status, body: "own page" });
        },
      },
    });
    const texts = [
      request("CONNECT a:1"),
      `${request("POST /", "Transfer-Encoding: chunked")}x\r\n`,
      request("POST /", "Content-Length: 5"),
    ];
    for (const text of texts) {
      const client = await proxy.connect();
      const response = await client.exchange(text);
      assert.deepEqual([response.body.toString(), response.header("connection")], ["own page", "close"]);
    }
    assert.deepEqual(codes, ["DOWNSTREAM_METHOD_REFUSED", "DOWNSTREAM_BAD_BODY", "DOWNSTREAM_BODY_TIMEOUT"]);
  });

  test("isn't called when nobody is left to answer, or an answer has begun", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        const { target } = await connection.readRequest();
        if (target === "/") connection.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
      },
      phases: { failToProxy: () => assert.fail() },
    });
    const client = await proxy.connect();
    await assert.rejects(client.exchange(request("GET /")));
    const gone = await proxy.connect();
    void gone.write(request("GET /held"));
    await proxy.origin.connection(1);
    gone.reset();
    await until("both have failed", () => proxy.reported.length === 2);
  });
});

describe("the error log", () => {
  test("tells what the program makes of a request", async () => {
    await using proxy = await startProxy({
      origin: { port: 1 },
      phases: {
        requestSummary: ({ request: { headers } }) => `request ${headers.get("x-id")}`,
        suppressErrorLog: ({ request: { path } }, error) => path === "/quiet" && error.source === "upstream",
      },
    });
    const client = await proxy.connect();
    await client.exchange(request("GET /", "X-Id: 5"));
    await client.exchange(request("GET /quiet", "X-Id: 6"));
    assert.deepEqual(
      proxy.reported.map(({ error, summary }) => [error.code, summary]),
      [["UPSTREAM_CONNECT_REFUSED", "request 5"]],
    );
    assert.equal(proxy.count("upstreamErrors"), 2);
  });

  test("still tells it when the program fails at that", async () => {
    const broken = (): never => {
      throw new Error("broken");
    };
    for (const phase of ["requestSummary", "suppressErrorLog"] as const) {
      await using proxy = await startProxy({ origin: { port: 1 }, phases: { [phase]: broken } });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502);
      assert.deepEqual(
        proxy.reported.map(({ error }) => error.code),
        ["FILTER_FAILED", "UPSTREAM_CONNECT_REFUSED"],
      );
    }
  });
});

describe("a client that goes away", () => {
  for (const phase of ASYNC) {
    test(`while ${phase} takes its time leaves nothing behind`, async () => {
      const { promise: go, resolve: letGo } = Promise.withResolvers<undefined>();
      let calls = 0;
      const { proxy, logged } = await startDoing(phase, () => {
        calls++;
        return go;
      });
      await using _ = proxy;
      const clients = await Promise.all(Array.from({ length: 5 }, () => proxy.connect()));
      for (const client of clients) void client.write(request("GET /"));
      // A request without a body never comes to its filter.
      const text = phase === "requestBodyFilter" ? POST : request("GET /");
      const more = await Promise.all(Array.from({ length: 5 }, () => proxy.connect()));
      for (const client of more) void client.write(text);
      await until("they are stuck", () => calls >= 5);
      for (const client of [...clients, ...more]) client.reset();
      await proxy.settled();
      const gone = logged.filter((code) => code === "DOWNSTREAM_CLOSED").length;
      assert.ok(gone >= 5, `${gone} of ${logged.length}`);
      assert.equal(logged.length, 10);
      letGo(undefined);
      await nextTurn();
      await until("no server is held", () => proxy.connector.open === proxy.connector.pool.size);
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /next"))).status, 200);
    });
  }

  test("while its request is under way lets the server know", async () => {
    for (const how of ["reset", "destroy"] as const) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readHead();
          const { promise, resolve } = Promise.withResolvers<void>();
          void connection.closed.then(() => resolve());
          void connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
          while (connection.socket.writable) {
            void connection.write("1\r\nx\r\n");
            await delay(5);
          }
          await promise;
        },
      });
      const client = await proxy.connect();
      void client.write(request("GET /"));
      await client.readUntil("x\r\n");
      client[how]();
      await proxy.settled();
      await proxy.origin.connections[0]?.closed;
      assert.equal(proxy.reported[0]?.error.code, "DOWNSTREAM_CLOSED");
    }
  });

  test("between two requests is no error", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    for (const how of ["reset", "destroy", "end"] as const) {
      const client = await proxy.connect();
      await client.exchange(request("GET /"));
      client[how]();
      await proxy.settled();
    }
    assert.deepEqual(proxy.reported, []);
  });
});
