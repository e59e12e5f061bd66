import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startFaulty } from "./faulty-proxy.ts";
import { request, standstill } from "./proxy.ts";

describe("a delay", () => {
  test("lets a request wait, and the server with it", async () => {
    await using faulty = await startFaulty("{ delay: 200ms }");
    const { proxy, origin, clock } = faulty;
    const client = await proxy.connect();
    const answer = client.exchange(request("GET /"));
    await faulty.underWay(1);
    clock.advance(199);
    assert.equal(origin.requests.length, 0);
    clock.advance(1);
    assert.equal((await answer).status, 200);
  });

  test("differs by its jitter", async () => {
    await using faulty = await startFaulty("{ delay: 100ms, jitter: 50ms }");
    const { proxy, clock } = faulty;
    const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.connect()));
    const answers = clients.map((client) => client.exchange(request("GET /")));
    await faulty.underWay(clients.length);
    clock.advance(49);
    assert.equal(proxy.count("requestsActive"), clients.length);
    clock.advance(51);
    await standstill(() => clients.length + 1 - proxy.count("requestsActive"));
    const early = clients.length - proxy.count("requestsActive");
    assert.ok(early > 0 && early < clients.length, `${early} after 100 ms`);
    clock.advance(50);
    for (const answer of answers) assert.equal((await answer).status, 200);
  });

  test("adds to others, and comes before an abort", async () => {
    await using faulty = await startFaulty("{ delay: 100ms }, { delay: 100ms, abort: 503 }");
    const client = await faulty.proxy.connect();
    const answer = client.exchange(request("GET /"));
    await faulty.underWay(1);
    faulty.clock.advance(199);
    assert.equal(client.unread.length, 0);
    faulty.clock.advance(1);
    assert.equal((await answer).status, 503);
    assert.equal(faulty.origin.requests.length, 0);
  });

  test("is over with its client", async () => {
    await using faulty = await startFaulty("{ delay: 1h }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /"));
    await faulty.underWay(1);
    client.reset();
    await faulty.proxy.settled();
    faulty.clock.advance(3_600_000);
    await faulty.proxy.settled();
    assert.equal(faulty.origin.requests.length, 0);
  });
});

describe("an abort", () => {
  test("answers in place of the server, and the connection goes on", async () => {
    await using faulty = await startFaulty(
      "{ first: 1, abort: { status: 429, headers: { Retry-After: 5 }, body: slowly } }",
    );
    const client = await faulty.proxy.connect();
    const refused = await client.exchange(request("GET /"));
    assert.deepEqual(
      [refused.status, refused.header("retry-after"), refused.body.toString()],
      [429, "5", "slowly"],
    );
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal(faulty.origin.requests.length, 1);
  });

  test("takes a body that nobody wants", async () => {
    await using faulty = await startFaulty("{ abort: 503 }");
    const client = await faulty.proxy.connect();
    const upload = `${request("POST /", "Content-Length: 10000")}${"x".repeat(10_000)}`;
    for (let i = 0; i < 2; i++) assert.equal((await client.exchange(upload)).status, 503);
  });

  test("happens to routes that answer themselves too", async () => {
    await using faulty = await startFaulty("{ every: 2, abort: 503 }", "respond: hello");
    const client = await faulty.proxy.connect();
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await client.exchange(request("GET /"))).status);
    assert.deepEqual(statuses, [200, 503, 200, 503]);
  });
});

describe("a reset", () => {
  test("is a real one", async () => {
    await using faulty = await startFaulty("{ reset: true }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /"));
    assert.equal(await client.closed, "reset");
    assert.equal(client.unread.length, 0);
    await faulty.proxy.settled();
    assert.equal(faulty.origin.requests.length, 0);
  });

  test("comes after a delay, and after good responses on the same connection", async () => {
    await using faulty = await startFaulty("{ every: 2, delay: 1s, reset: true }");
    const client = await faulty.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    void client.write(request("GET /"));
    await faulty.underWay(1);
    faulty.clock.advance(1_000);
    assert.equal(await client.closed, "reset");
  });

  test("is told to nobody as an error of the proxy", async () => {
    await using faulty = await startFaulty("{ reset: true }");
    const client = await faulty.proxy.connect();
    void client.write(request("GET /path"));
    await client.closed;
    await faulty.proxy.settled();
    assert.deepEqual(
      faulty.proxy.reported.map(({ error }) => [error.code, error.source]),
      [["FAULT_INJECTED", "downstream"]],
    );
  });
});

test("what is switched off strikes no more", async () => {
  await using faulty = await startFaulty("{ name: down, abort: 503 }");
  const client = await faulty.proxy.connect();
  const statusOf = async (): Promise<number> => (await client.exchange(request("GET /"))).status;
  assert.equal(await statusOf(), 503);
  faulty.faults.setEnabled("down", false);
  assert.equal(await statusOf(), 200);
  faulty.faults.setEnabled("down", true);
  assert.equal(await statusOf(), 503);
});
