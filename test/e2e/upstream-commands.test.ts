import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { get } from "./sluice.ts";

/** A balancer over two origins, in two threads, all of it gone at the end. */
class Stage implements AsyncDisposable {
  readonly a: Origin;
  readonly b: Origin;
  readonly balancer: Balancer;

  constructor(a: Origin, b: Origin, balancer: Balancer) {
    this.a = a;
    this.b = b;
    this.balancer = balancer;
  }

  /** What a command prints; it has to succeed. */
  async print(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.balancer.run(...args);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    await this.a[Symbol.asyncDispose]();
    await this.b[Symbol.asyncDispose]();
  }
}

async function startStage(upstream: readonly string[] = [], route: readonly string[] = []): Promise<Stage> {
  await using started = new AsyncDisposableStack();
  const a = started.use(await startOrigin({ name: "a" }));
  const b = started.use(await startOrigin({ name: "b" }));
  const stage = new Stage(
    a,
    b,
    await startBalancer({ threads: 2, servers: [a.address, b.address], upstream, route }),
  );
  started.move();
  return stage;
}

describe("with health checks", () => {
  let stage: Stage;
  before(async () => {
    stage = await startStage(["health_check: { tcp: true, interval: 100ms }"]);
  });
  after(() => stage[Symbol.asyncDispose]());

  test("the status tells what servers do, that one is down and why, and that it came back", async () => {
    const { a, b, balancer } = stage;
    assert.deepEqual(await balancer.shares(20), { a: 10, b: 10 });
    const text = await stage.print("status");
    assert.match(text, /^api: round_robin, 2 of 2 servers up, 0 requests under way\nSTATE /);
    assert.match(text, new RegExp(`^up +${RegExp.escape(a.address)} +\\ds +1 +0 +10 +0 `, "m"));
    assert.match(text, /^Listeners\nNAME .*\n\S+ +20 +0 /m);
    const port = b.port;
    await b[Symbol.asyncDispose]();
    await until("b is down", async () => (await balancer.servers())[1]?.state === "down");
    assert.match(await stage.print("status"), /1 of 2 servers up.*^down .*ECONNREFUSED/ms);
    assert.deepEqual(await balancer.shares(4), { a: 4 });
    await using again = await startOrigin({ name: "again", port });
    await until("b is up", async () => (await balancer.servers())[1]?.state === "up");
    assert.deepEqual(await balancer.shares(4), { a: 2, [again.name]: 2 });
    const [down] = balancer.logged("A server is down");
    assert.match(String(down?.["reason"]), /ECONNREFUSED/);
    assert.equal(balancer.logged("A server is down").length, 1);
    assert.equal(balancer.logged("A server is back").length, 1);
  });

  test("that all servers are gone is logged once and not for every request", async () => {
    const { a, balancer } = stage;
    await a[Symbol.asyncDispose]();
    await balancer.program.line(/None of an upstream's servers is available/);
    assert.deepEqual(await balancer.shares(10), { 502: 10 });
    assert.match(await stage.print("status"), /0 of 2 servers up/);
    assert.equal(balancer.logged("None of an upstream's servers is available").length, 1);
  });
});

test("the status tells what limits have refused, in all threads", async () => {
  await using stage = await startStage([], ["limits: { limit: 5, per: 1m }"]);
  assert.deepEqual(await stage.balancer.shares(8), { a: 3, b: 2, 429: 3 });
  const [limit] = JSON.parse(await stage.print("status", "--json")).limits;
  assert.deepEqual(limit.counts, { allowed: 5, refused: 3, shadowed: 0, errors: 0 });
  assert.match(
    await stage.print("status"),
    /^Limits\nNAME .*\n\S.* sliding_window 5 in 1m00s +5 +3 +0 +0 here$/m,
  );
});

describe("the commands", () => {
  let stage: Stage;
  before(async () => {
    stage = await startStage();
  });
  after(() => stage[Symbol.asyncDispose]());

  test("drain a server: it gets nothing new, and what it has under way ends by itself", async () => {
    const { a, b, balancer } = stage;
    const held = [get(balancer.sluice.port, "/held"), get(balancer.sluice.port, "/held")];
    await Promise.all([a.request(0), b.request(0)]);
    assert.equal(
      await stage.print("upstream", "drain", "api", a.address),
      `Server ${a.address} of api is drained\n`,
    );
    assert.deepEqual(await balancer.shares(6), { b: 6 });
    const [drained] = await balancer.servers();
    assert.deepEqual([drained?.state, drained?.reason, drained?.requests], ["draining", "by order", 1]);
    a.release();
    b.release();
    for (const response of held) assert.equal((await response).status, 200);
    await until("nothing is under way", async () => (await balancer.servers())[0]?.requests === 0);
    await stage.print("upstream", "enable", "api", a.address);
    assert.deepEqual(await balancer.shares(6), { a: 3, b: 3 });
    await stage.print("upstream", "disable", "api", b.address);
    assert.deepEqual(await balancer.shares(4), { a: 4 });
    await stage.print("upstream", "enable", "api", b.address);
  });

  test("change a weight, and the shares at once", async () => {
    const { a, balancer } = stage;
    assert.equal(
      await stage.print("upstream", "weight", "api", a.address, "3"),
      `Server ${a.address} of api has the weight 3\n`,
    );
    const shares = await balancer.shares(40);
    // The round may have begun before, and threads don't begin at the same place in it.
    assert.ok(shares["a"]! >= 28 && shares["a"]! <= 32, JSON.stringify(shares));
    assert.equal((await balancer.servers())[0]?.weight, 3);
  });

  test("print JSON when they are asked to, and lists off a terminal", async () => {
    const { a, b } = stage;
    const { upstreams, limits } = JSON.parse(await stage.print("status", "--json"));
    assert.deepEqual(
      upstreams[0].servers.map(({ address }: { address: string }) => address),
      [a.address, b.address],
    );
    assert.deepEqual(limits, []);
    assert.equal(await stage.print("upstream", "list"), "api\tround_robin\t2\t2\n");
    assert.equal(JSON.parse(await stage.print("upstream", "list", "--json"))[0].name, "api");
    const drained = JSON.parse(await stage.print("upstream", "drain", "--json", "api", a.address));
    assert.deepEqual([drained.address, drained.state], [a.address, "draining"]);
    assert.equal(await stage.print("upstream", "ls"), "api\tround_robin\t1\t2\n");
    await stage.print("upstream", "enable", "api", a.address);
  });

  test("end with the program that reads them", async () => {
    await using watching = await stage.balancer.start("status", "--watch");
    await watching.line(/^api: round_robin, 2 of 2 servers up/);
    watching.closeOutput();
    assert.deepEqual(await watching.exit(), { code: 0, signal: null });
    assert.equal(watching.stderr, "");
  });

  test("say what is wrong, and what was probably meant", async () => {
    const { balancer, a } = stage;
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const wrong = a.address.replace(/.$/, "x");
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [["upstream", "drain", "ap", a.address], /HTTP 404: there is no upstream "ap": did you mean api\?\n$/],
      [
        ["upstream", "drain", "api", wrong],
        new RegExp(`HTTP 404: upstream "api" has no server "${wrong}": did you mean 127`),
      ],
      [
        ["upstream", "weight", "api", a.address, "0"],
        /^0 is no weight: it is a whole number from 1 to 1000\.\n$/,
      ],
      [["upstream", "weight", "api", a.address], /The weight is missing\.\n$/],
      [["upstream", "drain", "api"], /The server's address is missing\.\n$/],
      [
        ["status", "--token", "wrong"],
        /^Failed to ask for the status: HTTP 401: A bearer token is needed\n$/,
      ],
      [
        ["status", "--host", nobody],
        /^Failed to ask for the status: can't reach http:\S+: connection refused \(a running process .*\)\n$/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await balancer.run(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(stderr, message);
    }
  });

  test("have examples in their help", async () => {
    for (const command of ["status", "upstream"])
      assert.match(await stage.print(command, "--help"), /Examples:\n {2}sluice /);
  });

  test("watch, and go on while nobody answers", async () => {
    await using watching = await stage.balancer.start("status", "--watch");
    await watching.line(/^api: round_robin, 2 of 2 servers up/);
    await stage.print("upstream", "disable", "api", stage.a.address);
    await watching.line(/^api: round_robin, 1 of 2 servers up/);
    await stage.balancer.sluice[Symbol.asyncDispose]();
    await watching.line(/^Failed to ask for the status: can't reach /);
    watching.signal("SIGINT");
    await watching.exit();
  });
});
