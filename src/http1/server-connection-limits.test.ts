import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { type ServedRequest, startHttp1Server } from "../../test/kit/http1-server.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { DEFAULT_CHUNKED_LIMITS } from "./chunked-decoder.ts";
import type { HeadProblem } from "./head-limits.ts";

const HOST = "Host: a\r\n";
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`;
const head = { requestLine: 200, bytes: 1000, fields: 10 };

const echo = (request: ServedRequest): void =>
  request.answer(`${request.method} ${request.target} ${request.body}`);

function chunked(target: string, body: string): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`;
}

describe("what is no request", () => {
  const cases: Record<string, [bytes: string, status: number, problem: HeadProblem]> = {
    garbage: ["\x16\x03\x01\x00\xa5\x01", 400, "BAD_REQUEST_LINE"],
    "HTTP/0.9": ["GET /\r\n", 400, "BAD_REQUEST_LINE"],
    "the HTTP/2 preface": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "UNSUPPORTED_VERSION"],
    "a request without host": ["GET / HTTP/1.1\r\n\r\n", 400, "BAD_HOST"],
    "two framings": [`POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, "LENGTH_AND_CHUNKED"],
    "a strange expectation": [`PUT / HTTP/1.1\r\n${HOST}Expect: wonders\r\n\r\n`, 417, "BAD_EXPECT"],
    "a long target": [`GET /${"x".repeat(300)} HTTP/1.1\r\n${HOST}\r\n`, 414, "REQUEST_LINE_TOO_LONG"],
    "a target without end": [`GET /${"x".repeat(300)}`, 414, "REQUEST_LINE_TOO_LONG"],
    "a large head": [`GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(1000)}\r\n\r\n`, 431, "HEAD_TOO_LARGE"],
    "a head without end": [`GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(1000)}`, 431, "HEAD_TOO_LARGE"],
    "many fields": [`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(11)}\r\n`, 431, "TOO_MANY_FIELDS"],
    "a body too large": [`POST / HTTP/1.1\r\n${HOST}Content-Length: 5001\r\n\r\n`, 413, "BODY_TOO_LARGE"],
  }; // biome-ignore format: a table

  for (const [name, [bytes, status, problem]] of Object.entries(cases)) {
    test(`${name} is answered with ${status}, and nothing after it is read`, async () => {
      for (const isInPieces of [false, true]) {
        await using server = await startHttp1Server({ onComplete: echo }, { head, bodyBytes: 5000 });
        await using client = await connectRaw(server.port);
        const text = GET + bytes;
        if (isInPieces)
          await client.writePieces(
            text,
            Array.from(text, (_, i) => i),
          );
        else await client.write(text);
        assert.equal((await client.readResponse()).status, 200);
        const refusal = await client.readResponse();
        assert.equal(refusal.status, status);
        assert.equal(refusal.header("connection"), "close");
        void client.write(GET);
        assert.equal((await client.readToEnd()).length, 0);
        assert.deepEqual(server.refused, [problem]);
        assert.equal(server.requests.length, 1);
      }
    });
  }

  test("may be larger than what is held for others, if the limit says so", async () => {
    await using server = await startHttp1Server({ onComplete: echo }, { head: { ...head, bytes: 400_000 } });
    await using client = await connectRaw(server.port);
    const text = `GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(300_000)}\r\n\r\n`;
    await client.writePieces(text, [100_000, 200_000, 300_000]);
    assert.equal((await client.readResponse()).status, 200);
  });

  test("in the same bytes as a good one doesn't keep that one from its answer", async () => {
    await using server = await startHttp1Server({ onComplete: (request) => setTimeout(echo, 10, request) });
    await using client = await connectRaw(server.port);
    await client.write(`${GET}${GET}NONSENSE\r\n\r\n${GET}`);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await client.readResponse()).status);
    assert.deepEqual(statuses, [200, 200, 400]);
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(server.requests.length, 2);
  });
});

describe("a body against the rules", () => {
  const refuse = (request: ServedRequest): void => request.answer("no", { status: 400 });

  for (const isInPieces of [false, true]) {
    test(`is an error once, and none of it is read as anything else${isInPieces ? ", in pieces" : ""}`, async () => {
      for (const onError of [refuse, undefined]) {
        await using server = await startHttp1Server({ onComplete: echo, ...(onError && { onError }) });
        await using client = await connectRaw(server.port);
        const bad = chunked("/", `3\r\nabc\r\nX\r\n\r\n0\r\n\r\n${GET}`);
        await client.writePieces(bad, isInPieces ? Array.from(bad, (_, i) => i) : []);
        const request = await server.request(0);
        await until("the error came", () => request.events.length > 1);
        void client.write(`0\r\n\r\n${GET}`.repeat(10));
        await delay(20);
        if (onError === undefined) refuse(request);
        assert.equal((await client.readResponse()).status, 400);
        assert.equal((await client.readToEnd()).length, 0);
        assert.deepEqual([request.body, request.events], ["abc", ["start", "DOWNSTREAM_BAD_BODY"]]);
        assert.equal(server.requests.length, 1);
      }
    });
  }

  test("is an error once when it grows too large", async () => {
    await using server = await startHttp1Server({}, { bodyBytes: 10 });
    await using client = await connectRaw(server.port);
    void client.write(chunked("/", "5\r\nabcde\r\n5\r\nfghij\r\n1\r\nk\r\n1\r\nl\r\n0\r\n\r\n"));
    const request = await server.request(0);
    await until("the error came", () => request.events.length > 1);
    void client.write("more of it");
    await delay(20);
    assert.deepEqual([request.body, request.events], ["abcdefghij", ["start", "DOWNSTREAM_BODY_TOO_LARGE"]]);
    request.answer("", { status: 413 });
    assert.equal((await client.readResponse()).header("connection"), "close");
    assert.equal((await client.readToEnd()).length, 0);
    // Exactly as much as may be is fine.
    await using other = await connectRaw(server.port);
    void other.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n0123456789`);
    assert.equal((await server.request(1)).body, "0123456789");
  });

  test("is held to the limits of chunks and trailers", async () => {
    const limits = { ...DEFAULT_CHUNKED_LIMITS, extensionBytes: 10 };
    await using server = await startHttp1Server({ onError: refuse }, { chunked: limits });
    await using client = await connectRaw(server.port);
    void client.write(chunked("/", `1;${"x".repeat(20)}\r\n`));
    assert.equal((await client.readResponse()).status, 400);
  });

  test("that is thrown away ends the connection when it is malformed or endless", async () => {
    await using server = await startHttp1Server({ onStart: (request) => request.answer("") });
    await using client = await connectRaw(server.port);
    // Answered with a promise to keep the connection, for the declared rest is short.
    void client.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n`);
    assert.equal((await client.readResponse()).header("connection"), undefined);
    client.end("123");
    assert.equal((await client.readToEnd()).length, 0);
    await until("it is closed", () => server.closed === 1);
  });
});

describe("a client that leaves", () => {
  test("in the middle of its body is an error, by an end or a reset", async () => {
    await using server = await startHttp1Server({ onError: (request) => request.connection.abort() });
    for (const how of ["end", "reset"] as const) {
      server.requests.length = 0;
      await using client = await connectRaw(server.port);
      void client.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n123`);
      const request = await server.request(0);
      await until("some came", () => request.body === "123");
      client[how]();
      await until("the error came", () => request.events.length > 1);
      assert.deepEqual(request.events, ["start", "DOWNSTREAM_CLOSED"]);
    }
    await until("they are closed", () => server.closed === 2);
  });

  test("while it should wait for the answer is an error when it resets, not when it only ends", async () => {
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    client.end(GET);
    const request = await server.request(0);
    await until("the end came", () => server.connections[0]!.transport.ended);
    request.answer("late");
    assert.equal((await client.readResponse()).header("connection"), "close");
    assert.deepEqual(request.events, ["start", "end"]);

    await using other = await connectRaw(server.port);
    void other.write(GET);
    const second = await server.request(1);
    other.reset();
    await until("the error came", () => second.events.length > 2);
    assert.deepEqual(second.events, ["start", "end", "DOWNSTREAM_CLOSED"]);
    second.answer("to nobody");
    await until("it is closed", () => server.closed === 2);
  });

  test("is let go when nobody tells that the end is out, though the client took everything", async () => {
    await using server = await startHttp1Server();
    for (const size of [4, 8 * 1024 * 1024]) {
      const client = await connectRaw(server.port);
      client.pause();
      void client.end(GET);
      const request = await server.request(server.connections.length - 1);
      const { transport } = server.connections.at(-1)!;
      await until("the end came", () => transport.ended);
      transport.socket._final = () => undefined;
      request.answer("x".repeat(size));
      assert.equal(transport.hasUnsent, size > 4);
      client.resume();
    }
    await until("they are closed", () => server.closed === 2);
  });

  test("is told of once, whatever it left", async () => {
    await using server = await startHttp1Server();
    for (const text of ["", "GET", GET, `${GET}${GET}`]) {
      const client = await connectRaw(server.port);
      if (text !== "") await client.write(text);
      await delay(5);
      client.reset();
    }
    await until("all are closed", () => server.closed === 4);
    await delay(20);
    assert.equal(server.closed, 4);
    const { headTimeout, bodyTimeout, keepAliveTimeout, writeTimeout, linger } = server.options;
    for (const queue of [headTimeout, bodyTimeout, keepAliveTimeout, writeTimeout, linger]) {
      assert.equal(queue.oldest, null, "a closed connection still waits");
    }
  });
});

