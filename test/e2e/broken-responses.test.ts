import assert from "node:assert/strict";
import { get } from "node:http";
import { describe, test } from "node:test";
import { Agent, request as undiciRequest } from "undici";
import type { Malformation } from "../../src/http/streams.ts";
import { until } from "../kit/deadline.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { runProgram } from "../kit/process.ts";
import { startFaulty } from "./faulty-proxy.ts";
import { request, standstill, startProxy, writePattern } from "./proxy.ts";

/** The length of the body that node:http reads; rejects with its error. */
function getWithNode(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = get(url, { agent: false }, (response) => {
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
      });
      response.on("end", () => resolve(length));
      response.on("error", reject);
    });
    outgoing.on("error", reject);
  });
}

/** The same with undici. */
async function getWithUndici(url: string): Promise<number> {
  const dispatcher = new Agent({ connections: 1 });
  try {
    const { body } = await undiciRequest(url, { dispatcher });
    return (await body.arrayBuffer()).byteLength;
  } finally {
    await dispatcher.destroy();
  }
}

/** curl's exit code. */
async function getWithCurl(url: string, ...args: readonly string[]): Promise<number | null> {
  const all = ["--silent", "--max-time", "20", "--output", "/dev/null", ...args, url];
  return (await runProgram(findProgram("curl") ?? "", all)).code;
}

const PARTIAL_FILE = 18;

describe("a truncated response", () => {
  const origins = [
    ["of a known length", "/bytes/100000"],
    ["in chunks", "/chunked?chunks=10&size=10000"],
  ] as const;

  for (const [what, path] of origins) {
    test(`${what} ends after so many bytes, and its client can tell`, async () => {
      await using faulty = await startFaulty("{ truncate: 10KiB }");
      const client = await faulty.proxy.connect();
      const received: Buffer[] = [];
      void client.write(request(`GET ${path}`));
      await assert.rejects(client.readResponse({ onData: (chunk) => received.push(chunk) }));
      assert.equal(Buffer.concat(received).length, 10_240);
      assert.equal(await client.closed, "end");
      await assert.rejects(getWithNode(faulty.url + path), { code: "ECONNRESET" });
      await assert.rejects(getWithUndici(faulty.url + path));
    });

    test(`${what} is a partial file to curl`, { skip: skipWithout("curl") }, async () => {
      await using faulty = await startFaulty("{ truncate: 10KiB }");
      assert.equal(await getWithCurl(faulty.url + path), PARTIAL_FILE);
    });
  }

  test("ends with a reset where the end of the connection would end it", async () => {
    await using faulty = await startFaulty("{ truncate: 10KiB }");
    const client = await faulty.proxy.connect();
    void client.write("GET /chunked?chunks=10&size=10000 HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert.equal(await client.closed, "reset");
  });

  test("may have no body at all", async () => {
    await using faulty = await startFaulty("{ truncate: 0 }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /bytes/1000"));
    const head = await client.readHead();
    assert.match(head, /\r\nContent-Length: 1000\r\n/i);
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("that is shorter is whole, and so is one without a body", async () => {
    await using faulty = await startFaulty("{ truncate: 10KiB }");
    const client = await faulty.proxy.connect();
    assert.equal((await client.exchange(request("GET /bytes/10239"))).body.length, 10_239);
    assert.equal((await client.exchange(request("HEAD /bytes/100000"), { method: "HEAD" })).status, 200);
    assert.equal((await client.exchange(request("GET /bytes/5"))).body.length, 5);
  });

  test("may be one that is made here", async () => {
    await using faulty = await startFaulty("{ truncate: 3 }", "respond: hello");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /"));
    await client.readHead();
    assert.equal((await client.readToEnd()).toString(), "hel");
  });

  test("lets go of its server", async () => {
    await using faulty = await startFaulty("{ truncate: 10KiB }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /bytes/50000000"));
    await client.readToEnd();
    await until("the server is let go of", () => faulty.proxy.connector.open === 0);
    const [entry] = faulty.proxy.reported;
    assert.equal(entry?.error.code, "FAULT_INJECTED");
  });
});

describe("a throttled response", () => {
  test("comes at its rate", async () => {
    await using faulty = await startFaulty("{ throttle: 10KB/s }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /bytes/30000"));
    await client.readHead();
    const { clock } = faulty;
    // What waits is booked once it is here; from then on the clock tells.
    await until("the body has begun", () => {
      clock.advance(10);
      return client.unread.length > 0;
    });
    const start = clock.now();
    const before = client.unread.length;
    for (let i = 0; i < 100; i++) {
      clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until("a second's worth has come", () => client.unread.length >= before + 9_900);
    const rate = (client.unread.length - before) / ((clock.now() - start) / 1000);
    assert.ok(Math.abs(rate - 10_000) <= 200, `${rate} bytes a second`);
    clock.advance(5_000);
    assert.equal((await client.readExactly(30_000)).length, 30_000);
    assert.equal((await client.exchange(request("HEAD /"), { method: "HEAD" })).status, 200);
  });

  test("holds its server back", async () => {
    const length = 100_000_000;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
        await writePattern(connection, length);
      },
      phases: { requestFilter: (session) => session.injectFaults({ rate: 10_000 }) },
    });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await client.readHead();
    const { socket } = await proxy.origin.connection(0);
    await standstill(() => socket.bytesWritten - socket.writableLength);
    assert.ok(socket.bytesWritten < length / 3, `${socket.bytesWritten} bytes were taken`);
    client.reset();
    await proxy.settled();
  });

  test("goes on for a client that takes even less", async () => {
    await using faulty = await startFaulty("{ throttle: 1GB/s }");
    const client = await faulty.proxy.connect();
    client.pause();
    void client.write(request("GET /bytes/5000000"));
    await until("the server has answered", () => faulty.origin.requests.length === 1);
    for (let i = 0; i < 20; i++) {
      faulty.clock.advance(10);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    client.resume();
    const ticking = setInterval(() => faulty.clock.advance(10), 1);
    const response = await client.readResponse();
    clearInterval(ticking);
    assert.equal(response.body.length, 5_000_000);
  });

  test("that is streamed from here is asked for no faster than it goes", async () => {
    let made = 0;
    async function* body(): AsyncGenerator<Buffer> {
      for (; made < 1_000; made++) yield Buffer.alloc(16_384);
    }
    await using proxy = await startProxy({
      phases: {
        requestFilter(session) {
          session.injectFaults({ rate: 10_000 });
          return session.respond({ status: 200, body: body() });
        },
      },
    });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await client.readHead();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(made < 20, `${made} pieces were made`);
    client.reset();
    await proxy.settled();
  });

  test("is cut where it is truncated too", async () => {
    await using faulty = await startFaulty("{ throttle: 1KB/s }, { truncate: 2000 }, { truncate: 3000 }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /bytes/100000"));
    await client.readHead();
    const ticking = setInterval(() => faulty.clock.advance(50), 1);
    assert.equal((await client.readToEnd()).length, 2_000);
    clearInterval(ticking);
  });
});

