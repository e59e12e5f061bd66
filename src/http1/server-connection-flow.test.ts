import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { type ServedRequest, startHttp1Server } from "../../test/kit/http1-server.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";

const HOST = "Host: a\r\n";

function get(target: string, ...fields: readonly string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
}

function post(target: string, body: string): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`;
}

const echo = (request: ServedRequest): void =>
  request.answer(`${request.method} ${request.target} ${request.body}`);
const later = (request: ServedRequest): void => void setImmediate(echo, request);

async function bodies(client: RawClient, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push((await client.readResponse()).body.toString());
  return all;
}

describe("requests in one go", () => {
  const mixed = [
    "\r\n",
    get("/1"),
    post("/2", "two"),
    `PUT /3 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n`,
    "\r\n",
    `HEAD /4 HTTP/1.1\r\n${HOST}\r\n`,
    post("/5", ""),
    get("/6", "Connection: close"),
  ].join("");
  const expected = [
    ["GET", "/1", "", null],
    ["POST", "/2", "two", null],
    ["PUT", "/3", "abcde", { "x-t": "1" }],
    ["HEAD", "/4", "", null],
    ["POST", "/5", "", null],
    ["GET", "/6", "", null],
  ];

  for (const [when, onComplete] of Object.entries({ "at once": echo, "a turn later": later })) {
    test(`are the same wherever they are cut, answered ${when}`, async () => {
      await using server = await startHttp1Server({ onComplete });
      let whole: string | null = null;
      for (let cut = 0; cut <= mixed.length; cut++) {
        server.requests.length = 0;
        await using client = await connectRaw(server.port);
        await client.writePieces(mixed, [cut]);
        const text = (await client.readToEnd()).toString("latin1");
        const seen = server.requests.map(({ method, target, body, trailers }) => [
          method,
          target,
          body,
          trailers === null ? null : { ...trailers.toJSON() },
        ]);
        assert.deepEqual(seen, expected, `cut at ${cut}`);
        whole ??= text;
        assert.equal(text, whole, `cut at ${cut}`);
        for (const { events } of server.requests) assert.deepEqual(events, ["start", "end"], `cut at ${cut}`);
      }
      assert.equal(whole?.match(/HTTP\/1\.1 200 OK/g)?.length, 6);
    });
  }

  test("byte by byte are the same", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    await client.writePieces(
      mixed,
      Array.from(mixed, (_, i) => i),
    );
    assert.match((await client.readToEnd()).toString("latin1"), /GET \/6 $/);
    assert.equal(server.requests.length, 6);
  });

  test("are answered in order, however long each takes", async () => {
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    void client.write(get("/1") + post("/2", "body") + get("/3"));
    const first = await server.request(0);
    await delay(20);
    assert.equal(server.requests.length, 1, "the next one waits for the answer");
    first.answer("one");
    const second = await server.request(1);
    assert.equal(second.body, "body");
    second.answer("two");
    (await server.request(2)).answer("three");
    assert.deepEqual(await bodies(client, 3), ["one", "two", "three"]);
  });

  for (const [when, onComplete] of Object.entries({ "at once": echo, "a turn later": later })) {
    test(`may be ten thousand, answered ${when}`, async () => {
      await using server = await startHttp1Server({ onComplete });
      await using client = await connectRaw(server.port);
      const count = 10_000;
      void client.write(Array.from({ length: count }, (_, i) => get(`/${i}`)).join(""));
      for (let i = 0; i < count; i++)
        assert.equal((await client.readResponse()).body.toString(), `GET /${i} `);
    });
  }

  test("that were held past the limit, and the beginning of another, don't stop the reading", async () => {
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    void client.write(get("/slow"));
    const slow = await server.request(0);
    const last = get("/last", `X: ${"x".repeat(3000)}`);
    const many = Array.from({ length: 3000 }, (_, i) => get(`/${i}`)).join("");
    await client.write(many + last.slice(0, 50));
    await until("reading stopped", () => server.connections[0]!.transport.paused);
    // From here on everything is answered at once, so that all that was held goes in one pass but for the cut head.
    (server.handlers as { onComplete?: unknown }).onComplete = echo;
    slow.answer("slow");
    await until("all were answered", () => server.requests.length === 3001);
    void client.write(last.slice(50));
    await server.request(3001);
    await bodies(client, 3002);
  });

  test("are all answered when the client ends its direction behind them", async () => {
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    client.end(get("/1") + get("/2") + get("/3"));
    (await server.request(0)).answer("one");
    await until("the end came", () => server.connections[0]!.transport.ended);
    (await server.request(1)).answer("two");
    (await server.request(2)).answer("three");
    assert.deepEqual(await bodies(client, 3), ["one", "two", "three"]);
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("and a part of one, then the end: the whole ones are answered", async () => {
    await using server = await startHttp1Server({ onComplete: later });
    await using client = await connectRaw(server.port);
    client.end(get("/1") + get("/2").slice(0, -3));
    assert.deepEqual(await bodies(client, 1), ["GET /1 "]);
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(server.requests.length, 1);
  });
});

describe("a client that doesn't take its responses", () => {
  test("gets no further request answered, and all of them once it does", async () => {
    const size = 10_000;
    await using server = await startHttp1Server({
      onComplete: (request) => request.answer("x".repeat(size)),
    });
    await using client = await connectRaw(server.port);
    client.pause();
    const count = 5000;
    void client.write(get("/").repeat(count));
    let answered = -1;
    await until("nothing moves any more", async () => {
      const before = answered;
      answered = server.requests.length;
      await delay(50);
      return before === answered && answered > 0;
    });
    assert.ok(answered < count, "the kernel took it all: the test needs more");
    const { transport } = server.connections[0]!;
    assert.ok(transport.unsentBytes < 512 * 1024, `${transport.unsentBytes} bytes wait`);
    assert.equal(transport.paused, true);
    client.resume();
    for (let i = 0; i < count; i++) assert.equal((await client.readResponse()).body.length, size);
  });

  test("is reset when it takes nothing for too long, also when little waits", async () => {
    await using server = await startHttp1Server(
      {
        onComplete: (request) =>
          request.answer(Buffer.alloc(20_000), { keepAlive: request.target !== "/last" }),
      },
      { writeTimeout: 200, keepAliveTimeout: 300 },
    );
    await using client = await connectRaw(server.port);
    client.pause();
    void client.write(get("/").repeat(2000));
    await until("it was given up", () => server.closed === 1, { timeout: 5000 });
    // Filled so that the last response has to wait, but is too small for anybody to be told.
    await using other = await connectRaw(server.port);
    other.pause();
    const connection = server.connections[1]!;
    while (!connection.transport.hasUnsent) {
      const before = server.requests.length;
      void other.write(get("/"));
      await until("it was answered", () => server.requests.length > before);
      await nextTurn();
    }
    void other.write(get("/last"));
    await until("it was given up too", () => server.closed === 2, { timeout: 5000 });
  });

  test("is not given up while it takes something", async () => {
    await using server = await startHttp1Server(
      { onComplete: (request) => request.answer(Buffer.alloc(12 * 1024 * 1024)) },
      { writeTimeout: 600 },
    );
    await using client = await connectRaw(server.port);
    client.pause();
    void client.write(get("/"));
    await server.request(0);
    let received = 0;
    client.socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      client.pause();
    });
    // Slower than all of it in one timeout, but never at a standstill for one.
    for (let i = 0; i < 18; i++) {
      client.resume();
      const goal = received + 300 * 1024;
      while (received < goal) {
        client.resume();
        await nextTurn();
      }
      await delay(100);
    }
    assert.equal(server.closed, 0);
    assert.ok(received < 12 * 1024 * 1024);
  });
});

describe("the body of a request", () => {
  test("waits while nobody takes it, within a bound", async () => {
    await using server = await startHttp1Server({ onStart: (request) => request.connection.pauseRequest() });
    await using client = await connectRaw(server.port);
    const size = 30 * 1024 * 1024;
    void client.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`);
    void client.write(Buffer.alloc(size, "x"));
    const request = await server.request(0);
    await delay(100);
    assert.equal(request.body.length, 0);
    assert.equal(server.connections[0]!.transport.paused, true);
    request.connection.resumeRequest();
    await until("all came", () => request.complete);
    assert.equal(request.body.length, size);
    request.answer("thanks");
    assert.equal((await client.readResponse()).body.toString(), "thanks");
  });

  test("may be paused at every piece, in the middle of handling it or later", async () => {
    const chunks = Array.from(
      { length: 50 },
      (_, i) => `${(i + 1).toString(16)}\r\n${"x".repeat(i + 1)}\r\n`,
    );
    const message = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
    for (const isLater of [false, true]) {
      await using server = await startHttp1Server({
        onStart: (request) => {
          request.onBody = () => {
            request.connection.pauseRequest();
            if (isLater) setImmediate(() => request.connection.resumeRequest());
            else request.connection.resumeRequest();
          };
        },
        onComplete: echo,
      });
      await using client = await connectRaw(server.port);
      await client.writePieces(message + get("/next") + message, [200, 1000]);
      const [first, next] = await bodies(client, 2);
      assert.equal(first?.length, "POST / ".length + (50 * 51) / 2);
      assert.equal(next, "GET /next ");
      assert.equal((await bodies(client, 1))[0], first);
      for (const { events } of server.requests) assert.deepEqual(events, ["start", "end"]);
    }
  });

  test("whose last piece was paused ends when it goes on, once", async () => {
    await using server = await startHttp1Server({
      onStart: (request) => {
        request.onBody = () => request.connection.pauseRequest();
      },
    });
    for (const next of ["", get("/next")]) {
      await using client = await connectRaw(server.port);
      server.requests.length = 0;
      void client.write(post("/", "abc") + next);
      const request = await server.request(0);
      await until("it came", () => request.body === "abc");
      await delay(10);
      assert.equal(request.complete, false);
      request.connection.resumeRequest();
      assert.deepEqual(request.events, ["start", "end"]);
      request.answer("x");
      if (next !== "") (await server.request(1)).answer("y");
      await bodies(client, next === "" ? 1 : 2);
    }
  });

  test("that nobody wanted is thrown away when it is short", async () => {
    await using server = await startHttp1Server({ onStart: (request) => request.answer(request.target) });
    await using client = await connectRaw(server.port);
    await client.writePieces(post("/1", "x".repeat(60_000)) + get("/2"), [100, 30_000, 60_050]);
    assert.deepEqual(await bodies(client, 2), ["/1", "/2"]);
    assert.deepEqual(
      server.requests.map(({ body }) => body),
      ["", ""],
    );
    assert.equal(server.connections.length, 1);
  });

  test("that nobody wanted ends the connection when it is long or of unknown length", async () => {
    await using server = await startHttp1Server({ onStart: (request) => request.answer(request.target) });
    const long = `POST /1 HTTP/1.1\r\n${HOST}Content-Length: 9000000\r\n\r\n`;
    const unknown = `POST /2 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`;
    for (const head of [long, unknown]) {
      await using client = await connectRaw(server.port);
      void client.write(head);
      const response = await client.readResponse();
      assert.equal(response.header("connection"), "close");
      // What is still being sent doesn't cost the client its response.
      await client.write("x".repeat(200_000));
      assert.equal((await client.readToEnd()).length, 0);
    }
    assert.equal(server.requests.length, 2);
  });

  test("is asked for by a 100, and in doubt without one", async () => {
    await using server = await startHttp1Server({
      onStart: (request) => {
        if (request.target === "/no") request.answer("no", { status: 403 });
        else request.connection.sendInformational(request.continueHead());
      },
      onComplete: echo,
    });
    await using client = await connectRaw(server.port);
    const expecting = (target: string): string =>
      `PUT ${target} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
    void client.write(expecting("/yes"));
    assert.equal(await client.readHead(), "HTTP/1.1 100 Continue\r\n\r\n");
    void client.write("abc");
    const kept = await client.readResponse();
    assert.deepEqual([kept.body.toString(), kept.header("connection")], ["PUT /yes abc", undefined]);
    // Whether these bytes are the body or a request, nobody can tell.
    void client.write(expecting("/no"));
    const refused = await client.readResponse();
    assert.deepEqual([refused.status, refused.header("connection")], [403, "close"]);
    void client.write(get("/smuggled"));
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(server.requests.length, 2);
  });
});

test("a head stays itself while its handling makes another connection read one", async () => {
  let other: ServedRequest | null = null;
  const seen: string[] = [];
  await using server = await startHttp1Server({
    onStart: (request) => {
      if (request.target === "/paused") request.connection.pauseRequest();
      if (request.target !== "/first") return;
      // Its body ends, it is answered, and the head behind it is read: all of that inside of this call.
      other!.connection.resumeRequest();
      seen.push(request.head.headers.get("x-own") ?? "lost");
    },
    onComplete: echo,
  });
  await using a = await connectRaw(server.port);
  await using b = await connectRaw(server.port);
  void b.write(post("/paused", "b") + get("/second", "X-Other: 2", "X-Own: other"));
  other = await server.request(0);
  await delay(10);
  void a.write(get("/first", "X-Own: own"));
  assert.deepEqual(await bodies(a, 1), ["GET /first "]);
  assert.deepEqual(await bodies(b, 2), ["POST /paused b", "GET /second "]);
  assert.deepEqual(seen, ["own"]);
});
