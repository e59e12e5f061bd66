import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { type AnswerOptions, type ServedRequest, startHttp1Server } from "../../test/kit/http1-server.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { ResponseHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { ByteSink, ByteStream } from "../http/streams.ts";

const HOST = "Host: a\r\n";
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`;

function get(target: string, ...fields: readonly string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
}

const echo = (request: ServedRequest): void =>
  request.answer(`${request.method} ${request.target} ${request.body}`);

describe("a connection", () => {
  test("carries requests one after the other", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    for (const target of ["/1", "/2", "/3"]) {
      const response = await client.exchange(get(target));
      assert.equal(response.body.toString(), `GET ${target} `);
      assert.equal(response.header("connection"), undefined);
    }
    const posted = await client.exchange(`POST /4 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`);
    assert.equal(posted.body.toString(), "POST /4 abc");
    assert.equal(server.connections.length, 1);
    assert.equal(server.connections[0]!.requestCount, 4);
    assert.equal(server.connections[0]!.bytesReceived, 3);
  });

  test("ends after a request that asks for it", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    const response = await client.exchange(get("/", "Connection: close"));
    assert.equal(response.header("connection"), "close");
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("ends after a response that says so, and when the application drains", async () => {
    let options: AnswerOptions = { keepAlive: false };
    await using server = await startHttp1Server({ onComplete: (request) => request.answer("x", options) });
    await using first = await connectRaw(server.port);
    assert.equal((await first.exchange(GET)).header("connection"), "close");
    assert.equal((await first.readToEnd()).length, 0);
    options = {};
    await using second = await connectRaw(server.port);
    await second.exchange(GET);
    server.draining = true;
    assert.equal((await second.exchange(GET)).header("connection"), "close");
    assert.equal((await second.readToEnd()).length, 0);
    assert.equal(server.connections[1]!.requestCount, 2);
  });

  test("between requests can be drained at once", async () => {
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    await using busy = await connectRaw(server.port);
    void busy.write(GET);
    const request = await server.request(0);
    for (const connection of server.connections) connection.drain();
    assert.equal((await client.readToEnd()).length, 0);
    request.answer("still here");
    assert.equal((await busy.readResponse()).body.toString(), "still here");
  });

  test("of HTTP/1.0 persists only when it asks to", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    const kept = await client.exchange("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert.equal(kept.header("connection"), "keep-alive");
    const last = await client.exchange("GET /2 HTTP/1.0\r\n\r\n");
    assert.equal(last.header("connection"), "close");
    assert.equal(last.body.toString(), "GET /2 ");
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("ends after its number of requests", async () => {
    await using server = await startHttp1Server({ onComplete: echo }, { requestsPerConnection: 3 });
    await using client = await connectRaw(server.port);
    void client.write(GET.repeat(5));
    assert.equal((await client.readResponse()).header("connection"), undefined);
    assert.equal((await client.readResponse()).header("connection"), undefined);
    assert.equal((await client.readResponse()).header("connection"), "close");
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(server.requests.length, 3);
  });

  test("passes empty lines between requests over, also halves of them", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    const text = `\r\n\r\n${get("/1")}\r\n${get("/2")}\r\n`;
    await client.writePieces(text, [1, 3, 5, text.length - 1]);
    await client.readResponse();
    await client.readResponse();
    await client.writePieces(`\r\n${get("/3")}`, [1]);
    assert.equal((await client.readResponse()).body.toString(), "GET /3 ");
    await until("it is idle", () => server.connections[0]!.idle);
  });
});

describe("the framing of responses", () => {
  test("is right whatever follows whatever", async () => {
    const answers: Record<string, (request: ServedRequest) => void> = {
      "/length": (request) => request.answer("body"),
      "/chunked": (request) => {
        request.sendHead("unknown");
        for (const piece of ["one ", "", "two"]) {
          request.connection.sendBody(Buffer.from(`..${piece}`), 2, 2 + piece.length);
        }
        request.connection.sendEnd(HttpHeaders.from({ "X-T": "1" }));
      },
      "/204": (request) => request.answer("", { status: 204, length: "none" }),
      "/204-wrong": (request) => request.answer("ignored", { status: 204 }),
      "/304": (request) =>
        request.answer("", { status: 304, length: "none", headers: { "Content-Length": "9" } }),
      "/304-wrong": (request) => request.answer("ignored", { status: 304, length: "unknown" }),
      "/none": (request) => request.answer("", { length: "none" }),
      "/empty": (request) => request.answer(""),
    };
    await using server = await startHttp1Server({
      onComplete: (request) => answers[request.target]?.(request),
    });
    await using client = await connectRaw(server.port);
    const expected: Record<string, [framing: string, body: string]> = {
      "/length": ["length", "body"],
      "/chunked": ["chunked", "one two"],
      "/204": ["none", ""],
      "/204-wrong": ["none", ""],
      "/304": ["none", ""],
      "/304-wrong": ["none", ""],
      "/none": ["length", ""],
      "/empty": ["length", ""],
    };
    // Every one behind every other: what one leaves behind would show in the next.
    for (const first of Object.keys(expected)) {
      for (const target of [first, ...Object.keys(expected)]) {
        for (const method of ["GET", "HEAD"]) {
          const request = `${method} ${target} HTTP/1.1\r\n${HOST}\r\n`;
          const response = await client.exchange(request, { method });
          const [framing, body] = expected[target]!;
          const context = `${method} ${target} after ${first}`;
          assert.equal(response.framing, method === "HEAD" ? "none" : framing, context);
          assert.equal(response.body.toString(), method === "HEAD" ? "" : body, context);
          if (target.startsWith("/204")) assert.equal(response.header("content-length"), undefined);
          assert.equal(client.unread.length, 0, context);
        }
        await client.exchange(get(first));
      }
    }
    assert.equal(server.connections.length, 1);
  });

  test("ends a body of unknown length for HTTP/1.0 by the close", async () => {
    await using server = await startHttp1Server({
      onComplete: (request) => {
        request.sendHead("unknown", { headers: { "X-A": "1" } });
        request.connection.sendBody(Buffer.from("until the end"), 0, 13);
        request.connection.sendEnd(HttpHeaders.from({ "X-T": "1" }));
      },
    });
    await using client = await connectRaw(server.port);
    const response = await client.exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert.equal(response.framing, "end");
    assert.equal(response.body.toString(), "until the end");
    assert.equal(response.header("connection"), "close");
    await using other = await connectRaw(server.port);
    const head = await other.exchange("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {
      method: "HEAD",
    });
    assert.equal(head.header("connection"), "keep-alive");
  });

  test("has interim responses for those who understand them", async () => {
    await using server = await startHttp1Server({
      onStart: (request) => {
        const headers = { Link: "x", "Content-Length": "5" };
        request.connection.sendInformational(ResponseHead.from({ status: 103, headers }));
        request.connection.sendInformational(ResponseHead.from({ status: 102 }));
        request.answer("done");
      },
    });
    await using client = await connectRaw(server.port);
    const response = await client.exchange(GET);
    assert.deepEqual(response.interim, [
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
      "HTTP/1.1 102 Processing\r\n\r\n",
    ]);
    assert.equal(response.body.toString(), "done");
    await using old = await connectRaw(server.port);
    assert.deepEqual((await old.exchange("GET / HTTP/1.0\r\n\r\n")).interim, []);
  });

  test("can be cut so that nobody takes the part for the whole", async () => {
    const lengths = [100, "unknown", "unknown"] as const;
    await using server = await startHttp1Server({
      onStart: (request) => {
        request.sendHead(lengths[Number(request.target.slice(1))]!);
        request.connection.sendBody(Buffer.from("part"), 0, 4);
        request.connection.abort();
        request.connection.sendBody(Buffer.from("more"), 0, 4);
        request.connection.sendEnd(null);
      },
    });
    await using first = await connectRaw(server.port);
    await assert.rejects(first.exchange(get("/0")), /96 bytes short/);
    await using second = await connectRaw(server.port);
    await assert.rejects(second.exchange(get("/1")), /ended before "\\r\\n"/);
    await using third = await connectRaw(server.port);
    void third.write("GET /2 HTTP/1.0\r\n\r\n");
    assert.equal(await third.closed, "reset");
    await using fourth = await connectRaw(server.port);
    server.requests.length = 0;
    void fourth.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\n`);
    (await server.request(0)).connection.abort();
  });
});

