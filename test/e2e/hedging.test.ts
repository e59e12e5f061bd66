import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RetryPolicy } from "../../src/proxy/retries.ts";
import { until } from "../kit/deadline.ts";
import { startDeafServer } from "../kit/deaf-server.ts";
import type { RawClient } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import type { RawConnection, RawScript } from "../kit/raw-origin.ts";
import { Cluster, type ClusterOptions, type Member } from "./cluster.ts";
import { answering, ok, request, startProxy } from "./proxy.ts";

const AFTER = 200;

/** Answers when it is told to. */
class Slow {
  readonly requests: RawRequest[] = [];
  #connection: RawConnection | null = null;

  readonly script: RawScript = async (connection) => {
    for (;;) {
      this.requests.push(await connection.readRequest());
      this.#connection = connection;
    }
  };

  answer(text: string): void {
    void this.#connection?.write(text);
  }

  breakOff(): void {
    this.#connection?.reset();
  }
}

function start(
  members: readonly Member[],
  retries: Partial<RetryPolicy> = {},
  options: ClusterOptions = {},
): Promise<Cluster> {
  return Cluster.start(members, { retries: { hedgeAfter: AFTER, ...retries }, ...options });
}

/** Sends a request that the first server doesn't answer, and lets the time of a hedge come. */
async function hedged(cluster: Cluster, first: Slow, text: string = request("GET /")): Promise<RawClient> {
  const client = await cluster.proxy.connect();
  const before = first.requests.length;
  void client.write(text);
  await until("the first server is asked", () => first.requests.length > before);
  cluster.clock.advance(AFTER);
  return client;
}

