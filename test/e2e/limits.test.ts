import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_HEAD_LIMITS } from "../../src/http1/head-limits.ts";
import { until } from "../kit/deadline.ts";
import type { RawClient } from "../kit/raw-client.ts";
import { answering, isWell, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/** A connection that was let in gets answers. */
async function assertServed(client: RawClient): Promise<void> {
  assert.equal((await client.exchange(request("GET /"))).status, 200);
}

/** A connection over a limit is closed without a word. */
async function assertTurnedAway(client: RawClient): Promise<void> {
  assert.notEqual(await client.closed, "here");
  assert.equal(client.unread.length, 0);
}

function leave(proxy: ProxyUnderTest, client: RawClient, left: number): Promise<unknown> {
  client.destroy();
  return until("it is gone", () => proxy.count("connectionsOpen") === left);
}

describe("connections", () => {
  test("are as many as a listener may have", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), maxConnections: 2 });
    const clients = [await proxy.connect(), await proxy.connect()];
    for (const client of clients) await assertServed(client);
    await assertTurnedAway(await proxy.connect());
    await assertTurnedAway(await proxy.connect());
    for (const client of clients) await assertServed(client);
    await leave(proxy, clients[0]!, 1);
    await assertServed(await proxy.connect());
    assert.equal(proxy.count("connectionsRefused"), 2);
    assert.equal(proxy.count("connectionsAccepted"), 5);
  });

  test("are as many as a client may have", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), maxConnectionsPerClient: 2 });
    const connect = (localAddress: string): Promise<RawClient> => proxy.connect({ localAddress });
    const clients = [await connect("127.0.0.1"), await connect("127.0.0.1")];
    for (const client of clients) await assertServed(client);
    await assertTurnedAway(await connect("127.0.0.1"));
    const other = await connect("127.0.0.2");
    await assertServed(other);
    await leave(proxy, clients[1]!, 2);
    await assertServed(await connect("127.0.0.1"));
    await assertTurnedAway(await connect("127.0.0.1"));
    await leave(proxy, other, 2);
    for (let i = 0; i < 2; i++) await assertServed(await connect("127.0.0.2"));
  });

  test("are counted for each listener", async () => {
    const listen = ["127.0.0.1:0", "127.0.0.1:0"];
    await using proxy = await startProxy({ origin: answering(ok()), maxConnections: 1, listen });
    await assertServed(await proxy.connect());
    await assertTurnedAway(await proxy.connect());
    await assertServed(await proxy.connect({ port: proxy.portOf(1) }));
  });

  test("are a filter's to let in", async () => {
    const seen: string[] = [];
    await using proxy = await startProxy({
      origin: answering(ok()),
      listen: ["[::]:0"],
      connectionFilter: (address) => {
        seen.push(address);
        return address !== "127.0.0.2";
      },
    });
    await assertServed(await proxy.connect());
    await assertTurnedAway(await proxy.connect({ localAddress: "127.0.0.2" }));
    assert.deepEqual(seen, ["127.0.0.1", "127.0.0.2"]);
  });

  test("aren't let in by a filter that throws, and the proxy goes on", async () => {
    let throws = true;
    await using proxy = await startProxy({
      origin: answering(ok()),
      connectionFilter: () => {
        if (throws) throw new Error("broken");
        return true;
      },
    });
    await assertTurnedAway(await proxy.connect());
    throws = false;
    await assertServed(await proxy.connect());
    const [reported] = proxy.reported;
    assert.deepEqual([reported?.error.code, reported?.summary], ["FILTER_FAILED", `127.0.0.1:${proxy.port}`]);
  });

  test("carry as many requests as they may", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), settings: { requestsPerConnection: 3 } });
    const client = await proxy.connect();
    void client.write(request("GET /").repeat(5));
    const connection: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) connection.push((await client.readResponse()).header("connection"));
    assert.deepEqual(connection, [undefined, undefined, "close"]);
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(proxy.count("requests"), 3);
  });
});

