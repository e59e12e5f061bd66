import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import type { RawClient } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import { type Composed, type ComposedOptions, originOf, startComposed } from "./composed.ts";
import { request } from "./proxy.ts";

/* How much may be under way to a group of servers, what waits for room, and what is repeated. */

interface Member {
  readonly address: string;
}

function startGroup(
  servers: readonly Member[],
  upstream: string,
  options: ComposedOptions = {},
): Promise<Composed> {
  const text = `
listeners: [{ bind: "127.0.0.1:0", upstream: pool }]
upstreams:
  pool:
    servers: ${JSON.stringify(servers.map(({ address }) => address))}
    ${upstream}
`;
  return startComposed(text, options);
}

/** A request on a connection of its own, on its way. */
class Sent {
  readonly client: RawClient;
  readonly response: Promise<RawResponse>;

  private constructor(client: RawClient, line: string) {
    this.client = client;
    this.response = client.exchange(request(line));
    // A client that leaves hears nothing.
    this.response.catch(() => undefined);
  }

  static async to(balancer: Composed, line = "GET /held"): Promise<Sent> {
    return new Sent(await balancer.connect(), line);
  }

  get status(): Promise<number> {
    return this.response.then(({ status }) => status);
  }
}

async function whenPending(balancer: Composed, pending: number): Promise<void> {
  await until(`${pending} wait`, () => balancer.group("pool").pending === pending);
}

/** Lets all be answered, however many come one after the other. */
async function releaseAll(origins: readonly Origin[], sent: readonly Sent[]): Promise<number[]> {
  let isOver = false;
  const statuses = Promise.all(sent.map(({ status }) => status)).finally(() => {
    isOver = true;
  });
  await until("all are answered", () => {
    for (const origin of origins) origin.release();
    return isOver;
  });
  return statuses;
}

describe("requests that find no room", () => {
  for (const threads of [0, 2]) {
    test(`wait, and are answered in turn, ${threads === 0 ? "in the main thread" : `in ${threads} threads`}`, async () => {
      await using a = await startOrigin({ name: "a" });
      await using b = await startOrigin({ name: "b" });
      const limits = "limits: { pending: 20, per_server: { requests: 1 } }";
      await using balancer = await startGroup([a, b], limits, { threads });
      const sent: Sent[] = [];
      for (let i = 0; i < 12; i++) sent.push(await Sent.to(balancer));
      await whenPending(balancer, 10);
      assert.equal(a.requests.length + b.requests.length, 2);
      const statuses = await releaseAll([a, b], sent);
      assert.deepEqual(statuses, Array(12).fill(200));
      assert.equal(balancer.group("pool").pending, 0);
    });
  }

  test("aren't passed by those of a client that sends one after the other", async () => {
    await using origin = await startOrigin();
    await using balancer = await startGroup(
      [origin],
      "limits: { requests: 1, pending: 20, pending_timeout: 1m }",
    );
    const busy = await Sent.to(balancer);
    await origin.request(0);
    const waiting = await Sent.to(balancer, "GET /?waits");
    await whenPending(balancer, 1);
    void busy.client.write(request("GET /?next").repeat(40));
    origin.release();
    assert.equal((await busy.response).status, 200);
    assert.equal(await waiting.status, 200);
    const place = origin.requests.findIndex(({ url }) => url === "/?waits");
    for (let i = 0; i < 40; i++) assert.equal((await busy.client.readResponse()).status, 200);
    assert.ok(place <= 2, `it came as number ${place}`);
  });

  test("are refused after a while, or when too many wait", async () => {
    await using origin = await startOrigin();
    const limits = "limits: { requests: 1, pending: 2, pending_timeout: 200ms }";
    await using balancer = await startGroup([origin], limits);
    const busy = await Sent.to(balancer);
    await origin.request(0);
    const waiting = [await Sent.to(balancer), await Sent.to(balancer)];
    await whenPending(balancer, 2);
    assert.equal((await balancer.get()).status, 503);
    for (const { status } of waiting) assert.equal(await status, 503);
    assert.equal(balancer.group("pool").pending, 0);
    origin.release();
    assert.equal(await busy.status, 200);
    assert.equal(origin.requests.length, 1);
  });

  test("leave nothing behind when their clients go", async () => {
    await using origin = await startOrigin();
    await using balancer = await startGroup([origin], "limits: { requests: 1, pending: 9 }");
    const busy = await Sent.to(balancer);
    await origin.request(0);
    const leaves = [await Sent.to(balancer), await Sent.to(balancer, "POST /held")];
    const stays = await Sent.to(balancer, "GET /?stays");
    await whenPending(balancer, 3);
    for (const { client } of leaves) client.reset();
    await whenPending(balancer, 1);
    origin.release();
    assert.deepEqual([await busy.status, await stays.status], [200, 200]);
    assert.deepEqual(
      origin.requests.map(({ url }) => url),
      ["/held", "/?stays"],
    );
    assert.equal((await balancer.get()).status, 200);
  });

  test("keep their bodies until there is room", async () => {
    await using origin = await startOrigin();
    await using balancer = await startGroup([origin], "limits: { requests: 1, pending: 9 }");
    const busy = await Sent.to(balancer);
    await origin.request(0);
    const client = await balancer.connect();
    void client.write(`${request("POST /echo", "Content-Length: 200000")}${"x".repeat(200_000)}`);
    await whenPending(balancer, 1);
    origin.release();
    assert.equal(await busy.status, 200);
    const answer = JSON.parse((await client.readResponse()).body.toString()) as { body: string };
    assert.equal(answer.body.length, 200_000);
  });

  test("go at once to a server that is there again", async () => {
    await using a = await startOrigin({ name: "a" });
    await using b = await startOrigin({ name: "b" });
    await using balancer = await startGroup([a, b], "limits: { pending: 9, per_server: { requests: 1 } }");
    balancer.running.upstreams.order("pool", b.address, "disabled");
    const sent = [await Sent.to(balancer)];
    await a.request(0);
    sent.push(await Sent.to(balancer));
    await whenPending(balancer, 1);
    balancer.running.upstreams.order("pool", b.address, "enabled");
    await b.request(0);
    assert.deepEqual(await releaseAll([a, b], sent), [200, 200]);
  });
});

