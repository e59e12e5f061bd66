import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { ProxyError } from "../base/errors.ts";
import { type HttpHandler, type HttpHandlerServiceOptions, httpService } from "./http-handler-service.ts";
import { serve } from "./serve.ts";

function service(
  handler: HttpHandler,
  options: Partial<HttpHandlerServiceOptions> = {},
): ReturnType<typeof httpService> {
  return httpService({ handler, ...options });
}

const get = "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n";

describe("an HTTP service", () => {
  for (const [kind, handler] of [
    ["a returned response", ({ request }) => ({ status: 200, body: request.target })],
    ["a promised response", async ({ request }) => ({ status: 200, body: request.target })],
    [
      "session.respond",
      (session) => {
        session.respond({ status: 200, body: session.request.target });
        return undefined;
      },
    ],
    [
      "a late session.respond",
      async (session) => {
        await new Promise(setImmediate);
        session.respond({ status: 200, body: session.request.target });
        return undefined;
      },
    ],
  ] as const satisfies [string, HttpHandler][]) {
    test(`answers with ${kind}, request after request`, async () => {
      await using server = await serve(service(handler));
      await using client = await connectRaw(server.port);
      for (let i = 0; i < 2; i++) {
        const response = await client.exchange(get);
        assert.equal(response.status, 200);
        assert.equal(response.framing, "length");
        assert.equal(response.body.toString(), "/a?b=c");
      }
      assert.equal(server.counters.responses2xx, 2);
      assert.equal(server.counters.requestsActive, 0);
    });
  }

  test("answers 404 when the handler has no answer", async () => {
    await using server = await serve(service(() => undefined));
    await using client = await connectRaw(server.port);
    assert.equal((await client.exchange(get)).status, 404);
    assert.equal((await client.exchange(get)).status, 404);
  });

  test("answers 500 when the handler throws, a ProxyError's status for that, and reports both", async () => {
    const reported: string[] = [];
    await using server = await serve(
      service(async ({ request }) => {
        if (request.path === "/busy") throw new ProxyError("NO_PEER");
        throw new Error("no such luck");
      }),
      { onError: (error) => reported.push((error as ProxyError).code) },
    );
    await using client = await connectRaw(server.port);
    assert.equal((await client.exchange(get)).status, 500);
    assert.equal((await client.exchange(get.replace("/a", "/busy"))).status, 503);
    assert.deepEqual(reported, ["FILTER_FAILED", "NO_PEER"]);
  });

  test("reads bodies whole, up to a limit", async () => {
    await using server = await serve(
      service(async (session) => ({
        status: 200,
        body: (await session.readBody(10)).toString().toUpperCase(),
      })),
    );
    await using client = await connectRaw(server.port);
    const post = (body: string): string =>
      `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    assert.equal((await client.exchange(post("hello"))).body.toString(), "HELLO");
    assert.equal((await client.exchange(post(""))).body.toString(), "");
    const chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert.equal((await client.exchange(chunked)).body.toString(), "ABC");
    assert.equal((await client.exchange(post("hello world!"))).status, 413);
  });

  test("reads a body as it comes, while it answers", async () => {
    async function* upper(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
      for await (const chunk of body) yield chunk.toString("latin1").toUpperCase();
    }
    await using server = await serve(
      service((session) => ({ status: 200, body: upper(session.streamBody()) })),
    );
    await using client = await connectRaw(server.port);
    await client.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    // The answer to the first piece is there before the second is sent.
    await client.readUntil("ONE\r\n");
    await client.write("3\r\ntwo\r\n");
    await client.readUntil("TWO\r\n");
    await client.write("0\r\n\r\n");
    await client.readUntil("0\r\n\r\n");
  });

  for (const wait of [false, true]) {
    test(`reads a large body ${wait ? "later" : "at once"}, and the next request after it`, async () => {
      await using server = await serve(
        service(async (session) => {
          if (wait) await new Promise(setImmediate);
          let size = 0;
          for await (const chunk of session.streamBody()) size += chunk.length;
          return { status: 200, body: String(size) };
        }),
      );
      await using client = await connectRaw(server.port);
      for (const size of [1_000_000, 0, 10]) {
        const head = `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`;
        const response = await client.exchange(head + "x".repeat(size));
        assert.equal(response.body.toString(), String(size));
      }
      assert.equal((await client.exchange(get)).body.toString(), "0");
    });
  }

  test("asks for a body that waits to be asked for", async () => {
    await using server = await serve(
      service(async (session) => ({
        status: 200,
        body: Buffer.concat(await Array.fromAsync(session.streamBody())),
      })),
    );
    await using client = await connectRaw(server.port);
    await client.write("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert.match(await client.readHead(), /^HTTP\/1\.1 100 /);
    assert.equal((await client.exchange("hi")).body.toString(), "hi");
  });

  test("slows a client down that sends faster than its body is read", async () => {
    const reading = Promise.withResolvers<void>();
    await using server = await serve(
      service(async (session) => {
        const body = session.streamBody();
        await reading.promise;
        let size = 0;
        for await (const chunk of body) size += chunk.length;
        return { status: 200, body: String(size) };
      }),
    );
    await using client = await connectRaw(server.port);
    const size = 30_000_000;
    void client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
    void client.write(Buffer.alloc(size));
    const sent = (): number => client.socket.bytesWritten - client.socket.writableLength;
    const held = await settled(sent);
    assert.ok(held < 20_000_000, `${held} bytes`);
    reading.resolve();
    assert.equal((await client.readResponse()).body.toString(), String(size));
  });

  test("fails a body whose rest doesn't come", async () => {
    const failures: string[] = [];
    const failed = Promise.withResolvers<void>();
    await using server = await serve(
      service(async (session) => {
        try {
          await Array.fromAsync(session.streamBody());
        } catch (error) {
          failures.push((error as ProxyError).code);
          if (failures.length === 2) failed.resolve();
          throw error;
        }
        return { status: 200 };
      }),
    );
    await using broken = await connectRaw(server.port);
    const chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert.equal((await broken.exchange(`${chunked}nonsense\r\n`)).status, 400);
    const leaving = await connectRaw(server.port);
    await leaving.write(chunked);
    leaving.reset();
    await failed.promise;
    assert.deepEqual(failures, ["DOWNSTREAM_BAD_BODY", "DOWNSTREAM_CLOSED"]);
  });

  test("throws away what a handler doesn't read of a body", async () => {
    await using server = await serve(
      service(async (session) => {
        for await (const _chunk of session.streamBody()) break;
        return { status: 200, body: "enough" };
      }),
    );
    await using client = await connectRaw(server.port);
    const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";
    assert.equal((await client.exchange(head + "x".repeat(200_000))).body.toString(), "enough");
  });

  test("gives a body once", async () => {
    await using server = await serve(
      service(async (session) => {
        const body = session.request.path === "/stream" ? session.streamBody() : await session.readBody();
        assert.throws(() => session.streamBody(), /was read or sent already/);
        if (session.request.path === "/stream") await assert.rejects(session.readBody());
        for await (const _chunk of body as AsyncIterable<Buffer>) {
          // All of it.
        }
        return { status: 200 };
      }),
    );
    await using client = await connectRaw(server.port);
    const post = "POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert.equal((await client.exchange(post)).status, 200);
  });

  test("streams a body no faster than the client takes it", async () => {
    let produced = 0;
    async function* pieces(): AsyncGenerator<Buffer> {
      for (; produced < 200; produced++) yield Buffer.alloc(100_000, "z");
    }
    await using server = await serve(service(() => ({ status: 200, body: pieces() })));
    await using client = await connectRaw(server.port);
    client.pause();
    await client.write(get);
    const held = await settled(() => produced);
    assert.ok(held < 150, `${held} pieces`);
    client.resume();
    const response = await client.readResponse();
    assert.equal(response.framing, "chunked");
    assert.equal(response.body.length, 20_000_000);
  });

  test("ends a streamed body that fails so that nobody takes it for whole", async () => {
    async function* pieces(): AsyncGenerator<string> {
      yield "one";
      throw new Error("no more");
    }
    await using server = await serve(service(() => ({ status: 200, body: pieces() })));
    await using client = await connectRaw(server.port);
    await assert.rejects(client.exchange(get));
  });

  test("an answer that comes when the client has left concerns nobody", async () => {
    const left = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    await using server = await serve(
      service(async (session) => {
        await left.promise;
        // Both ways to answer, for a session that is over.
        session.respond({ status: 200, body: "late" });
        setImmediate(answered.resolve);
        return { status: 200, body: "later" };
      }),
    );
    const client = await connectRaw(server.port);
    await client.write(get);
    await settled(() => server.counters.requestsActive);
    client.reset();
    await settled(() => server.counters.connectionsOpen);
    left.resolve();
    await answered.promise;
    assert.equal(server.counters.requestsActive, 0);
    assert.equal(server.counters.responses2xx, 0);
  });

  test("limits connections and lets a filter refuse them", async () => {
    const refused = service(() => ({ status: 200 }), { connectionFilter: () => false });
    await using server = await serve(refused);
    await using client = await connectRaw(server.port);
    assert.equal((await client.readToEnd()).length, 0);
  });
});

/** The value once it has stopped to change. */
async function settled(read: () => number): Promise<number> {
  for (let before = -1; ; ) {
    const now = read();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
