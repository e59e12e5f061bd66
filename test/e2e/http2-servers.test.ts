import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { createRandom } from "../kit/random.ts";
import { type ProxyUnderTest, readPattern, request, standstill, startProxy, writePattern } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;

function echoOf(body: Buffer): EchoAnswer {
  return JSON.parse(body.toString()) as EchoAnswer;
}

/** The requests of `proxy` are over, and so are their streams. */
async function quiet(proxy: ProxyUnderTest): Promise<void> {
  await until("all connections are idle", () => proxy.connector.open === proxy.connector.shared.idle);
}

describe("requests to a server that speaks HTTP/2", () => {
  test("are answered over one connection", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    const got = await client.exchange(request("GET /bytes/1000000"));
    assert.equal(got.status, 200);
    assert.deepEqual(got.body, patternBytes(1_000_000));
    const head = await client.exchange(request("HEAD /bytes/1000"), { method: "HEAD" });
    assert.equal(head.header("content-length"), "1000");
    for (const status of [204, 304, 404]) {
      assert.equal((await client.exchange(request(`GET /status/${status}`))).status, status);
    }
    assert.equal(origin.connectionCount, 1);
    assert.deepEqual([proxy.count("upstreamConnects"), proxy.count("upstreamReuses")], [1, 4]);
    await quiet(proxy);
  });

  test("arrive with the fields that HTTP/2 has, and with ours", async () => {
    await using origin = await startOrigin({ http2: true });
    const forwarding = { mode: "append", xForwarded: true, via: "gate" } as const;
    await using proxy = await startProxy({ origin, peer, forwarding });
    const client = await proxy.connect();
    const { body } = await client.exchange(
      `${request("POST /echo?a=b", "Cookie: a=1; b=2", "Connection: keep-alive, X-Gone, TE", "X-Gone: 1", "X-Kept: 1", "TE: trailers, gzip", "Content-Length: 5")}hello`,
    );
    const echo = echoOf(body);
    assert.deepEqual(
      [echo.method, echo.url, echo.httpVersion, echo.body],
      ["POST", "/echo?a=b", "2.0", "hello"],
    );
    const fields = new Map<string, string>();
    for (let i = 0; i < echo.rawHeaders.length; i += 2)
      fields.set(echo.rawHeaders[i]!, echo.rawHeaders[i + 1]!);
    assert.equal(fields.get(":authority"), "a.example");
    assert.equal(fields.get(":scheme"), "http");
    assert.equal(fields.get("cookie"), "a=1; b=2");
    assert.equal(fields.get("content-length"), "5");
    assert.equal(fields.get("x-forwarded-for"), "127.0.0.1");
    assert.equal(fields.get("x-kept"), "1");
    assert.equal(fields.get("te"), "trailers");
    assert.match(fields.get("via") ?? "", /^1\.1 gate$/);
    for (const name of ["host", "connection", "x-gone"]) assert.equal(fields.has(name), false, name);
  });

  test("have bodies of any kind, in any pieces", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    const body = patternBytes(40).toString("latin1");
    const chunks = [...body].map((byte) => `1\r\n${byte}\r\n`).join("");
    const bytes = Buffer.from(
      `${request("POST /echo", "Transfer-Encoding: chunked")}${chunks}0\r\nX-End: yes\r\n\r\n`,
      "latin1",
    );
    for (const byte of bytes) await client.write(Buffer.of(byte));
    const echo = echoOf((await client.readResponse()).body);
    assert.equal(echo.body, body);
    assert.deepEqual(echo.rawTrailers, ["x-end", "yes"]);
    origin.handle("/bytewise", async ({ response }) => {
      assert.ok("stream" in response);
      for (const byte of body)
        await new Promise<void>((sent) => void response.write(Buffer.from(byte, "latin1"), () => sent()));
      response.end();
    });
    assert.equal((await client.exchange(request("GET /bytewise"))).body.toString("latin1"), body);
    void client.write(request("POST /upload", "Content-Length: 3000000"));
    await writePattern(client, 3_000_000);
    const upload = JSON.parse((await client.readResponse()).body.toString()) as { pattern: boolean };
    assert.equal(upload.pattern, true);
    await quiet(proxy);
  });

  test("get interim responses and trailers", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    origin.server.on("checkContinue", (incoming, response) => {
      response.writeContinue();
      incoming.resume();
      incoming.on("end", () => response.end("continued"));
    });
    origin.handle("/hints", ({ response }) => {
      response.writeEarlyHints({ link: "</a>; rel=preload" });
      response.end("hinted");
    });
    const client = await proxy.connect();
    const hinted = await client.exchange(request("GET /hints"));
    assert.equal(hinted.status, 200);
    assert.match(hinted.interim.join(), /^HTTP\/1.1 103 Early Hints\r\n/);
    void client.write(request("POST /continued", "Expect: 100-continue", "Content-Length: 2"));
    assert.match((await client.readUntil("\r\n\r\n")).toString(), /^HTTP\/1.1 100 /);
    const continued = await client.exchange("ab");
    assert.equal(continued.body.toString(), "continued");
    const trailed = await client.exchange(request("GET /trailers"));
    assert.deepEqual(trailed.trailers, [
      ["x-first", "1"],
      ["x-second", "2"],
    ]);
  });

  test("that break off take nothing along", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const other = await proxy.connect();
    void other.write(request("GET /held"));
    await origin.request(0);
    const cut = await proxy.connect();
    void cut.write(request("GET /cut/1000"));
    await cut.closed;
    const dropped = await proxy.connect();
    assert.equal((await dropped.exchange(request("GET /drop"))).status, 502);
    const gone = await proxy.connect();
    void gone.write(request("GET /held"));
    const record = await origin.request(3);
    gone.reset();
    assert.equal(await record.finished, false);
    origin.release();
    assert.equal((await other.readResponse()).body.toString(), "released\n");
    assert.equal(origin.connectionCount, 1);
    await quiet(proxy);
  });
});

