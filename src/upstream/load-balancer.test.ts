import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { describe, test } from "node:test";
import { patience, until, withDeadline } from "../../test/kit/deadline.ts";
import { startOrigin } from "../../test/kit/origins.ts";
import { ProxyError } from "../base/errors.ts";
import type { Address } from "../net/address.ts";
import type { Discovery, DiscoveryListener } from "./discovery/discovery.ts";
import { BALANCING_POLICIES } from "./group-settings.ts";
import type { GroupEvent, ServerState } from "./group-status.ts";
import { LoadBalancer } from "./load-balancer.ts";
import type { LoadBalancerOptions } from "./load-balancer-options.ts";
import { HttpPeer } from "./peer.ts";
import { type Server, toInit } from "./server.ts";

test("selects servers that a peer can be made of", () => {
  const balancer = new LoadBalancer([
    "1.1.1.1:443",
    { address: "[::1]:80", weight: 2 },
    "unix:/run/app.sock",
  ]);
  const [first, second, third] = balancer.servers;
  assert.deepEqual(new HttpPeer(first!.address).address, { kind: "tcp", host: "1.1.1.1", port: 443 });
  assert.equal(new HttpPeer(second!).key, "[::1]:80");
  assert.equal(new HttpPeer(third!).key, "unix:/run/app.sock");
  assert.ok(balancer.servers.includes(balancer.select()));
});

/** Accepts only what it hasn't before. */
function acceptNew(): (server: Server) => boolean {
  const seen = new Set<Server>();
  return (server) => !seen.has(server) && seen.add(server) === seen;
}

test("looks at other servers while none is accepted", () => {
  const balancer = new LoadBalancer(["a:1", "b:1", "c:1"], { policy: "round_robin" });
  const accept = acceptNew();
  const chosen = [1, 2, 3].map(() => balancer.select(null, 3, accept).address);
  assert.deepEqual(chosen.sort(), ["a:1", "b:1", "c:1"]);
  assert.throws(() => balancer.select(null, 3, accept), { code: "NO_PEER", status: 503 });
});

test("looks at no more servers than it may, each once", () => {
  for (const policy of BALANCING_POLICIES) {
    const balancer = new LoadBalancer(["a:1", "b:1", "c:1", "d:1"], { policy });
    const looked: Server[] = [];
    const refuse = (server: Server): boolean => looked.push(server) === 0;
    assert.throws(() => balancer.select("key", 3, refuse), { code: "NO_PEER" });
    assert.equal(looked.length, 3, policy);
    assert.equal(new Set(looked).size, 3, policy);
    looked.length = 0;
    assert.throws(() => balancer.select("key", 100, refuse), { code: "NO_PEER" });
    assert.equal(new Set(looked).size, 4, policy);
    assert.equal(looked.length, 4, policy);
    assert.throws(() => balancer.select("key", 0), { code: "NO_PEER" });
  }
});

test("refuses groups that can't work", () => {
  assert.throws(() => new LoadBalancer([]), /at least one server/);
  assert.throws(() => new LoadBalancer(["nowhere"]), /expected host:port/);
  for (const weight of [0, 1.5, 1001, Number.NaN]) {
    assert.throws(() => new LoadBalancer([{ address: "a:1", weight }]), /whole number from 1 to 1000/);
  }
  const cases: readonly (readonly [options: LoadBalancerOptions, message: RegExp])[] = [
    [{ policy: "keta" as "ketama" }, /^There is no policy keta: there are round_robin, /],
    [{ healthCheck: { kind: "ping" as "tcp" } }, /^There is no health check ping: there are tcp, /],
    [{ healthCheck: { kind: "tcp", interval: 0 } }, /healthCheck\.interval is a number from 1 to/],
    [{ healthCheck: { kind: "tcp", interval: Number.NaN } }, /interval is a number .*, and not NaN/],
    [{ healthCheck: [{ kind: "tcp", rise: 0 }] }, /healthCheck\.rise is a whole number from 1/],
    [{ outliers: { mostEjected: 50 } }, /outliers\.mostEjected is a number from 0 to 1, and not 50/],
    [{ slowStart: -1 }, /slowStart is a number from 0/],
    [{ panic: 30 }, /panic is a number from 0 to 1/],
    [{ mostServers: 1.5 }, /mostServers is a whole number from 1/],
  ];
  for (const [options, message] of cases)
    assert.throws(() => new LoadBalancer(["a:1"], options), { name: "RangeError", message });
});