const MALFORMATIONS: readonly Malformation[] = ["status-line", "header", "chunk", "length"];

/** What is wrong with a response that has no body. */
const WITHOUT_BODY: Readonly<Record<Malformation, RegExp>> = {
  "status-line": /^HTTP\/1\.1 2OO /,
  header: /\r\nThis line is no header field\r\n/,
  chunk: /\r\nThis line is no header field\r\n/,
  length: /\r\nContent-Length: ten\r\n/,
};

describe("a malformed response", () => {
  for (const malformation of MALFORMATIONS) {
    const fault = `{ malformed: ${malformation} }`;

    test(`by its ${malformation} is refused by clients`, async () => {
      await using faulty = await startFaulty(fault);
      for (const path of ["/bytes/1000", "/chunked", "/empty"]) {
        const url = faulty.url + path;
        await assert.rejects(getWithUndici(url), { name: /HTTPParserError|ContentLengthMismatch/ });
        await assert.rejects(getWithNode(url), { code: /^HPE_/ });
        const client = await faulty.proxy.connect();
        await assert.rejects(client.exchange(request(`GET ${path}`)));
      }
      assert.equal(faulty.origin.requests.length, 9);
    });

    test(`by its ${malformation} is refused where there is no body`, async () => {
      await using faulty = await startFaulty(fault);
      for (const head of ["HEAD /bytes/1000", "GET /status/204"]) {
        const client = await faulty.proxy.connect();
        void client.write(request(head));
        const response = (await client.readToEnd()).toString("latin1");
        assert.match(response, WITHOUT_BODY[malformation]);
        assert.ok(response.endsWith("\r\n\r\n"), response);
      }
    });

    test(`by its ${malformation} may be one that is made here`, async () => {
      await using faulty = await startFaulty(
        `{ abort: { status: 503, body: x }, malformed: ${malformation} }`,
      );
      await assert.rejects(getWithUndici(faulty.url));
      assert.equal(faulty.origin.requests.length, 0);
    });

    test(`by its ${malformation} makes curl fail`, { skip: skipWithout("curl") }, async () => {
      await using faulty = await startFaulty(fault);
      assert.notEqual(await getWithCurl(`${faulty.url}/bytes/1000`), 0);
    });
  }

  test("ends its connection, whatever was asked for besides", async () => {
    await using faulty = await startFaulty("{ every: 2, malformed: header }");
    const client = await faulty.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    void client.write(request("GET /bytes/10").repeat(2));
    const rest = (await client.readToEnd()).toString("latin1");
    assert.match(
      rest,
      /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n.*This line is no header field\r\n\r\n.{10}$/s,
    );
  });
});
