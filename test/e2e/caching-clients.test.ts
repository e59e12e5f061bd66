import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PluginRow } from "../../src/plugins/plugin-row.ts";
import { SessionPlugins } from "../../src/proxy/session-plugins.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { field, MAX_AGE, startCaching, statusOf } from "./caching.ts";
import { answering, ok, request, writePattern } from "./proxy.ts";

const CHUNKED = `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n`;

describe("what is stored", () => {
  test("is for clients of HTTP/1.0 too, who know no chunks, and of HTTP/2", async () => {
    await using caching = await startCaching(CHUNKED);
    for (const [hit, head] of [
      [false, "GET /a HTTP/1.0\r\nHost: a.example\r\n\r\n"],
      [true, "GET /a HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n"],
    ] as const) {
      const client = await caching.proxy.connect();
      await client.write(head);
      const response = await client.readHead();
      assert.equal(/sluice; hit/.test(response), hit);
      assert.doesNotMatch(response, /Transfer-Encoding/);
      await client.readUntil("abcdef");
    }
    await using client = new Http2Client(caching.proxy.port);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => client.get("/a", { ":authority": "a.example" })),
    );
    for (const { status, body, headers } of answers)
      assert.deepEqual([status, body.toString(), headers["content-length"]], [200, "abcdef", "6"]);
    assert.equal(caching.asked.length, 1);
  });

  test("is sent in the order in which it was asked for on one connection, between what isn't stored", async () => {
    await using caching = await startCaching(({ target }) =>
      target.startsWith("/kept") ? ok(target, MAX_AGE) : ok(target, "Cache-Control: no-store"),
    );
    await caching.ask("GET /kept1");
    const client = await caching.proxy.connect();
    const paths = ["/kept1", "/x", "/kept1", "/kept2", "/kept1", "/x", "/kept2"];
    await client.write(paths.map((path) => request(`GET ${path}`)).join(""));
    for (const path of paths) assert.equal((await client.readResponse()).body.toString(), path);
    assert.equal(caching.asked.length, 4);
  });

  test("is given to who expects to be told to go on, and has nothing to send", async () => {
    await using caching = await startCaching(ok("hello", MAX_AGE));
    await caching.ask("GET /a");
    const client = await caching.proxy.connect();
    for (let i = 0; i < 2; i++) {
      const answer = await client.exchange(request("GET /a", "Expect: 100-continue"));
      assert.match(statusOf(answer), /hit/);
    }
  });

  test("isn't for requests that bring something or want another protocol", async () => {
    await using caching = await startCaching((request, connection) => {
      if (field(request, "upgrade") === null) return ok(request.body.toString() || "page", MAX_AGE);
      void connection.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi",
      );
      return undefined;
    });
    await caching.ask("GET /a");
    const client = await caching.proxy.connect();
    const posted = await client.exchange(`${request("GET /a", "Content-Length: 4")}mine`);
    assert.deepEqual([posted.body.toString(), statusOf(posted)], ["mine", ""]);
    await client.write(request("GET /a", "Upgrade: x", "Connection: upgrade"));
    assert.match(await client.readHead(), / 101 /);
    await client.readUntil("hi");
    client.destroy();
    assert.equal((await caching.ask("GET /a")).body.toString(), "page");
    assert.equal(caching.asked.length, 3);
  });

  test("isn't for who wants a tunnel", async () => {
    await using caching = await startCaching(ok("hello", MAX_AGE), { proxy: { allowConnect: true } });
    await caching.ask("GET /a");
    const client = await caching.proxy.connect();
    await client.write("CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
    assert.match(await client.readHead(), / 200 /);
    const far = await client.exchange(request("GET /a"));
    assert.deepEqual([far.body.toString(), statusOf(far)], ["hello", ""]);
    client.destroy();
  });

  test("isn't there for a HEAD that finds nothing, which is told so", async () => {
    await using caching = await startCaching(({ method }) =>
      method === "HEAD" ? `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nContent-Length: 5\r\n\r\n` : ok("hello", MAX_AGE),
    );
    assert.match(statusOf(await caching.ask("HEAD /a")), /fwd=uri-miss; detail=method/);
    assert.equal(caching.counts.passed, 1);
    await caching.ask("GET /a");
    assert.match(statusOf(await caching.ask("HEAD /a")), /hit/);
    assert.deepEqual({ ...caching.counts }, { ...caching.counts, passed: 1, stored: 1, hits: 1 });
  });
});