/** What happens to a balancer's servers, to be waited for. */
class Story {
  readonly #events = new EventEmitter();

  readonly tell = (event: GroupEvent): void => {
    if (event.kind === "server") this.#events.emit(`${event.address} ${event.to}`);
  };

  async hears(address: string, state: ServerState): Promise<void> {
    const event = once(this.#events, `${address} ${state}`);
    await withDeadline(event, patience, () => `${address} to be ${state}`);
  }
}

function chosen(balancer: LoadBalancer): string[] {
  return [...new Set(Array.from({ length: 20 }, () => balancer.select().address))].sort();
}

const QUICK = { interval: 20, timeout: 1_000, jitter: 0 };

describe("a balancer with checks", () => {
  test("leaves out a server that is gone, and takes it again", async () => {
    await using staying = await startOrigin();
    const leaving = await startOrigin();
    const story = new Story();
    using balancer = new LoadBalancer([staying.address, leaving.address], {
      ...{ healthCheck: { kind: "http", ...QUICK }, onEvent: story.tell },
    });
    const { address, port } = leaving;
    await Promise.all([story.hears(address, "down"), leaving[Symbol.asyncDispose]()]);
    assert.deepEqual(chosen(balancer), [staying.address]);
    assert.match(balancer.status().servers[1]!.reason, /ECONNREFUSED/);
    const back = story.hears(address, "up");
    await using _ = await startOrigin({ port });
    await back;
    assert.deepEqual(chosen(balancer), [staying.address, address].sort());
  });

  test("goes on when whoever hears of it throws", async () => {
    const leaving = await startOrigin();
    const warned = once(process, "warning") as Promise<[Error]>;
    using balancer = new LoadBalancer([leaving.address, "127.0.0.1:1"], {
      ...{ name: "loud", healthCheck: { kind: "http", ...QUICK } },
      onEvent: () => {
        throw new Error("no");
      },
    });
    await leaving[Symbol.asyncDispose]();
    assert.match((await warned)[0].message, /onEvent of the load balancer loud failed: no/);
    await until("both are down", () => balancer.status().servers.every(({ state }) => state === "down"));
  });

  test("asks again where a probe of the program's own never came to an end", async () => {
    const story = new Story();
    const { promise: never } = Promise.withResolvers<boolean>();
    const answers = [never, Promise.resolve(true)];
    using balancer = new LoadBalancer(["a:1"], {
      healthCheck: { probe: () => answers.shift() ?? Promise.resolve(true), ...QUICK, timeout: 30 },
      onEvent: story.tell,
    });
    await story.hears("a:1", "down");
    assert.match(balancer.status().servers[0]!.reason, /no answer within 30 ms/);
    await story.hears("a:1", "up");
  });

  test("asks a probe of the program's own", async () => {
    const story = new Story();
    let answer: () => boolean = () => false;
    const probe = async (address: Address): Promise<boolean> => address.kind === "unix" || answer();
    using balancer = new LoadBalancer(["a:1", "unix:/b"], {
      healthCheck: [{ probe, ...QUICK }],
      onEvent: story.tell,
    });
    await story.hears("a:1", "down");
    assert.deepEqual(chosen(balancer), ["unix:/b"]);
    answer = () => true;
    await story.hears("a:1", "up");
    answer = () => {
      throw new Error("no idea");
    };
    await story.hears("a:1", "down");
    assert.equal(balancer.status().servers[0]!.reason, "no idea");
    balancer.stop();
    assert.deepEqual(chosen(balancer), ["unix:/b"], "what is known stays");
  });

  test("keeps no process alive", () => {
    const program = `
      import { LoadBalancer } from ${JSON.stringify(import.meta.resolve("./load-balancer.ts"))};
      new LoadBalancer(["127.0.0.1:1"], { healthCheck: { kind: "tcp" }, outliers: true, slowStart: 1000 });
      console.log("done");
    `;
    const options = { encoding: "utf8", timeout: 30_000 } as const;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], options);
    assert.deepEqual([stdout, status], ["done\n", 0]);
  });
});