describe("a tunnel", () => {
  class Sink implements ByteSink {
    text = "";
    readonly events: string[] = [];
    stream: ByteStream | null = null;
    onText: (() => void) | null = null;

    onBytes(bytes: Buffer, start: number, end: number): void {
      this.text += bytes.toString("latin1", start, end);
      this.onText?.();
    }
    onBytesEnd(): void {
      this.events.push("end");
    }
    onBytesBlocked(): void {
      this.events.push("blocked");
    }
    onBytesDrained(): void {
      this.events.push("drained");
    }
    onBytesClosed(): void {
      this.events.push("closed");
    }
  }

  const UPGRADE = get("/", "Connection: Upgrade", "Upgrade: echo");

  function open(request: ServedRequest, sink: Sink): void {
    const head = ResponseHead.from({ status: 101, headers: { Upgrade: "echo" } });
    request.connection.sendHead(head, "none", true);
    sink.stream = request.connection.toByteStream(sink);
  }

  test("carries bytes both ways, those that came early too", async () => {
    const sink = new Sink();
    await using server = await startHttp1Server({ onStart: (request) => open(request, sink) });
    await using client = await connectRaw(server.port);
    void client.write(`${UPGRADE}early GET / HTTP/1.1\r\n\r\n`);
    const response = await client.readResponse();
    assert.deepEqual([response.status, response.header("upgrade")], [101, "echo"]);
    assert.equal(response.header("connection"), "Upgrade");
    await until("it came", () => sink.text === "early GET / HTTP/1.1\r\n\r\n");
    void client.write(" late");
    await until("more came", () => sink.text.endsWith(" late"));
    sink.stream!.send(Buffer.from("reply"), 0, 5);
    assert.equal((await client.readExactly(5)).toString(), "reply");
    client.end();
    await until("the end came", () => sink.events.includes("end"));
    sink.stream!.send(Buffer.from("after"), 0, 5);
    sink.stream!.end();
    assert.equal((await client.readToEnd()).toString(), "after");
    await until("it is closed", () => sink.events.includes("closed"));
    assert.deepEqual(sink.events, ["end", "drained", "closed"]);
    assert.equal(server.requests.length, 1);
  });

  test("that is opened later gets what came meanwhile, and may pause at once", async () => {
    const sink = new Sink();
    await using server = await startHttp1Server();
    await using client = await connectRaw(server.port);
    await client.writePieces(`${UPGRADE}one two`, [UPGRADE.length, UPGRADE.length + 4]);
    const request = await server.request(0);
    await until("it is held", () => !server.connections[0]!.idle);
    void client.write(" three");
    sink.onText = () => server.connections[0]!.transport.pause();
    await new Promise((resolve) => setTimeout(resolve, 30));
    open(request, sink);
    assert.equal(sink.text, "one two three");
    void client.write(" four");
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(sink.text, "one two three");
    sink.onText = null;
    sink.stream!.resume();
    await until("the rest came", () => sink.text === "one two three four");
  });

  test("is cut by an abort and by its client", async () => {
    const sinks: Sink[] = [];
    await using server = await startHttp1Server({
      onStart: (request) => {
        sinks.push(new Sink());
        open(request, sinks.at(-1)!);
      },
    });
    await using client = await connectRaw(server.port);
    await client.exchange(UPGRADE);
    sinks[0]!.stream!.abort();
    assert.equal(await client.closed, "reset");
    await using other = await connectRaw(server.port);
    await other.exchange(UPGRADE);
    other.reset();
    await until("it is closed", () => sinks[1]!.events.includes("closed"));
    await using third = await connectRaw(server.port);
    await third.exchange(UPGRADE);
    server.requests[2]!.connection.abort();
    assert.equal(await third.closed, "reset");
  });

  test("isn't what an upgrade comes to that was answered otherwise", async () => {
    await using server = await startHttp1Server({ onComplete: echo });
    await using client = await connectRaw(server.port);
    void client.write(UPGRADE + get("/next"));
    assert.equal((await client.readResponse()).status, 200);
    assert.equal((await client.readResponse()).body.toString(), "GET /next ");
  });

  test("follows a CONNECT, whose good answer has no body", async () => {
    const sink = new Sink();
    await using server = await startHttp1Server({
      onStart: (request) => {
        if (request.target.startsWith("b")) return request.answer("no", { status: 403 });
        request.sendHead("none");
        sink.stream = request.connection.toByteStream(sink);
      },
    });
    await using client = await connectRaw(server.port);
    const refused = await client.exchange(`CONNECT b:1 HTTP/1.1\r\n${HOST}\r\n`, { method: "CONNECT" });
    assert.deepEqual([refused.status, refused.body.toString()], [403, "no"]);
    const response = await client.exchange(`CONNECT a:1 HTTP/1.1\r\n${HOST}\r\nbytes`, { method: "CONNECT" });
    assert.deepEqual([response.status, response.header("content-length")], [200, undefined]);
    await until("it came", () => sink.text === "bytes");
  });
});