test("plugins see what is stored whole and plain, whatever the client asks for", async () => {
  const shout = {
    ...{ name: "shout", transforms: true, filtersRequests: false, filterRequest: () => null, close() {} },
    openConnection: () => ({
      transform: (_: unknown, bytes: Buffer, start: number, end: number) =>
        Buffer.from(bytes.toString("latin1", start, end).toUpperCase()),
      close() {},
    }),
  };
  const row = new PluginRow([shout]);
  await using caching = await startCaching(
    (request) =>
      field(request, "accept-encoding") === "identity"
        ? ok("hello", MAX_AGE, 'ETag: "1"')
        : ok("gibberish", MAX_AGE, "Content-Encoding: gzip"),
    {
      proxy: {
        phases: {
          earlyRequestFilter(session) {
            session.plugins = SessionPlugins.open(row, session.request, "");
          },
        },
      },
    },
  );
  for (const fields of [
    ["Accept-Encoding: gzip"],
    [],
    ["Range: bytes=1-2"],
    ["Range: bytes=1-2", 'If-Range: "1"'],
  ]) {
    const answer = await caching.ask("GET /a", ...fields);
    assert.deepEqual([answer.status, answer.body.toString(), field(answer, "etag")], [200, "HELLO", 'W/"1"']);
  }
  assert.equal(caching.asked.length, 1);
});

describe("a fetch", () => {
  test("is tried again, and hedged, as any request", async () => {
    const answers = ["HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", ok("hello", MAX_AGE)];
    await using other = await startRawOrigin(answering(ok("hello", MAX_AGE)));
    // What is asked for next is never answered.
    await using caching = await startCaching(() => answers.shift(), {
      proxy: {
        phases: {
          earlyRequestFilter(session) {
            const hedgeAfter = session.request.target === "/b" ? 10 : 0;
            const onStatus = [{ first: 503, last: 503 }];
            session.retryPolicy = { ...session.retryPolicy, maxTries: 3, onStatus, hedgeAfter };
          },
          upstreamPeer: ({ request: { target }, tries }) =>
            new HttpPeer(target === "/b" && tries > 1 ? other.address : caching.proxy.origin.address),
        },
      },
    });
    for (const path of ["/a", "/b"]) {
      const both = await Promise.all([caching.ask(`GET ${path}`), caching.ask(`GET ${path}`)]);
      for (const { status, body } of both) assert.deepEqual([status, body.toString()], [200, "hello"]);
    }
    assert.equal(caching.asked.length, 3);
    assert.equal(caching.proxy.count("hedges"), 1);
    assert.equal(caching.store.stats.entries, 2);
  });

  test("goes to servers of HTTP/2 and comes to an end there, whoever leaves", async () => {
    await using origin = await startOrigin({ http2: true });
    origin.handle("/page", ({ response, hold }) => {
      response.setHeader("Cache-Control", "max-age=60");
      hold(() => response.end("a page"));
    });
    await using caching = await startCaching("", { proxy: { origin, peer: { protocol: "h2c" } } });
    await using client = new Http2Client(caching.proxy.port);
    const gone = await caching.proxy.connect();
    await gone.write(request("GET /page"));
    await origin.request(0);
    const answers = Promise.all(
      Array.from({ length: 5 }, () => client.get("/page", { ":authority": "a.example" })),
    );
    await until("all wait", () => caching.proxy.count("requestsActive") === 6);
    gone.reset();
    await until("one is gone", () => caching.proxy.count("requestsActive") === 5);
    origin.release();
    for (const { body } of await answers) assert.equal(body.toString(), "a page");
    assert.equal(origin.requests.length, 1);
  });

  test("outlives a client that leaves while it waits for another's", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async () => {
      await gate.promise;
      return ok("hello", MAX_AGE);
    });
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => caching.proxy.connect()));
    for (const client of [first!, second!, third!]) {
      await client.write(request("GET /a"));
    }
    await until("all wait", () => caching.proxy.count("requestsActive") === 3);
    second!.reset();
    first!.reset();
    await until("they are gone", () => caching.proxy.count("requestsActive") === 1);
    gate.resolve();
    assert.equal((await third!.readResponse()).body.toString(), "hello");
    assert.equal(caching.asked.length, 1);
  });

  test("is finished, and its clients answered, when the proxy drains", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async () => {
      await gate.promise;
      return ok("hello", MAX_AGE);
    });
    const [here, gone] = await Promise.all([caching.proxy.connect(), caching.proxy.connect()]);
    await here.write(request("GET /here"));
    await gone.write(request("GET /gone"));
    await until("both are asked for", () => caching.asked.length === 2);
    gone.reset();
    await until("one is gone", () => caching.proxy.count("requestsActive") === 1);
    const drained = caching.proxy.server.drain(10_000);
    gate.resolve();
    assert.equal((await here.readResponse()).body.toString(), "hello");
    here.destroy();
    await drained;
    // Others may wait for what nobody here wants any more.
    assert.equal(caching.store.stats.entries, 2);
  });
});

test("a client that stops reading holds what it is sent no longer than it may", async () => {
  const size = 2 ** 17;
  await using caching = await startCaching(
    async (_request, connection) => {
      await connection.write(`HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nContent-Length: ${size}\r\n\r\n`);
      await writePattern(connection, size);
      return undefined;
    },
    { proxy: { settings: { writeTimeout: 300 } } },
  );
  await caching.ask("GET /a");
  const slow = await caching.proxy.connect();
  slow.pause();
  await slow.write(request("GET /a").repeat(40));
  await until("it is held", () => caching.store.held > 0);
  await until("it is let go of", () => caching.proxy.count("requestsActive") === 0);
  assert.equal(caching.store.held, 0);
});
