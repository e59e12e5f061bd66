import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { visitSecurely } from "../kit/tls-client.ts";
import { type Composed, startComposed } from "./composed.ts";
import { get } from "./sluice.ts";

const THREADS = [0, 2];

function portOf(composed: Composed, name: string): number {
  return Number(composed.running.steering.get(name).listen.split(":").at(-1));
}

for (const threads of THREADS) {
  describe(`through reloads, with ${threads} threads`, () => {
    test("servers that are down stay so, orders hold, and requests only go where they should", async () => {
      await using one = await startOrigin({ name: "one" });
      await using two = await startOrigin({ name: "two" });
      await using three = await startOrigin({ name: "three" });
      for (const origin of [one, three]) origin.handle("/health", ({ response }) => void response.end());
      two.handle("/health", ({ response }) => {
        response.statusCode = 500;
        response.end();
      });
      const config = (balance: string, more = ""): string => `
upstreams:
  api:
    balance: ${balance}
    servers: [${one.address}, ${two.address}, ${three.address}]
    health_check: { http: /health, interval: 100ms, timeout: 5s }
    ${more}
listeners: [{ name: web, bind: 127.0.0.1:0, routes: [{ upstream: api }] }]`;
      await using balancer = await startComposed(config("round_robin"), { threads });
      await until("it is down", () => balancer.server("api", two.address).state === "down");
      balancer.running.upstreams.order("api", three.address, "draining");
      balancer.running.upstreams.setWeight("api", one.address, 7);
      const waiting = await balancer.connect();
      let answers: Record<string, number> = {};
      for (const [balance, more] of [
        ["random", ""],
        ["least_connections", "limits: { requests: 50 }"],
        ["round_robin", ""],
      ] as const) {
        const report = balancer.reload(config(balance, more));
        const during = await balancer.shares(5);
        assert.equal((await report).kind, "swap");
        answers = await balancer.shares(10);
        assert.deepEqual([during, answers], [{ one: 5 }, { one: 10 }]);
      }
      // A connection that began before the first of them.
      const { status } = await waiting.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      assert.equal(status, 200);
      assert.deepEqual(
        balancer.group("api").servers.map(({ state, weight }) => [state, weight]),
        [
          ["up", 7],
          ["down", 1],
          ["draining", 1],
        ],
      );
      // Where a group moves to other memory, what ends just then is counted in the memory that it has left.
      const { requests } = balancer.server("api", one.address).counts;
      assert.ok(requests >= 40 && requests <= 46, `${requests} are counted`);
      two.handle("/health", ({ response }) => void response.end());
      await until("it is up again", () => balancer.server("api", two.address).state === "up");
    });

    test("limits count on, and faults that were laid on stay", async () => {
      await using origin = await startOrigin();
      const config = (limit: number, more = ""): string => `
limits: { few: { limit: ${limit}, per: 1h, algorithm: fixed_window, by: all } }
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - { match: { path: /few }, limits: few, respond: 200 }
      - { match: { path: /first }, faults: [{ name: f, first: 2, abort: 503 }], respond: 200 }
      - { upstream: "${origin.address}" }
  - { name: tcp, protocol: tcp, bind: 127.0.0.1:0, upstream: "${origin.address}" }
${more}`;
      await using proxy = await startComposed(config(2), { threads });
      const { steering } = proxy.running;
      const statuses = async (path: string, times: number): Promise<number[]> => {
        const found: number[] = [];
        for (let i = 0; i < times; i++) found.push((await proxy.get(path)).status);
        return found;
      };
      assert.deepEqual([await statuses("/few", 2), await statuses("/first", 1)], [[200, 200], [503]]);
      const toxic = { type: "latency", stream: "downstream", toxicity: 1 } as const;
      await steering.addToxic("web", { ...toxic, name: "late", attributes: { latency: 80 } });
      await steering.setMode("tcp", { kind: "deny", cut: false });
      const [web, tcp] = [portOf(proxy, "web"), portOf(proxy, "tcp")];
      await proxy.reload(config(3, "  - { name: more, bind: 127.0.0.1:0, respond: 204 }"));
      assert.deepEqual([portOf(proxy, "web"), portOf(proxy, "tcp")], [web, tcp]);
      const began = performance.now();
      assert.deepEqual(
        [await statuses("/few", 2), await statuses("/first", 2)],
        [
          [200, 429],
          [503, 200],
        ],
      );
      assert.ok(performance.now() - began > 4 * 75, "each took as long as the toxic wants");
      assert.equal((await get(portOf(proxy, "more"))).status, 204);
      await assert.rejects(get(tcp));
      const { notes } = await proxy.reload(config(3).replace("name: tcp,", "name: tcp, mode: allow,"));
      assert.deepEqual(notes, []);
      assert.throws(() => steering.get("more"), { code: "PROXY_NOT_FOUND" });
      await assert.rejects(get(tcp), "the file says the same as before, in other words");
      const louder = config(3).replace("name: tcp,", "name: tcp, mode: deny,");
      await proxy.reload(louder);
      await proxy.reload(config(3));
      assert.equal((await get(tcp)).status, 200);
      const limits = proxy.running.limits.list();
      assert.deepEqual(
        limits.map(({ name, limit, counts }) => [name, limit, counts.allowed, counts.refused]),
        [["few", 3, 3, 1]],
      );
    });
  });
}