describe("a hedge", () => {
  test("begins when the time has come, not before, and its answer counts if it is the first", async () => {
    const first = new Slow();
    const second = new Slow();
    const seen: string[] = [];
    await using cluster = await start(
      [first.script, second.script],
      {},
      {
        phases: {
          upstreamRequestFilter: (_, { headers }) => headers.set("X-Copy", "1"),
          upstreamResponseFilter: ({ peer }) => void seen.push(String(peer)),
        },
      },
    );
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await until("the first server is asked", () => first.requests.length === 1);
    cluster.clock.advance(AFTER - 1);
    assert.equal(cluster.watchers[1]?.begun, 0);
    cluster.clock.advance(1);
    await until("the second server is asked", () => second.requests.length === 1);
    assert.deepEqual([cluster.gate.active, cluster.proxy.count("hedges")], [1, 1]);
    second.answer(ok("second"));
    assert.equal((await client.readResponse()).body.toString(), "second");
    assert.deepEqual(cluster.ends, [[null], [null]]);
    assert.deepEqual([cluster.watchers[0]?.statuses, cluster.watchers[1]?.statuses], [[], [200]]);
    assert.deepEqual([cluster.watchers[0]?.vain.length, cluster.watchers[1]?.vain.length], [1, 0]);
    assert.deepEqual(seen, [`127.0.0.1:${cluster.origins[1]?.port}`]);
    assert.equal(second.requests[0]?.header("x-copy"), "1");
    assert.equal(await cluster.origins[0]!.connections[0]!.readToEnd().then((rest) => rest.length), 0);
  });

  test("and the attempt beside it are each made for their own server", async () => {
    const [first, second] = [new Slow(), new Slow()];
    const { promise: isReady, resolve: goOn } = Promise.withResolvers<void>();
    await using cluster = await start(
      [first.script, second.script],
      {},
      {
        phases: {
          connectedToUpstream: ({ tries }) => (tries === 1 ? isReady : undefined),
          upstreamRequestFilter: ({ peer }, { headers }) => headers.set("X-Peer", String(peer)),
        },
      },
    );
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await until("the first server is chosen", () => cluster.watchers[0]?.begun === 1);
    cluster.clock.advance(AFTER);
    await until("the second server is asked", () => second.requests.length === 1);
    goOn();
    await until("the first server is asked", () => first.requests.length === 1);
    for (const [i, { requests }] of [first, second].entries())
      assert.equal(requests[0]?.header("x-peer"), `127.0.0.1:${cluster.origins[i]?.port}`);
    first.answer(ok("first"));
    assert.equal((await client.readResponse()).body.toString(), "first");
  });

  test("is given up when the first server answers after all", async () => {
    const first = new Slow();
    const second = new Slow();
    const peers: string[] = [];
    await using cluster = await start(
      [first.script, second.script],
      {},
      {
        phases: { logging: ({ peer, tries }) => void peers.push(`${peer} ${tries}`) },
      },
    );
    const client = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 1);
    first.answer(ok("first"));
    assert.equal((await client.readResponse()).body.toString(), "first");
    assert.deepEqual(cluster.ends, [[null], [null]]);
    await until("it is logged", () => peers.length === 1);
    assert.deepEqual(peers, [`127.0.0.1:${cluster.origins[0]?.port} 2`]);
  });

  test("goes on alone when the first server fails, and the other way round", async () => {
    const [first, second] = [new Slow(), new Slow()];
    await using cluster = await start([first.script, second.script]);
    const one = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 1);
    first.breakOff();
    await until("the first attempt is over", () => cluster.ends[0]?.length === 1);
    second.answer(ok("second"));
    assert.equal((await one.readResponse()).body.toString(), "second");
    assert.deepEqual(cluster.ends, [["UPSTREAM_RESET"], [null]]);

    const two = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 2);
    second.breakOff();
    await until("the second attempt is over", () => cluster.ends[1]?.length === 2);
    first.answer(ok("first"));
    assert.equal((await two.readResponse()).body.toString(), "first");
    assert.deepEqual(cluster.ends, [
      ["UPSTREAM_RESET", null],
      [null, "UPSTREAM_RESET"],
    ]);
  });

  test("that fails behind a first attempt that failed is followed by another one, if the policy says so", async () => {
    for (const [onReset, status] of [
      [true, 200],
      [false, 502],
    ] as const) {
      const [first, second] = [new Slow(), new Slow()];
      await using cluster = await start([first.script, second.script, answering(ok())], { onReset });
      const client = await hedged(cluster, first);
      await until("the second server is asked", () => second.requests.length === 1);
      first.breakOff();
      await until("the first attempt is over", () => cluster.ends[0]?.length === 1);
      second.breakOff();
      assert.equal((await client.readResponse()).status, status);
    }
  });

  test("wins over a server that is never connected to, and may itself find nobody", async () => {
    await using deaf = await startDeafServer();
    const second = new Slow();
    await using cluster = await start(
      ["nobody", second.script],
      {},
      {
        phases: {
          upstreamPeer: ({ tries }) =>
            cluster.watchers[tries - 1]!.peer(tries === 1 ? deaf.port : (cluster.origins[1]?.port ?? 0)),
        },
      },
    );
    const client = await cluster.proxy.connect();
    void client.write(request("GET /"));
    await until("the first one is tried", () => cluster.watchers[0]?.active === 1);
    cluster.clock.advance(AFTER);
    await until("the second server is asked", () => second.requests.length === 1);
    second.answer(ok("second"));
    assert.equal((await client.readResponse()).body.toString(), "second");

    const first = new Slow();
    await using lonely = await start([first.script, "nobody"]);
    const other = await hedged(lonely, first);
    await until("nobody is found", () => lonely.ends[1]?.length === 1);
    first.answer(ok("first"));
    assert.equal((await other.readResponse()).body.toString(), "first");
    assert.deepEqual(lonely.ends, [[null], ["UPSTREAM_CONNECT_REFUSED"]]);
  });

  test("is sent the whole body, once that is there and may be repeated", async () => {
    const [first, second] = [new Slow(), new Slow()];
    await using cluster = await start([first.script, second.script]);
    const text = request("PUT /", "Transfer-Encoding: chunked");
    const client = await hedged(cluster, first, `${text}5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n`);
    await until("the second server is asked", () => second.requests.length === 1);
    second.answer(ok("second"));
    assert.equal((await client.readResponse()).body.toString(), "second");
    assert.equal(second.requests[0]?.body.toString(), "hello");
  });

  test("isn't for requests that may not be repeated, nor where the gate or the number of attempts forbid it", async () => {
    const whole = `${request("POST /", "Content-Length: 5")}hello`;
    const upgrade = request("GET /", "Connection: upgrade", "Upgrade: echo");
    for (const [text, most, maxTries] of [
      [whole, 9, 9],
      [upgrade, 9, 9],
      [request("GET /"), 0, 9],
      [request("GET /"), 9, 1],
    ] as const) {
      const first = new Slow();
      await using cluster = await start([first.script, answering(ok())], { maxTries });
      cluster.gate.most = most;
      const client = await hedged(cluster, first, text);
      cluster.clock.advance(10 * AFTER);
      first.answer(ok("first"));
      assert.equal((await client.readResponse()).body.toString(), "first");
      assert.deepEqual([cluster.watchers[1]?.begun, cluster.proxy.count("hedges")], [0, 0]);
    }
  });

  test("isn't sent to the server that is asked already", async () => {
    const first = new Slow();
    await using proxy = await startProxy({ origin: first.script, retries: { hedgeAfter: 1 } });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await until("its time has come", () => proxy.count("hedges") === 1);
    await until("the server is asked", () => first.requests.length === 1);
    first.answer(ok());
    assert.equal((await client.readResponse()).status, 200);
    assert.equal(proxy.origin.connections.length, 1);
  });

  test("doesn't win by a response that the policy doesn't want, unless there is no other", async () => {
    const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
    const onStatus = [{ first: 503, last: 503 }];
    const [first, second] = [new Slow(), new Slow()];
    await using cluster = await start([first.script, second.script], { onStatus, maxTries: 2 });
    const one = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 1);
    second.answer(busy);
    await until("the second attempt is over", () => cluster.ends[1]?.length === 1);
    first.answer(ok("first"));
    assert.equal((await one.readResponse()).body.toString(), "first");

    const two = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 2);
    first.answer(busy);
    await until("the first attempt is over", () => cluster.ends[0]?.length === 2);
    second.answer(busy);
    assert.equal((await two.readResponse()).body.toString(), "busy");
  });

  test("that has no server yet doesn't stand in the way of another attempt", async () => {
    const first = new Slow();
    const never = new Promise<never>(() => undefined);
    await using cluster = await start(
      [first.script, answering(ok("next"))],
      { onReset: true },
      {
        phases: {
          upstreamPeer: ({ tries }) => {
            if (tries === 2) return never;
            const at = tries === 1 ? 0 : 1;
            return cluster.watchers[at]!.peer(cluster.origins[at]?.port ?? 0);
          },
        },
      },
    );
    cluster.gate.most = 1;
    const client = await hedged(cluster, first);
    assert.equal(cluster.gate.active, 1);
    first.breakOff();
    assert.equal((await client.readResponse()).body.toString(), "next");
    assert.deepEqual([cluster.gate.entered, cluster.gate.refused], [2, 0]);
  });

  test("ends with the session", async () => {
    const [first, second] = [new Slow(), new Slow()];
    await using cluster = await start([first.script, second.script]);
    const client = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 1);
    client.reset();
    await cluster.proxy.settled();
    assert.deepEqual(cluster.ends, [["DOWNSTREAM_CLOSED"], [null]]);
  });

  test("may take no longer alone than one attempt may", async () => {
    const [first, second] = [new Slow(), new Slow()];
    await using cluster = await start([first.script, second.script], { tryTimeout: 1_000 });
    const client = await hedged(cluster, first);
    await until("the second server is asked", () => second.requests.length === 1);
    cluster.clock.advance(1_000);
    assert.deepEqual(cluster.ends, [["UPSTREAM_FIRST_BYTE_TIMEOUT"], []]);
    cluster.clock.advance(1_000);
    assert.equal((await client.readResponse()).status, 504);
    assert.deepEqual(cluster.ends, Array(2).fill(["UPSTREAM_FIRST_BYTE_TIMEOUT"]));
  });

  test("ends when a phase before it fails, and the first attempt goes on", async () => {
    for (const phase of ["upstreamPeer", "connectedToUpstream", "upstreamRequestFilter"] as const) {
      const first = new Slow();
      await using cluster = await start(
        [first.script, answering(ok())],
        {},
        {
          phases: {
            ...(phase === "upstreamPeer" && {
              upstreamPeer: ({ tries }) => {
                if (tries > 1) throw new Error("there is no other");
                return cluster.watchers[0]!.peer(cluster.origins[0]?.port ?? 0);
              },
            }),
            ...(phase !== "upstreamPeer" && {
              [phase]: async ({ tries }: { tries: number }) => {
                if (tries > 1) throw new Error("no further");
              },
            }),
          },
        },
      );
      const client = await hedged(cluster, first);
      await until("it is given up", () => cluster.gate.active === 0);
      first.answer(ok("first"));
      assert.equal((await client.readResponse()).body.toString(), "first");
      assert.deepEqual(cluster.proxy.reported, []);
    }
  });
});