describe("bodies", () => {
  const settings = { bodyBytes: 1000 };

  test("of a length over the limit never see a server", async () => {
    await using proxy = await startProxy({ origin: answering(ok("GET /well ")), settings });
    for (const expect of [[], ["Expect: 100-continue"]]) {
      const client = await proxy.connect();
      const response = await client.exchange(request("POST /", "Content-Length: 1001", ...expect));
      assert.deepEqual([response.status, response.header("connection")], [413, "close"]);
      assert.deepEqual(response.interim, []);
      assert.equal((await client.readToEnd()).length, 0);
      client.destroy();
    }
    assert.equal(proxy.origin.connections.length, 0);
    await isWell(proxy);
    await proxy.settled();
  });

  test("in chunks are counted", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        for (;;) {
          await connection.readRequest();
          void connection.write(ok());
        }
      },
      settings,
    });
    const client = await proxy.connect();
    const chunks = (count: number): string => `64\r\n${"x".repeat(100)}\r\n`.repeat(count);
    const head = request("POST /", "Transfer-Encoding: chunked");
    assert.equal((await client.exchange(`${head}${chunks(10)}0\r\n\r\n`)).status, 200);
    const response = await client.exchange(`${head}${chunks(10)}1\r\nx\r\n0\r\n\r\n`);
    assert.deepEqual([response.status, response.header("connection")], [413, "close"]);
    client.destroy();
    assert.match(String(await proxy.origin.outcome(0)), /reset|end/);
    assert.equal(proxy.reported[0]?.error.code, "DOWNSTREAM_BODY_TOO_LARGE");
  });

  test("at the limit are taken", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), settings });
    const client = await proxy.connect();
    const text = request("POST /", "Content-Length: 1000") + "x".repeat(1000);
    for (let i = 0; i < 3; i++) assert.equal((await client.exchange(text)).status, 200);
  });
});

describe("heads", () => {
  const { requestLine, bytes, fields } = DEFAULT_HEAD_LIMITS;

  async function statusOf(text: string, pieces: readonly number[] = []): Promise<number> {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const client = await proxy.connect();
    void client.writePieces(text, pieces).catch(() => undefined);
    const { status } = await client.readResponse();
    if (status !== 200) assert.equal((await client.readToEnd()).length, 0);
    return status;
  }

  function manyFields(count: number): string {
    return request("GET /", ...Array.from({ length: count - 1 }, (_, i) => `X-${i}: y`));
  }

  test("with too long a line are a 414", async () => {
    const line = (length: number): string => `GET /${"x".repeat(length - "GET / HTTP/1.1".length)}`;
    assert.equal(await statusOf(request(line(requestLine - 20))), 200);
    for (const cuts of [[], [10_000], [5, 16_300, 17_000]]) {
      assert.equal(await statusOf(request(line(requestLine + 2000)), cuts), 414);
    }
    // Without an end in sight, too.
    assert.equal(await statusOf(`GET /${"x".repeat(100_000)}`), 414);
  });

  test("with too many bytes are a 431", async () => {
    const field = (length: number): string => `X: ${"y".repeat(length)}`;
    assert.equal(await statusOf(request("GET /", field(bytes - 200))), 200);
    for (const cuts of [[], [10_000], [5, 16_300, 65_000]]) {
      assert.equal(await statusOf(request("GET /", field(bytes)), cuts), 431);
    }
    assert.equal(await statusOf(`GET / HTTP/1.1\r\n${field(200_000)}`), 431);
  });

  test("with too many fields are a 431", async () => {
    assert.equal(await statusOf(manyFields(fields)), 200);
    assert.equal(await statusOf(manyFields(fields + 1)), 431);
  });

  test("have the limits that they are given", async () => {
    const head = { requestLine: 100, bytes: 300, fields: 3 };
    await using proxy = await startProxy({ origin: answering(ok()), settings: { head } });
    const texts: readonly (readonly [status: number, text: string])[] = [
      [200, request("GET /", "A: b", "C: d")],
      [414, request(`GET /${"x".repeat(100)}`)],
      [431, request("GET /", `A: ${"b".repeat(300)}`)],
      [431, request("GET /", "A: b", "C: d", "E: f")],
    ];
    for (const [status, text] of texts) {
      const client = await proxy.connect();
      assert.equal((await client.exchange(text)).status, status);
    }
    assert.equal(proxy.count("requestsRefused"), 3);
    assert.equal(proxy.count("responses4xx"), 3);
  });

  test("of responses have limits too", async () => {
    await using proxy = await startProxy({
      origin: answering(({ target }) => ok("", `X: ${"y".repeat(Number(target.slice(1)))}`)),
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request(`GET /${bytes - 200}`))).status, 200);
    assert.equal((await client.exchange(request(`GET /${bytes}`))).status, 502);
  });
});
