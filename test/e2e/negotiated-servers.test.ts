import assert from "node:assert/strict";
import { once } from "node:events";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import type { ProxyError } from "../../src/base/errors.ts";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { type Origin, type OriginOptions, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { listen } from "../kit/ports.ts";
import { openSocket } from "../kit/websockets.ts";
import { startProxy } from "./proxy.ts";
import { startSecureProxy, TRUST } from "./tls-proxy.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["good.test"] });
const tls = { ca: authority.cert, sni: "good.test" };
const peer: PeerOptions = { tls };

const HTTP1: OriginOptions = { tls: identity };
const HTTP2: OriginOptions = { tls: identity, http2: true };

describe("TLS on both sides", () => {
  for (const [clientVersion, options] of [
    [1, HTTP1],
    [1, HTTP2],
    [2, HTTP1],
    [2, HTTP2],
  ] as const) {
    const serverVersion = options === HTTP2 ? 2 : 1;
    test(`from HTTP/${clientVersion} to HTTP/${serverVersion}`, async () => {
      await using origin = await startOrigin(options);
      await using secure = await startSecureProxy({ origin, peer });
      const body = patternBytes(300_000);
      origin.handle("/upload", async ({ request, response }) => {
        response.end(await buffer(request));
      });
      if (clientVersion === 2) {
        await using client = new Http2Client(secure.port, TRUST);
        const answers = await Promise.all(
          Array.from({ length: 5 }, () => client.send({ ":method": "POST", ":path": "/upload" }, body)),
        );
        for (const answer of answers) assert.deepEqual(answer.body, body);
      } else {
        using client = new HttpClient();
        const through = new HttpPeer(`localhost:${secure.port}`, {
          tls: { ca: TRUST.ca },
          protocol: "http1",
        });
        for (let i = 0; i < 5; i++) {
          const answer = await client.request(through, { method: "POST", target: "/upload", body });
          assert.deepEqual(await answer.bytes(), body);
        }
      }
      assert.deepEqual(
        new Set(origin.requests.map(({ httpVersion }) => httpVersion)),
        new Set([`${serverVersion}.${2 - serverVersion}`]),
      );
      assert.equal(secure.proxy.count("upstreamHandshakes"), origin.connectionCount);
    });
  }
});

describe("what a server chooses", () => {
  /** So many requests at once, all under way at the server; the connections that they came over. */
  async function burst(client: HttpClient, origin: Origin, count: number): Promise<number> {
    const before = origin.requests.length;
    const target = new HttpPeer(`localhost:${origin.port}`, peer);
    const answers = Array.from({ length: count }, async () => {
      const response = await client.request(target, { target: "/held" });
      return await response.text();
    });
    await until("all have come", () => origin.requests.length - before === count);
    origin.release();
    assert.equal(new Set(await Promise.all(answers)).size, 1);
    return new Set(origin.requests.slice(before).map(({ connection }) => connection)).size;
  }

  test("a burst to a server of HTTP/2 that nobody knows makes one connection", async () => {
    await using origin = await startOrigin(HTTP2);
    using client = new HttpClient();
    assert.equal(await burst(client, origin, 100), 1);
    assert.equal(origin.connectionCount, 1);
  });

  test("a burst to one of HTTP/1 gives each a connection, and the first is used", async () => {
    await using origin = await startOrigin(HTTP1);
    using client = new HttpClient();
    assert.equal(await burst(client, origin, 60), 60);
    assert.equal(origin.connectionCount, 60);
    assert.equal(await burst(client, origin, 60), 60);
    assert.equal(origin.connectionCount, 60, "what was learnt is remembered, and connections are kept");
  });

  test("what is remembered is forgotten when the server changes", async () => {
    using client = new HttpClient();
    let port = 0;
    for (const [options, version] of [
      [HTTP1, "1.1"],
      [HTTP2, "2.0"],
      [HTTP1, "1.1"],
      [HTTP2, "2.0"],
    ] as const) {
      await using origin = await startOrigin({ ...options, port });
      port = origin.port;
      await burst(client, origin, 40);
      assert.equal(origin.requests.at(-1)!.httpVersion, version);
      if (version === "2.0") await until("one connection is left", () => origin.openConnections === 1);
    }
  });

  test("nobody waits on when the connection that all waited for fails", async () => {
    await using proxy = await startProxy({ origin: { port: 1 }, peer: { ...peer, protocol: "h2" } });
    await using client = new Http2Client(proxy.port);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.get("/")));
    assert.ok(answers.every(({ status }) => status === 502));
    assert.ok(proxy.reported.every(({ error }) => /ECONNREFUSED/.test(error.message)));
  });

  test("those who wait may leave, also while they wait for their own connection", async () => {
    await using origin = await startOrigin(HTTP1);
    using client = new HttpClient();
    const target = new HttpPeer(`localhost:${origin.port}`, peer);
    const controllers = Array.from({ length: 10 }, () => new AbortController());
    const requests = controllers.map(({ signal }) => client.request(target, { target: "/", signal }));
    const settled = Promise.allSettled(requests);
    controllers[0]!.abort();
    const first = Promise.race(requests.slice(1));
    await first;
    for (const controller of controllers.slice(1)) controller.abort();
    for (const result of await settled) if (result.status === "fulfilled") result.value.cancel();
    await until("connections are closed or idle", () => origin.openConnections === client.idleCount);
  });
});