describe("timeouts", () => {
  const short = { headTimeout: 150, bodyTimeout: 150, keepAliveTimeout: 150, minimumRate: 0 };

  test("of a head that stays away, and of one that comes drop by drop", async () => {
    await using server = await startHttp1Server({ onComplete: echo }, { ...short, keepAliveTimeout: 60_000 });
    await using silent = await connectRaw(server.port);
    assert.equal((await silent.readToEnd()).length, 0);
    assert.equal(server.headTimeouts, 0);
    await using slow = await connectRaw(server.port);
    const drops = setInterval(() => void slow.write("x"), 20);
    void slow.write("GET /");
    const response = await slow.readResponse();
    clearInterval(drops);
    assert.equal(response.status, 408);
    assert.equal((await slow.readToEnd()).length, 0);
    assert.equal(server.headTimeouts, 1);
    // The time runs for later heads too, from their first byte.
    await using later = await connectRaw(server.port);
    await later.exchange(GET);
    await delay(300);
    void later.write("G");
    assert.equal((await later.readResponse()).status, 408);
  });

  test("of a connection that nobody uses", async () => {
    await using server = await startHttp1Server({ onComplete: echo }, { ...short, headTimeout: 60_000 });
    await using client = await connectRaw(server.port);
    await client.exchange(GET);
    // An empty line is no request.
    void client.write("\r\n");
    const start = performance.now();
    assert.equal((await client.readToEnd()).length, 0);
    assert.ok(performance.now() - start > 100);
    await until("it is closed", () => server.closed === 1);
  });

  test("of a body that stops coming, not of one that we stopped", async () => {
    await using server = await startHttp1Server({}, short);
    await using client = await connectRaw(server.port);
    void client.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n123`);
    const request = await server.request(0);
    request.connection.pauseRequest();
    await delay(400);
    assert.deepEqual(request.events, ["start"]);
    request.connection.resumeRequest();
    await until("the error came", () => request.events.length > 1);
    assert.deepEqual(request.events, ["start", "DOWNSTREAM_BODY_TIMEOUT"]);
    request.answer("", { status: 408 });
    assert.equal((await client.readResponse()).status, 408);
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("don't run while the answer is being made", async () => {
    await using server = await startHttp1Server({}, short);
    await using client = await connectRaw(server.port);
    void client.write(GET);
    const request = await server.request(0);
    await delay(400);
    request.answer("slow");
    assert.equal((await client.readResponse()).body.toString(), "slow");
    assert.deepEqual(request.events, ["start", "end"]);
  });

  test("end the wait for the client after the last response", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    const response = await client.exchange(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    assert.equal(response.status, 200);
    // It neither ends nor sends: after two seconds it is let go.
    await until("it is closed", () => server.closed === 1, { timeout: 4000 });
  });
});
