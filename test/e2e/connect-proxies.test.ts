import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { TcpConnector } from "../../src/upstream/tcp-connector.ts";
import { createAuthority } from "../kit/certificates.ts";
import { type ConnectProxyServer, startConnectProxy } from "../kit/connect-proxy.ts";
import { until } from "../kit/deadline.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort, listen } from "../kit/ports.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["localhost"] });
const tls = { ca: authority.cert, sni: "localhost" };

async function ask(client: HttpClient, port: number, options: PeerOptions): Promise<string> {
  const response = await client.request(new HttpPeer(`localhost:${port}`, options));
  return await response.text();
}

describe("through a proxy", () => {
  for (const [what, origins, peer, version] of [
    ["HTTP/1", {}, {}, "1.1"],
    ["h2c", { http2: true }, { protocol: "h2c" }, "2.0"],
    ["HTTP/1 with TLS", { tls: identity }, { tls }, "1.1"],
    ["HTTP/2 with TLS", { tls: identity, http2: true }, { tls }, "2.0"],
  ] as const) {
    test(`requests by ${what}`, async () => {
      await using proxy = await startConnectProxy();
      await using origin = await startOrigin(origins);
      using client = new HttpClient();
      const options = { ...peer, proxy: proxy.url.replace("//", "//us%3Aer%20:p%40ss@").replace("%3A", "") };
      for (let i = 0; i < 3; i++) assert.equal(await ask(client, origin.port, options), "origin\n");
      assert.deepEqual(proxy.requests, [
        {
          authority: `localhost:${origin.port}`,
          authorization: `Basic ${Buffer.from("user :p@ss").toString("base64")}`,
        },
      ]);
      assert.equal(origin.requests[0]!.httpVersion, version);
      assert.equal(origin.requests[0]!.headers["proxy-authorization"], undefined);
    });
  }

  test("bytes of any kind, also those that the server sends unasked", async () => {
    await using proxy = await startConnectProxy();
    const server = createServer((socket) => socket.write("220 ready\r\n"));
    const port = await listen(server);
    using connector = new TcpConnector();
    proxy.greeting = "HTTP/1.0 200 OK\r\n\r\n";
    const socket = await connector.connect(new HttpPeer(`127.0.0.1:${port}`, { proxy: proxy.url }));
    const [bytes] = await once(socket, "data");
    assert.equal(String(bytes), "220 ready\r\n");
    socket.destroy();
    server.close();
    await until("the proxy is left", () => proxy.open === 0);
  });

  test("connections are shared with nobody who goes another way", async () => {
    await using one = await startConnectProxy();
    await using two = await startConnectProxy();
    await using origin = await startOrigin();
    using client = new HttpClient();
    for (const options of [{}, { proxy: one.url }, { proxy: two.url }, {}, { proxy: two.url }])
      await ask(client, origin.port, options);
    assert.deepEqual([one.requests.length, two.requests.length, origin.connectionCount], [1, 1, 3]);
  });
});

describe("a proxy that doesn't connect", () => {
  async function failure(
    proxy: ConnectProxyServer,
    options: PeerOptions = {},
  ): Promise<Error & { code: string }> {
    using client = new HttpClient();
    try {
      await ask(client, 1, { proxy: proxy.url, ...options });
    } catch (error) {
      return error as Error & { code: string };
    }
    assert.fail("there is a response");
  }

  for (const [what, answer, message] of [
    [
      "refuses",
      "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret",
      /answered CONNECT localhost:1 with status 403$/,
    ],
    ["wants to know who asks", "HTTP/1.1 407 Who?\r\n\r\n", /status 407: it wants a user and a password$/],
    ["redirects", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", /status 302$/],
    ["switches", "HTTP/1.1 101 Switching\r\n\r\n", /status 101$/],
    ["never comes to the point", "HTTP/1.1 100 Continue\r\n\r\n".repeat(20), /status 100$/],
    ["speaks of something else", "SSH-2.0-OpenSSH\r\n\r\n", /what is no response/],
    [
      "says more than there is room for",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(9_000)}\r\n\r\n`,
      /no response.*LARGE/,
    ],
    [
      "says more than its answer",
      "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake",
      /sent 42 bytes behind its answer/,
    ],
  ] as const) {
    test(`because it ${what}`, async () => {
      await using proxy = await startConnectProxy();
      proxy.answer = answer;
      const error = await failure(proxy);
      assert.equal(error.code, "UPSTREAM_PROXY_REFUSED");
      assert.match(error.message, message);
      assert.ok(error.message.includes(`127.0.0.1:${proxy.port}`));
      await until("the proxy is left", () => proxy.open === 0);
    });
  }

  test("because it says nothing", async () => {
    await using proxy = await startConnectProxy();
    proxy.answer = "HTTP/1.1 2";
    const error = await failure(proxy, { connectTimeout: 200 });
    assert.equal(error.code, "UPSTREAM_CONNECT_TIMEOUT");
    assert.match(error.message, /the proxy didn't answer in time$/);
    await until("the proxy is left", () => proxy.open === 0);
  });

  test("because it isn't there", async () => {
    using client = new HttpClient();
    const port = await freePort();
    await assert.rejects(
      ask(client, 1, { proxy: `http://127.0.0.1:${port}` }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, "UPSTREAM_CONNECT_REFUSED");
        assert.match(error.message, new RegExp(`the proxy 127.0.0.1:${port}`));
        return true;
      },
    );
  });

  test("because it closes the connection", async () => {
    await using proxy = await startConnectProxy();
    proxy.server.removeAllListeners("connect");
    proxy.server.on("connect", (_request, socket: Socket) => socket.end());
    const error = await failure(proxy);
    assert.equal(error.code, "UPSTREAM_PROXY_REFUSED");
    assert.match(error.message, /closed the connection instead of answering/);
  });

  test("because no proxy leads to a Unix socket", async () => {
    await using proxy = await startConnectProxy();
    using client = new HttpClient();
    await assert.rejects(client.request(new HttpPeer("unix:/tmp/x", { proxy: proxy.url })), {
      code: "UPSTREAM_CONNECT_FAILED",
      message: /no proxy leads to a Unix socket/,
    });
  });
});

test("what is no proxy is refused at once, without its password", () => {
  for (const proxy of [
    "proxy:3128",
    "https://a:secret@b:1",
    "http://a:secret@b/path",
    "http://a%:secret@b",
    "http://",
  ])
    assert.throws(
      () => new HttpPeer("a:1", { proxy }),
      (error: Error) => error instanceof RangeError && !error.message.includes("secret"),
      proxy,
    );
});