describe("other threads", () => {
  test("go on with what these know", async () => {
    await using one = await startOrigin({ name: "one" });
    await using two = await startOrigin({ name: "two" });
    await using proxy = await startComposed(
      `
limits: { few: { limit: 3, per: 1h, by: all } }
upstreams: { api: { servers: [${one.address}, ${two.address}] } }
listeners:
  - name: web
    bind: 127.0.0.1:0
    routes:
      - { match: { path: /few }, limits: few, respond: 200 }
      - { upstream: api }`,
      { threads: 1 },
    );
    const { running } = proxy;
    const statuses = async (): Promise<number[]> => [
      (await proxy.get("/few")).status,
      (await proxy.get("/few")).status,
    ];
    two.handle("/", ({ response, hold }) => hold(() => response.end()));
    const held = await proxy.connect();
    running.upstreams.order("api", one.address, "disabled");
    await held.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await two.request(0);
    running.upstreams.order("api", one.address, "enabled");
    running.upstreams.order("api", two.address, "draining");
    assert.deepEqual(await statuses(), [200, 200]);
    const { kind } = await running.reload(running.spec, 2);
    assert.equal(kind, "generation");
    assert.deepEqual(await proxy.shares(6), { one: 6 });
    assert.deepEqual(await statuses(), [200, 429]);
    assert.equal(proxy.server("api", two.address).requests, 1, "what the old thread has under way counts");
    two.release();
    await proxy.settled();
    assert.equal(proxy.server("api", one.address).counts.requests, 6);
  });
});

describe("a reload that can't be done", () => {
  test("changes nothing, whatever is wrong", async () => {
    await using one = await startOrigin({ name: "one" });
    await using two = await startOrigin({ name: "two" });
    await using folder = await createTemporaryDirectory();
    await folder.write("broken.pem", "no certificate");
    await using blocker = await startOrigin();
    const config = (servers: string, more = ""): string => `
upstreams: { api: { servers: [${servers}] } }
listeners:
  - { name: web, bind: 127.0.0.1:0, routes: [{ upstream: api }] }
${more}`;
    await using proxy = await startComposed(config(one.address), { threads: 2 });
    const { steering, upstreams } = proxy.running;
    const mine = await steering.create({ name: "mine", listen: "127.0.0.1:0", upstreams: [one.address] });
    upstreams.setWeight("api", one.address, 9);
    const before = [proxy.running.spec, steering.list(), upstreams.list(), proxy.running.addresses];
    const file = folder.join("broken.pem");
    const port = await freePort();
    for (const [more, reason] of [
      [
        `  - { name: tls, bind: 127.0.0.1:${port}, tls: { cert: ${file}, key: ${file} }, respond: 200 }`,
        /broken\.pem/,
      ],
      [`  - { name: taken, bind: "${blocker.address}", respond: 200 }`, /another program listens/],
      [
        `  - { name: tcp, protocol: tcp, bind: "${blocker.address}", upstream: 127.0.0.1:1 }`,
        /listens|in use/,
      ],
      [`  - { name: mine, bind: 127.0.0.1:${port}, respond: 200 }`, /made while it ran/],
    ] as const) {
      await assert.rejects(proxy.reload(config(two.address, more)), reason);
      assert.deepEqual(
        [proxy.running.spec, steering.list(), upstreams.list(), proxy.running.addresses],
        before,
      );
      assert.equal(await proxy.whoAnswers(), "one");
      await assert.rejects(connectRaw(port), "nothing listens there");
      before[2] = upstreams.list();
    }
    assert.equal((await get(Number(mine.listen.split(":").at(-1)))).status, 200);
    await proxy.reload(config(two.address));
    assert.equal(await proxy.whoAnswers(), "two");
  });
});

describe("TLS", () => {
  test("sessions are taken up again after a listener's files and settings changed", async () => {
    await using folder = await createTemporaryDirectory();
    const authority = await createAuthority();
    const files: string[] = [];
    for (const name of ["one", "two"]) {
      const { cert, key } = await authority.issue();
      await folder.write(`${name}.pem`, `${cert}\n${key}`);
      files.push(folder.join(`${name}.pem`));
    }
    const config = (file: string, more = ""): string => `
listeners: [{ name: web, bind: 127.0.0.1:0, tls: { cert: ${file}, key: ${file}${more} }, respond: 200 }]`;
    await using proxy = await startComposed(config(files[0]!), { threads: 2 });
    const come = (session?: Buffer) =>
      visitSecurely(
        proxy.port,
        { maxVersion: "TLSv1.2", ...(session === undefined ? {} : { session }) },
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      );
    const first = await come();
    await proxy.reload(config(files[1]!, ", handshake_timeout: 5s"));
    const again = await come(first.session!);
    assert.equal(again.resumed, true);
    const fresh = await come();
    assert.notEqual(fresh.fingerprint, first.fingerprint);
    await proxy.reload(config(files[1]!, ", ticket_rotation: 3h"));
    assert.equal((await come(fresh.session!)).resumed, true);
  });
});