describe("what may be under way at once", () => {
  for (const [limits, most, threads] of [
    ["{ requests: 3 }", 3, 0],
    ["{ requests: 3 }", 3, 2],
    ["{ connections: 3 }", 3, 0],
    ["{ per_server: { requests: 2 } }", 4, 0],
    ["{ per_server: { requests: 2 } }", 4, 2],
    ["{ per_server: { connections: 1 } }", 2, 0],
  ] as const) {
    test(`is refused beyond ${limits}, with ${threads} threads`, async () => {
      await using a = await startOrigin({ name: "a" });
      await using b = await startOrigin({ name: "b" });
      await using balancer = await startGroup([a, b], `limits: ${limits}`, { threads });
      const sent: Sent[] = [];
      for (let i = 0; i < most; i++) sent.push(await Sent.to(balancer));
      await until("they are under way", () => a.requests.length + b.requests.length === most);
      for (let i = 0; i < 4; i++) assert.equal((await balancer.get()).status, 503);
      assert.deepEqual(await releaseAll([a, b], sent), Array(most).fill(200));
      assert.equal((await balancer.get()).status, 200);
    });
  }

  test("counts a tunnel as a connection until it closes", async () => {
    const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    await using origin = await startRawOrigin([{ read: "head" }, { send: upgraded }]);
    await using balancer = await startGroup([origin], "limits: { connections: 1 }");
    const client = await balancer.connect();
    void client.write(request("GET /", "Connection: Upgrade", "Upgrade: echo"));
    assert.match(await client.readHead(), / 101 /);
    assert.equal((await balancer.get()).status, 503);
    assert.equal(balancer.group("pool").connections, 1);
    client.reset();
    await balancer.settled();
  });
});

describe("requests that are repeated", () => {
  function refuse(origin: Origin, path: string): void {
    origin.handle(path, ({ response }) => {
      response.statusCode = 503;
      response.end("");
    });
  }

  test("go to another server when they fail, are slow, or get a status that isn't wanted", async () => {
    const unavailable = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for (const [script, retry] of [
      [[{ read: "request" }, { close: "reset" }], "{ on: reset }"],
      [[{ read: "request" }], "{ on: timeout, try_timeout: 100ms }"],
      [[{ read: "request" }, { send: unavailable }], "{ on: 503 }"],
    ] as const satisfies readonly (readonly [RawScript, string])[]) {
      await using bad = await startRawOrigin(script);
      await using good = await startOrigin({ name: "good" });
      await using balancer = await startGroup([bad, good], `retry: ${retry}`);
      assert.equal(await balancer.whoAnswers(), "good");
      assert.equal(balancer.server("pool", bad.address).counts.requests, 1);
      assert.equal(balancer.running.counters.retries, 1);
    }
  });

  test("are so no more often than there are servers, unless there is a pause", async () => {
    for (const [retry, asked] of [
      ["{ attempts: 7, on: 503 }", 2],
      ["{ attempts: 7, on: 503, backoff: 1ms }", 7],
    ] as const) {
      await using a = await startOrigin({ name: "a" });
      await using b = await startOrigin({ name: "b" });
      await using balancer = await startGroup([a, b], `retry: ${retry}`);
      const response = await balancer.get("/status/503");
      assert.deepEqual([response.status, response.body.toString()], [503, "503\n"]);
      assert.equal(a.requests.length + b.requests.length, asked);
      assert.ok(Math.abs(a.requests.length - b.requests.length) <= 1, "a server was asked twice in a row");
    }
  });

  test("are so only as long as the group allows it", async () => {
    await using bad = await startOrigin({ name: "bad" });
    await using good = await startOrigin({ name: "good" });
    refuse(bad, "/held");
    await using balancer = await startGroup([bad, good], "retry: { on: 503 }\n    limits: { retries: 1 }");
    const repeated = await Sent.to(balancer);
    await good.request(0);
    assert.equal(balancer.group("pool").retries, 1);
    assert.equal(originOf(await balancer.get("/held")), "bad");
    good.release();
    assert.equal(originOf(await repeated.response), "good");
    assert.equal(balancer.running.counters.retryRefusals, 1);
    const again = await Sent.to(balancer);
    await good.request(1);
    assert.deepEqual(await releaseAll([good], [again]), [200]);
  });

  test("are so for no more than a share of the requests", async () => {
    await using bad = await startOrigin({ name: "bad" });
    await using good = await startOrigin({ name: "good" });
    refuse(bad, "/busy");
    const retry = "retry: { on: 503, budget: { share: 50%, minimum: 0 } }";
    await using balancer = await startGroup([bad, good], retry);
    assert.equal((await balancer.get("/busy")).status, 503);
    const held = [await Sent.to(balancer), await Sent.to(balancer)];
    await until("two are under way", () => balancer.group("pool").requests === 2);
    const repeated = [(await balancer.get("/busy")).status, (await balancer.get("/busy")).status];
    assert.deepEqual(repeated, [404, 404]);
    assert.deepEqual(await releaseAll([bad, good], held), [200, 200]);
  });
});
