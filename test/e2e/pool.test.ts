import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { httpProxy } from "../../src/proxy/http-proxy-service.ts";
import { Server } from "../../src/proxy/server.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { type RawConnection, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import {
  answering,
  isWell,
  ok,
  type ProxyOptions,
  type ProxyUnderTest,
  request,
  startProxy,
} from "./proxy.ts";

/** Which of a server's connections a request came over. */
function tellingConnections(): RawScript {
  const known: RawConnection[] = [];
  return answering((_, connection) => {
    if (!known.includes(connection)) known.push(connection);
    return ok(String(known.indexOf(connection)));
  });
}

async function connectionOf(client: RawClient, target = "/"): Promise<number> {
  const response = await client.exchange(request(`GET ${target}`));
  assert.equal(response.status, 200);
  return Number(response.body.toString());
}

describe("idle connections", () => {
  test("are used again, by any client", async () => {
    await using proxy = await startProxy({ origin: tellingConnections() });
    for (let i = 0; i < 5; i++) {
      const client = await proxy.connect();
      assert.deepEqual([await connectionOf(client), await connectionOf(client)], [0, 0]);
    }
    assert.deepEqual([proxy.count("upstreamConnects"), proxy.count("upstreamReuses")], [1, 9]);
    assert.equal(proxy.connector.pool.size, 1);
  });

  test("carry one request at a time", async () => {
    const answers: (() => void)[] = [];
    await using proxy = await startProxy({
      origin: answering(async () => {
        await new Promise<void>((resolve) => answers.push(resolve));
        return ok();
      }),
    });
    const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.connect()));
    const responses = clients.map((client) => client.exchange(request("GET /")));
    await until("all are asked", () => answers.length === 20);
    assert.equal(proxy.origin.connections.length, 20);
    for (const answer of answers) answer();
    await Promise.all(responses);
    assert.equal(proxy.connector.pool.size, 20);
  });

  test("are used last in, first out", async () => {
    const answers: (() => void)[] = [];
    const order: RawConnection[] = [];
    await using proxy = await startProxy({
      origin: answering(async ({ target }, connection) => {
        order.push(connection);
        if (target === "/held") await new Promise<void>((resolve) => answers.push(resolve));
        return ok();
      }),
    });
    const clients = await Promise.all([proxy.connect(), proxy.connect(), proxy.connect()]);
    const responses: Promise<unknown>[] = [];
    for (const [i, client] of clients.entries()) {
      responses.push(client.exchange(request("GET /held")));
      await until("it is asked", () => answers.length === i + 1);
    }
    for (const i of [1, 2, 0]) {
      answers[i]?.();
      await responses[i];
    }
    const [first] = order;
    await clients[1]?.exchange(request("GET /"));
    assert.equal(order.at(-1), first);
  });

  test("that the server closes are no error for the next request", async () => {
    for (const how of ["end", "reset"] as const) {
      await using proxy = await startProxy({ origin: answering(ok("GET /well ")) });
      const client = await proxy.connect();
      for (let i = 0; i < 3; i++) {
        assert.equal((await client.exchange(request("POST /", "Content-Length: 0"))).status, 200);
        const connection = proxy.origin.connections[i];
        if (how === "end") connection?.end();
        else connection?.reset();
        await until("the pool is empty", () => proxy.connector.pool.size === 0);
      }
      assert.equal(proxy.count("retries"), 0);
      assert.deepEqual(proxy.reported, []);
    }
  });

  test("are closed when they were idle too long", async () => {
    await using proxy = await startProxy({
      origin: answering(ok("GET /well ")),
      pool: { size: 10, idleTimeout: 100 },
    });
    await isWell(proxy);
    assert.equal(await proxy.origin.connections[0]?.closed, "end");
    assert.equal(proxy.connector.pool.size, 0);
    await until("it is gone", () => proxy.connector.open === 0);
    await isWell(proxy);
  });

  test("are as many as the pool may hold: the oldest makes room", async () => {
    const answers: (() => void)[] = [];
    await using proxy = await startProxy({
      origin: answering(async () => {
        await new Promise<void>((resolve) => answers.push(resolve));
        return ok();
      }),
      pool: { size: 2, idleTimeout: 60_000 },
    });
    const clients = await Promise.all(Array.from({ length: 4 }, () => proxy.connect()));
    const responses: Promise<unknown>[] = [];
    for (const [i, client] of clients.entries()) {
      responses.push(client.exchange(request("GET /")));
      await until("it is asked", () => answers.length === i + 1);
    }
    for (const [i, answer] of answers.entries()) {
      answer();
      await responses[i];
    }
    await Promise.all([proxy.origin.connections[0]?.closed, proxy.origin.connections[1]?.closed]);
    assert.equal(proxy.connector.pool.size, 2);
    assert.equal(proxy.connector.open, 2);
  });

  test("are none when the pool has no size", async () => {
    await using proxy = await startProxy({
      origin: tellingConnections(),
      pool: { size: 0, idleTimeout: 60_000 },
    });
    const client = await proxy.connect();
    assert.deepEqual([await connectionOf(client), await connectionOf(client)], [0, 1]);
  });

  test("end with the server", async () => {
    await using origin = await startRawOrigin(answering(ok()));
    const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${origin.port}`);
    const server = new Server([httpProxy({ listen: ["127.0.0.1:0"], phases: { upstreamPeer } })]);
    await server.start();
    await using client = await connectRaw(Number(server.addresses[0]?.split(":")[1]));
    assert.equal((await client.exchange(request("GET /", "Connection: close"))).status, 200);
    const [connection] = origin.connections;
    assert.ok(connection !== undefined);
    await server.drain(1000);
    await connection.closed;
  });
});

describe("peers", () => {
  async function startWith(peers: Record<string, PeerOptions>): Promise<ProxyUnderTest> {
    let port = 0;
    const proxy = await startProxy({
      origin: tellingConnections(),
      phases: {
        upstreamPeer: (session) => new HttpPeer(`127.0.0.1:${port}`, peers[session.request.path.slice(1)]),
      },
    });
    port = proxy.origin.port;
    return proxy;
  }

  test("with different options never share a connection", async () => {
    const peers: Record<string, PeerOptions> = {
      group: { group: "a" },
      "other group": { group: "b" },
      connect: { connectTimeout: 1234 },
      first: { firstByteTimeout: 1234 },
      read: { readTimeout: 1234 },
      write: { writeTimeout: 1234 },
      keepalive: { keepAlive: 1234 },
      local: { localAddress: "127.0.0.2" },
      two: { group: "a", readTimeout: 1234 },
    };
    await using proxy = await startWith(
      Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name.replace(" ", "-"), peer])),
    );
    const client = await proxy.connect();
    const names = ["none", ...Object.keys(peers).map((name) => name.replace(" ", "-"))];
    const connections: number[] = [];
    for (const name of names) connections.push(await connectionOf(client, `/${name}`));
    assert.equal(new Set(connections).size, names.length);
    // And each finds its own again.
    for (const [i, name] of names.entries()) {
      assert.equal(await connectionOf(client, `/${name}`), connections[i], name);
    }
  });

  test("that are made up for ever are forgotten, and served again", async () => {
    const groups = 2500;
    let port = 0;
    let lasting: HttpPeer | null = null;
    await using proxy = await startProxy({
      origin: tellingConnections(),
      pool: { size: 10, idleTimeout: 60_000 },
      phases: {
        upstreamPeer({ request: { path } }) {
          lasting ??= new HttpPeer(`127.0.0.1:${port}`);
          return path === "/lasting" ? lasting : new HttpPeer(`127.0.0.1:${port}`, { group: path });
        },
      },
    });
    port = proxy.origin.port;
    const client = await proxy.connect();
    assert.equal(await connectionOf(client, "/lasting"), 0);
    for (let group = 1; group <= groups; group++) await connectionOf(client, `/${group}`);
    assert.ok(proxy.connector.pool.peers < groups / 2, `${proxy.connector.pool.peers} remembered`);
    assert.equal(proxy.connector.pool.size, 10);
    // The last ones are found again; the first ones were closed to make room, and start anew.
    assert.equal(await connectionOf(client, `/${groups}`), groups);
    for (let i = 0; i < 2; i++) assert.equal(await connectionOf(client, "/lasting"), groups + 1);
  });

  test("with equal options do share", async () => {
    await using proxy = await startWith({
      a: { group: "x", readTimeout: 5 },
      b: { group: "x", readTimeout: 5 },
    });
    const client = await proxy.connect();
    assert.equal(await connectionOf(client, "/a"), await connectionOf(client, "/b"));
  });
});

describe("a reused connection that dies before a byte of the response", () => {
  /** Answers the first request of its first connection; does `what` to the second one. */
  function dyingOnce(what: (connection: RawConnection) => void, requests: RawRequest[]): RawScript {
    let isFirst = true;
    return async (connection) => {
      const dies = isFirst;
      isFirst = false;
      for (let i = 0; ; i++) {
        if (dies && i === 1) {
          // Its head only: the body may never come.
          await connection.readHead();
          what(connection);
          return;
        }
        requests.push(await connection.readRequest());
        void connection.write(ok(`answered by ${dies ? "the first" : "another"}`));
      }
    };
  }

  async function tryWith(
    text: string,
    options: ProxyOptions<undefined> = {},
    what = (connection: RawConnection): void => connection.end(),
  ): Promise<{ status: number; again: RawRequest | undefined; tries: number }> {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: dyingOnce(what, requests), ...options });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /first"))).status, 200);
    const method = /^\S+/.exec(text)?.[0] ?? "";
    const { status } = await client.exchange(text, { method });
    // The client's connection is as good as ever.
    assert.equal((await client.exchange(request("GET /last"))).status, 200);
    const again = requests.find(({ target }) => target === "/");
    return { status, again, tries: 1 + proxy.count("retries") };
  }

  test("is replaced for idempotent methods", async () => {
    for (const how of ["end", "reset", "destroy"] as const) {
      for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]) {
        const { status, again, tries } = await tryWith(request(`${method} /`), {}, (connection) =>
          connection[how](),
        );
        assert.deepEqual([status, again?.method, tries], [200, method, 2], `${method} ${how}`);
      }
    }
  });

  test("is a 502 for others", async () => {
    for (const method of ["POST", "PATCH", "BREW"]) {
      const { status, again, tries } = await tryWith(request(`${method} /`));
      assert.deepEqual([status, again, tries], [502, undefined, 1], method);
    }
  });

  test("is replaced for others too if that is allowed, with their body", async () => {
    const retries = { nonIdempotent: true };
    const whole = await tryWith(`${request("POST /", "Content-Length: 5")}hello`, { retries });
    assert.deepEqual([whole.status, whole.again?.body.toString()], [200, "hello"]);
    const body = "x".repeat(60_000);
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n2\r\nyz\r\n0\r\nX-Trailer: t\r\n\r\n`;
    const chunked = await tryWith(request("POST /", "Transfer-Encoding: chunked") + chunks, { retries });
    assert.equal(chunked.status, 200);
    assert.equal(chunked.again?.body.toString(), `${body}yz`);
    assert.deepEqual(chunked.again?.trailers, [["X-Trailer", "t"]]);
  });

  test("is a 502 when the body is past what was kept", async () => {
    const body = "x".repeat(70_000);
    const { status, again } = await tryWith(request("PUT /", `Content-Length: ${body.length}`) + body);
    assert.deepEqual([status, again], [502, undefined]);
  });

  test("is a 502 once the server has said anything", async () => {
    for (const said of ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
      const { status, again } = await tryWith(request("GET /"), {}, (connection) => connection.end(said));
      assert.deepEqual([status, again], [502, undefined], said);
    }
  });

  test("is a 502 when one try is all there is", async () => {
    const { status, again } = await tryWith(request("GET /"), { retries: { maxTries: 1 } });
    assert.deepEqual([status, again], [502, undefined]);
  });

  test("is asked about: errorWhileProxy may refuse, or allow", async () => {
    const refuses = await tryWith(request("GET /"), {
      phases: {
        errorWhileProxy: (_, __, error) => {
          error.retry = "no";
        },
      },
    });
    assert.equal(refuses.status, 502);
    const allows = await tryWith(`${request("POST /", "Content-Length: 2")}hi`, {
      phases: {
        errorWhileProxy: (_, __, error) => {
          error.retry = "yes";
        },
      },
    });
    assert.deepEqual([allows.status, allows.again?.body.toString()], [200, "hi"]);
  });

  test("while the body is still coming: the rest follows on the new one", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({ origin: dyingOnce((connection) => connection.reset(), requests) });
    const client = await proxy.connect();
    await client.exchange(request("GET /first"));
    void client.write(`${request("PUT /", "Content-Length: 10")}01234`);
    await until("it was tried again", () => proxy.count("retries") === 1);
    const response = await client.exchange("56789");
    assert.equal(response.body.toString(), "answered by another");
    assert.equal(requests.at(-1)?.body.toString(), "0123456789");
  });
});

describe("a fresh connection that dies before a byte of the response", () => {
  test("is a 502: the server may be the reason", async () => {
    for (const how of ["end", "reset"] as const) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readHead();
          connection[how]();
        },
      });
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 502);
      assert.equal(proxy.origin.connections.length, 1);
      assert.match(proxy.reported[0]?.error.code ?? "", how === "end" ? /CLOSED/ : /RESET/);
    }
  });

  test("is replaced if nothing was sent on it", async () => {
    let isFirst = true;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using proxy = await startProxy({
      origin: async (connection) => {
        const dies = isFirst;
        isFirst = false;
        if (dies) {
          connection.end();
          resolve();
          return;
        }
        await connection.readRequest();
        void connection.write(ok());
      },
      phases: {
        connectedToUpstream: async (session) => {
          if (session.tries > 1) return;
          await closed;
          await delay(2000, undefined, { ref: false });
        },
      },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(`${request("POST /", "Content-Length: 2")}hi`)).status, 200);
    assert.equal(proxy.count("retries"), 1);
  });
});