describe("a balancer", () => {
  test("ejects servers that fail, and takes them again when their time is over", async () => {
    const story = new Story();
    using balancer = new LoadBalancer(["a:1", "b:1"], {
      ...{ outliers: { consecutive: 2, ejection: 50 }, onEvent: story.tell },
    });
    const { watcher } = new HttpPeer(balancer.servers[0]!);
    for (const _ of [1, 2]) {
      watcher!.onBegin();
      watcher!.onEnd(new ProxyError("UPSTREAM_CONNECT_REFUSED"), 0);
    }
    assert.deepEqual(chosen(balancer), ["b:1"]);
    assert.equal(balancer.status().servers[0]!.state, "ejected");
    await story.hears("a:1", "up");
    assert.deepEqual(chosen(balancer), ["a:1", "b:1"]);
  });

  test("does what it is told", () => {
    const balancer = new LoadBalancer(["a:1", "b:1", "c:1"]);
    balancer.drain("a:1");
    balancer.disable("b:1");
    assert.deepEqual(chosen(balancer), ["c:1"]);
    balancer.enable("a:1");
    balancer.setWeight("a:1", 999);
    assert.deepEqual(
      balancer.status().servers.map(({ state, weight }) => `${state} ${weight}`),
      ["up 999", "disabled 1", "up 1"],
    );
    balancer.setServers(["d:1", "a:1"]);
    assert.deepEqual(
      balancer.servers.map(({ address }) => address),
      ["d:1", "a:1"],
    );
    assert.throws(() => balancer.setServers(["e:1", "nowhere"]), RangeError);
    assert.deepEqual(
      balancer.servers.map(({ address }) => address),
      ["d:1", "a:1"],
    );
    assert.throws(() => balancer.drain("b:1"), RangeError);
    balancer.setServers([]);
    assert.ok(balancer.isDown);
    assert.throws(() => balancer.select(), { code: "NO_PEER" });
  });

  test("lets requests wait for room", async () => {
    const balancer = new LoadBalancer(["a:1"], {
      ...{ limits: { pending: 1 }, serverLimits: { requests: 1 } },
    });
    const { watcher } = new HttpPeer(await balancer.selectInTime());
    watcher!.onBegin();
    assert.throws(() => balancer.select(), { code: "UPSTREAM_OVERLOADED" });
    const waiting = balancer.selectInTime();
    await assert.rejects(balancer.selectInTime(), { code: "UPSTREAM_OVERLOADED" });
    watcher!.onEnd(null, 0);
    assert.equal((await waiting).address, "a:1");
  });

  test("keeps together what has the same key", () => {
    const servers = Array.from({ length: 20 }, (_, i) => `10.0.0.${i}:80`);
    const byPath = new LoadBalancer(servers, {
      ...{ policy: "ketama", hashBy: ({ path }: { readonly path: string }) => path },
    });
    const byClient = new LoadBalancer(servers, { policy: "maglev" });
    for (let i = 0; i < 50; i++) {
      const path = `/${i}`;
      assert.equal(byPath.select({ path }), byPath.select(path));
      assert.equal(byPath.select(Buffer.from(path)), byPath.select(path));
      assert.equal(byClient.select({ client: { address: path } }), byClient.select(path));
    }
  });

  test("takes the servers that a discovery of the program's own finds", async () => {
    let listener: DiscoveryListener | null = null;
    const discovery: Discovery = {
      async start(heard) {
        listener = heard;
        heard.onServers([toInit("a:1")]);
      },
      stop() {
        listener = null;
      },
    };
    const balancer = new LoadBalancer([], { discovery });
    await balancer.start();
    assert.deepEqual(chosen(balancer), ["a:1"]);
    listener!.onServers([toInit("a:1"), toInit("b:1")]);
    assert.deepEqual(chosen(balancer), ["a:1", "b:1"]);
    balancer.stop();
    assert.equal(listener, null);
    await balancer.start();
    assert.notEqual(listener, null);
  });
});