describe("a WebSocket", () => {
  /** A server of both versions; its WebSockets echo. */
  async function startBoth(
    knowsWebSockets: boolean,
  ): Promise<{ server: Http2SecureServer; port: number; seen: string[] }> {
    const settings = knowsWebSockets ? { enableConnectProtocol: true } : {};
    const server = createSecureServer({ ...identity, key: identity.key, allowHTTP1: true, settings });
    const seen: string[] = [];
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket: Socket, head: Buffer) => {
      seen.push("upgrade");
      sockets.handleUpgrade(request, socket, head, (one) =>
        one.on("message", (data) => one.send(data.toString())),
      );
    });
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      seen.push(`${headers[":method"]}`);
      stream.on("error", () => undefined).respond({ ":status": 200 });
      if (headers[":method"] !== "CONNECT") stream.end("plain");
    });
    return { server, port: await listen(server as never), seen };
  }

  test("goes over HTTP/1 to a server that doesn't know it in HTTP/2", async () => {
    const { server, port, seen } = await startBoth(false);
    await using proxy = await startProxy({ origin: { port }, peer });
    await using clients = new AsyncDisposableStack();
    for (let round = 0; round < 2; round++) {
      const socket = await openSocket(1, proxy.port, clients);
      socket.send("hello");
      const [data] = await once(socket, "message");
      assert.equal(String(data), "hello");
      socket.close();
      await using client = new Http2Client(proxy.port);
      assert.equal((await client.get("/")).body.toString(), "plain");
    }
    assert.deepEqual(seen, ["upgrade", "GET", "upgrade", "GET"]);
    server.close();
  });

  test("goes over HTTP/2 once the server has said that it knows it", async () => {
    const { server, port, seen } = await startBoth(true);
    await using proxy = await startProxy({ origin: { port }, peer });
    await using clients = new AsyncDisposableStack();
    await using client = new Http2Client(proxy.port);
    assert.equal((await client.get("/")).body.toString(), "plain");
    const socket = await openSocket(1, proxy.port, clients);
    assert.equal(socket.readyState, WebSocket.OPEN);
    assert.deepEqual(seen, ["GET", "CONNECT"]);
    socket.terminate();
    server.close();
  });
});

describe("sessions", () => {
  test("are taken up again, and told of", async () => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      await using origin = await startOrigin(HTTP1);
      const seen: unknown[] = [];
      await using proxy = await startProxy({
        origin,
        peer: { tls: { ...tls, maxVersion } },
        pool: { size: 0, idleTimeout: 0 },
        phases: {
          connectedToUpstream: ({ upstreamTls }) => {
            seen.push([
              upstreamTls?.version,
              upstreamTls?.alpn,
              upstreamTls?.serverName,
              upstreamTls?.resumed,
            ]);
          },
          logging: ({ upstreamTls }) => void seen.push(upstreamTls?.peerCertificate?.subject ?? null),
        },
      });
      for (let i = 0; i < 2; i++) {
        const client = await proxy.connect();
        await client.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.destroy();
      }
      await proxy.settled();
      assert.deepEqual(seen, [
        [maxVersion, "http/1.1", "good.test", false],
        "CN=good.test",
        [maxVersion, "http/1.1", "good.test", true],
        seen[3],
      ]);
      assert.equal(proxy.count("upstreamHandshakes"), 2);
      assert.equal(proxy.count("upstreamHandshakesResumed"), 1);
    }
  });
});

describe("a server whose certificate is bad", () => {
  for (const good of [HTTP1, HTTP2]) {
    test(`is passed over for one of HTTP/${good === HTTP1 ? 1 : 2} whose certificate is good`, async () => {
      await using bad = await startOrigin({ ...HTTP2, tls: await authority.issue({ names: ["bad.test"] }) });
      await using origin = await startOrigin(good);
      const errors: ProxyError[] = [];
      await using proxy = await startProxy({
        phases: {
          earlyRequestFilter(session) {
            session.retryPolicy = { ...session.retryPolicy, onConnectFailure: true };
          },
          upstreamPeer: ({ tries }) =>
            new HttpPeer(`127.0.0.1:${tries === 1 ? bad.port : origin.port}`, peer),
          failToConnect: (_session, _peer, error) => void errors.push(error),
        },
      });
      await using client = new Http2Client(proxy.port);
      const body = patternBytes(100_000);
      const answer = await client.send({ ":method": "POST", ":path": "/echo" }, body);
      assert.equal(answer.status, 200);
      assert.deepEqual([bad.requests.length, origin.requests.length], [0, 1]);
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["UPSTREAM_CERTIFICATE_NAME"],
      );
      assert.equal(proxy.count("upstreamHandshakeFailures"), 1);
    });
  }

  test("is a 502 without a word of the reason", async () => {
    await using origin = await startOrigin(HTTP1);
    await using proxy = await startProxy({ origin, peer: { tls: true, sni: "good.test" } });
    await using client = new Http2Client(proxy.port);
    const { status, body } = await client.get("/");
    assert.deepEqual([status, body.toString()], [502, "HTTP 502 Bad Gateway\n"]);
    assert.equal(proxy.reported[0]!.error.code, "UPSTREAM_CERTIFICATE_UNTRUSTED");
  });
});

test("a client that leaves in the handshake takes the attempt along", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined).resume());
    socket.once("close", () => sockets.delete(socket));
  });
  const port = await listen(server);
  for (const protocol of ["http1", "auto"] as const) {
    await using proxy = await startProxy({
      origin: { port },
      peer: { ...peer, protocol, connectTimeout: 2_000 },
    });
    const client = await proxy.connect();
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("the handshake has begun", () => sockets.size === 1);
    client.reset();
    await proxy.settled();
    await until("the server is left", () => sockets.size === 0);
  }
  server.close();
});
