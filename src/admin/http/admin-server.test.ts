import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { describe, test } from "node:test";
import { connectRaw } from "../../../test/kit/raw-client.ts";
import { SocketKeeper } from "../../control/sockets.ts";
import { AdminServer, type AdminServerOptions, type ServedRequest } from "./admin-server.ts";
import { ApiFault, type ApiHandler, answer, emptyAnswer } from "./api-message.ts";

interface Listening extends AsyncDisposable {
  readonly server: AdminServer;
  readonly port: number;
  /** Sends bytes and reads to the end of the connection. */
  exchange(request: string): Promise<string>;
}

const hello: ApiHandler = async ({ path }) => (path === "/hello" ? answer(200, "text/plain", "hello") : null);
const echo: ApiHandler = async (request) =>
  request.path === "/echo" ? answer(200, "text/plain", Buffer.from(await request.body()).toString()) : null;

async function listen(options: Partial<AdminServerOptions> = {}): Promise<Listening> {
  const server = new AdminServer({ port: 0, handlers: [hello, echo], ...options });
  const port = Number((await server.listen()).split(":").at(-1));
  return {
    server,
    port,
    async exchange(request) {
      await using client = await connectRaw(port);
      void client.write(request);
      return withoutDate((await client.readToEnd()).toString("latin1"));
    },
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

function withoutDate(response: string): string {
  return response.replace(/Date: .*\r\n/g, "");
}

function get(path: string, ...fields: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, "Host: localhost", ...fields, "Connection: close", "", ""].join("\r\n");
}

describe("an answer", () => {
  test("has the fields that a Go server would send", async () => {
    await using server = await listen();
    assert.equal(
      await server.exchange(get("/hello")),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    assert.equal(
      await server.exchange(get("/nope")),
      "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n" +
        "Content-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n",
    );
  });

  test("says nothing of a connection that stays", async () => {
    await using server = await listen();
    const request = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const response = await server.exchange(request + get("/hello"));
    const kept = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert.ok(response.startsWith(`${kept}HTTP/1.1 200`), response);
  });

  test("without content has no length", async () => {
    await using server = await listen({ handlers: [async () => emptyAnswer(204)] });
    assert.equal(await server.exchange(get("/")), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });

  test("leads to the clean path", async () => {
    await using server = await listen();
    assert.match(
      await server.exchange(get("//a/../hello?x=%2F")),
      /^HTTP\/1\.1 301 .*\r\nLocation: \/hello\?x=%2F\r\n/,
    );
  });

  test("to what is no path or no HTTP is the same", async () => {
    await using server = await listen();
    const bad =
      /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: text\/plain; charset=utf-8\r\nConnection: close\r\n(Content-Length: 15\r\n)?\r\n400 Bad Request$/;
    assert.match(await server.exchange(get("/%zz")), bad);
    assert.match(await server.exchange("nonsense\r\n\r\n"), bad);
  });
});

describe("a request", () => {
  test("of HTTP/1.1 names a host", async () => {
    await using server = await listen();
    assert.match(
      await server.exchange("GET /hello HTTP/1.1\r\n\r\n"),
      /^HTTP\/1\.1 400 [\s\S]*\r\n\r\n400 Bad Request: missing required Host header$/,
    );
  });

  test("of HTTP/1.0 is told whether its connection stays", async () => {
    await using server = await listen();
    assert.match(
      await server.exchange("GET /hello HTTP/1.0\r\n\r\n"),
      /\r\nConnection: close\r\n[\s\S]*hello$/,
    );
    const kept = "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert.match(await server.exchange(kept + get("/hello")), /\r\nConnection: keep-alive\r\n/);
  });

  test("whose head doesn't come is given up without a word", async () => {
    await using server = await listen({ timeouts: { read: 20 } });
    assert.equal(await server.exchange("GET /hello HTTP/1.1\r\nHost: loc"), "");
  });
});

describe("a body", () => {
  test("is read in whatever pieces it comes", async () => {
    await using server = await listen();
    await using client = await connectRaw(server.port);
    const head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    await client.writePieces(`${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`, [head.length + 4, head.length + 9]);
    assert.match((await client.readToEnd()).toString(), /\r\n\r\nabcde$/);
  });

  test("that is too long is refused, and the connection closed", async () => {
    await using server = await listen({ bodyLimit: 10 });
    const head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
    assert.match(
      await server.exchange(head + "x".repeat(11)),
      /^HTTP\/1\.1 413 [\s\S]*larger than 10 bytes\n$/,
    );
  });

  test("that doesn't come is given up, and the connection closed", async () => {
    await using server = await listen({ timeouts: { read: 20 } });
    const head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab";
    const response = await server.exchange(head);
    assert.equal(
      response,
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
  });
});

describe("a handler", () => {
  test("that takes too long is not waited for", async () => {
    await using server = await listen({
      handlers: [() => new Promise(() => undefined)],
      timeouts: { handle: 20 },
    });
    const page = "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>";
    const response = await server.exchange(get("/"));
    assert.match(
      response,
      /^HTTP\/1\.1 503 Service Unavailable\r\nContent-Type: text\/html; charset=utf-8\r\n/,
    );
    assert.ok(response.endsWith(`\r\n\r\n${page}`), response);
  });

  test("that fails is told, and clients don't see why", async () => {
    const errors: unknown[] = [];
    const broken = new Error("secret");
    await using server = await listen({
      handlers: [() => Promise.reject(broken)],
      onError: (error) => errors.push(error),
    });
    assert.match(await server.exchange(get("/")), /^HTTP\/1\.1 500 [\s\S]*\r\n\r\ninternal error\n$/);
    assert.deepEqual(errors, [broken]);
  });

  test("may refuse a request", async () => {
    await using server = await listen({ handlers: [() => Promise.reject(new ApiFault(418, "tea"))] });
    assert.match(await server.exchange(get("/")), /^HTTP\/1\.1 418 [\s\S]*\r\n\r\ntea\n$/);
  });
});

describe("the server", () => {
  test("listens on loopback unless told otherwise, and by IPv4 on localhost", async () => {
    for (const host of [undefined, "localhost"]) {
      const server = new AdminServer({ port: 0, handlers: [], ...(host === undefined ? {} : { host }) });
      assert.match(await server.listen(), /^127\.0\.0\.1:\d+$/);
      await server.close(0);
    }
    const everywhere = new AdminServer({ port: 0, handlers: [], host: "" });
    assert.match(await everywhere.listen(), /^(\[::\]|0\.0\.0\.0):\d+$/);
    await everywhere.close(0);
  });

  test("answers on all sockets that it is given", async () => {
    const keeper = new SocketKeeper();
    // Of a listener that two threads had before.
    const { fds: former } = await keeper.lend("127.0.0.1:0", { thread: 1, threads: 2 }, "a");
    for (const fd of former) closeSync(fd);
    const { fds, boundTo } = await keeper.lend("127.0.0.1:0", { thread: 0, threads: 1 }, "a");
    assert.equal(fds.length, 2);
    const server = new AdminServer({ port: 0, handlers: [hello] });
    assert.equal(await server.listen(fds), boundTo);
    const port = Number(boundTo.split(":").at(-1));
    // The kernel chooses among them by the client's port.
    for (let i = 0; i < 16; i++) {
      await using client = await connectRaw(port);
      assert.equal((await client.exchange(get("/hello"))).body.toString(), "hello");
    }
    await server.close(0);
    await keeper.close();
    await assert.rejects(connectRaw(port), { code: "ECONNREFUSED" });
  });

  test("says what keeps it from listening", async () => {
    await using server = await listen();
    const second = new AdminServer({ port: server.port, handlers: [] });
    await assert.rejects(second.listen(), { code: "EADDRINUSE" });
  });

  test("keeps strangers out", async () => {
    await using server = await listen({ token: "s", allowedHosts: ["toxiproxy"] });
    assert.match(await server.exchange(get("/hello")), /^HTTP\/1\.1 401 [\s\S]*WWW-Authenticate: Bearer\r\n/);
    assert.match(await server.exchange(get("/hello", "Authorization: Bearer s")), /^HTTP\/1\.1 200 /);
    const request = (host: string): string =>
      `GET /hello HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer s\r\nConnection: close\r\n\r\n`;
    assert.match(await server.exchange(request("evil.example")), /^HTTP\/1\.1 403 /);
    assert.match(await server.exchange(request("toxiproxy:8474")), /^HTTP\/1\.1 200 /);
  });

  test("tells what it served", async () => {
    const served: ServedRequest[] = [];
    await using server = await listen({ onServed: (request) => served.push(request) });
    await server.exchange(get("/hello?a=b", "User-Agent: kit"));
    const [{ method, url, userAgent, status, client, duration } = {} as ServedRequest] = served;
    assert.deepEqual([method, url, userAgent, status], ["GET", "/hello?a=b", "kit", 200]);
    assert.match(client, /^127\.0\.0\.1:\d+$/);
    assert.ok(duration >= 0);
  });

  test("ends streams when it closes", async () => {
    const stopped = Promise.withResolvers<void>();
    const stream: ApiHandler = async () => ({
      status: 200,
      headers: { "Content-Type": "text/event-stream" },
      body: (sink) => {
        sink.write(": hello\n\n");
        return () => stopped.resolve();
      },
    });
    const server = await listen({ handlers: [stream] });
    await using client = await connectRaw(server.port);
    void client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await client.readUntil(": hello\n\n");
    await server.server.close();
    await stopped.promise;
    assert.match((await client.readToEnd()).toString(), /0\r\n\r\n$/);
  });

  test("stops a stream when its client leaves", async () => {
    const stopped = Promise.withResolvers<void>();
    await using server = await listen({
      handlers: [async () => ({ status: 200, headers: {}, body: () => () => stopped.resolve() })],
    });
    const client = await connectRaw(server.port);
    void client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await client.readHead();
    client.destroy();
    await stopped.promise;
  });
});