describe("many requests to a server that speaks HTTP/2", () => {
  test("share few connections", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all(Array.from({ length: 1000 }, () => proxy.connect()));
    const answers = await Promise.all(
      clients.map((client, i) => client.exchange(request(`GET /bytes/${i}?seed=${i}`))),
    );
    for (const [i, answer] of answers.entries()) assert.deepEqual(answer.body, patternBytes(i, 0, i));
    assert.ok(origin.connectionCount <= 12, `${origin.connectionCount} connections`);
    await quiet(proxy);
  });

  test("aren't held up by one that nobody reads", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const slow = await proxy.connect();
    const size = 64 * 1024 * 1024;
    slow.pause();
    void slow.write(request(`GET /bytes/${size}`));
    const record = await origin.request(0);
    const quick = await proxy.connect();
    for (let i = 0; i < 5; i++) {
      const { body } = await quick.exchange(request("GET /bytes/3000000"));
      assert.equal(body.length, 3_000_000);
    }
    assert.equal(origin.connectionCount, 1);
    slow.resume();
    await slow.readUntil("\r\n\r\n");
    await readPattern(slow, size);
    assert.equal(await record.finished, true);
  });

  test("aren't held up by one whose body the server doesn't take", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    let take = (): void => undefined;
    origin.handle("/later", ({ request: incoming, response }) => {
      take = () => {
        incoming.resume();
        incoming.on("end", () => response.end("taken"));
      };
    });
    const slow = await proxy.connect();
    void slow.write(request("POST /later", "Content-Length: 5000000"));
    let written = 0;
    const sending = (async () => {
      for (; written < 5_000_000; written += 100_000) await slow.write(patternBytes(100_000));
    })();
    await standstill(() => written);
    const quick = await proxy.connect();
    assert.equal((await quick.exchange(request("GET /bytes/100000"))).body.length, 100_000);
    take();
    await sending;
    assert.equal((await slow.readResponse()).body.toString(), "taken");
    assert.equal(origin.connectionCount, 1);
  });

  test("end as they may, and leave nothing behind", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const random = createRandom(7);
    const one = async (): Promise<void> => {
      const client = await proxy.connect();
      const size = random.below(300_000);
      switch (random.below(6)) {
        case 0:
          assert.equal((await client.exchange(request(`GET /bytes/${size}`))).body.length, size);
          break;
        case 1: {
          void client.write(request("POST /upload", `Content-Length: ${size}`));
          await writePattern(client, size);
          const answer = JSON.parse((await client.readResponse()).body.toString()) as { pattern: boolean };
          assert.equal(answer.pattern, true);
          break;
        }
        case 2:
          void client.write(request(`GET /cut/${size + 1}`));
          await client.readToEnd();
          break;
        case 3:
          void client.write(request(`GET /bytes/${size * 10 + 100_000}`));
          await client.readSome();
          client.reset();
          break;
        case 4:
          void client.write(request("POST /upload", `Content-Length: ${size + 1}`));
          await writePattern(client, size);
          client.reset();
          break;
        default:
          assert.equal((await client.exchange(request("GET /drop"))).status, 502);
      }
      client.destroy();
    };
    for (let round = 0; round < 4; round++) await Promise.all(Array.from({ length: 50 }, one));
    await proxy.settled();
    await quiet(proxy);
    assert.ok(origin.connectionCount <= 4, `${origin.connectionCount} connections`);
  });

  test("are finished when the proxy is asked to end", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    void client.write(request("GET /held"));
    await origin.request(0);
    proxy.connector.close();
    origin.release();
    assert.equal((await client.readResponse()).body.toString(), "released\n");
    await until("the connection is closed", () => proxy.connector.open === 0);
  });
});

test("a program's own client shares connections too", async () => {
  await using origin = await startOrigin({ http2: true });
  using client = new HttpClient();
  const target = new HttpPeer(origin.address, peer);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.request(target, { target: `/bytes/${i}` })),
  );
  for (const [i, { body }] of answers.entries()) {
    let size = 0;
    for await (const piece of body) size += piece.length;
    assert.equal(size, i);
  }
  assert.equal(origin.connectionCount, 1);
});
