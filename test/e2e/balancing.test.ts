import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type Composed, type ComposedOptions, originOf, type Shares, startComposed } from "./composed.ts";
import { request } from "./proxy.ts";

/* Which server requests go to, seen by the servers. */

const origins: Origin[] = [];

before(async () => {
  for (const name of ["a", "b", "c", "d"]) origins.push(await startOrigin({ name }));
});

after(async () => {
  for (const origin of origins) await origin[Symbol.asyncDispose]();
});

function addressOf(name: string): string {
  const found = origins.find((origin) => origin.name === name);
  assert.ok(found !== undefined, `there is no ${name}`);
  return found.address;
}

interface Pool extends ComposedOptions {
  /** Keys of each server, by the names of the origins. */
  readonly servers?: Readonly<Record<string, string>>;
  /** More lines of the upstream, and of the document. */
  readonly upstream?: string;
  readonly document?: string;
}

function startPool({
  servers = { a: "", b: "", c: "" },
  upstream = "",
  document = "",
  ...options
}: Pool): Promise<Composed> {
  const written = Object.entries(servers).map(([name, keys]) => `{ address: "${addressOf(name)}"${keys} }`);
  const text = `
listeners: [{ bind: "127.0.0.1:0", upstream: pool }]
${document}
upstreams:
  pool:
    servers: [${written.join(", ")}]
    ${upstream}
`;
  return startComposed(text, options);
}

function order(balancer: Composed, name: string, wanted: "enabled" | "disabled"): void {
  balancer.running.upstreams.order("pool", addressOf(name), wanted);
}

describe("90 requests over 3 servers", () => {
  for (const threads of [1, 2]) {
    test(`are 30 each in turn, with ${threads} threads`, async () => {
      await using balancer = await startPool({ threads });
      assert.deepEqual(await balancer.shares(90), { a: 30, b: 30, c: 30 });
    });
  }

  test("are shared out by weight in turn", async () => {
    await using balancer = await startPool({ servers: { a: ", weight: 6", b: ", weight: 2", c: "" } });
    assert.deepEqual(await balancer.shares(90), { a: 60, b: 20, c: 10 });
  });

  test("are within 40 % of the mean by lot", async () => {
    await using balancer = await startPool({ upstream: "balance: random" });
    const shares = await balancer.shares(90);
    for (const name of ["a", "b", "c"]) {
      const share = shares[name] ?? 0;
      assert.ok(share >= 18 && share <= 42, JSON.stringify(shares));
    }
  });

  test("pass over a server that is busy, where those under way are counted", async () => {
    await using balancer = await startPool({ upstream: "balance: least_connections" });
    const held = await balancer.connect();
    void held.write(request("GET /held"));
    const busy = await until("one is busy", () =>
      origins.find(({ requests }) => requests.at(-1)?.url === "/held"),
    );
    assert.ok(busy !== undefined);
    const shares = await balancer.shares(20);
    assert.equal(shares[busy.name], undefined);
    assert.equal(Object.keys(shares).length, 2);
    busy.release();
    assert.equal((await held.readResponse()).status, 200);
  });
});

describe("requests with a key in common", () => {
  /** What requests say for each key, and where they come from. */
  interface Asked {
    readonly path?: string;
    readonly fields?: readonly string[];
    readonly from?: string;
  }

  const KEYS: Readonly<Record<string, (n: number) => Asked>> = {
    client: (n) => ({ from: `127.0.0.${n + 1}`, path: `/?${Math.random()}` }),
    "{ header: x-user }": (n) => ({ fields: [`X-User: ${n}`] }),
    "{ cookie: user }": (n) => ({ fields: [`Cookie: a=${Math.random()}; user=u${n}`] }),
    "{ query: user }": (n) => ({ path: `/?x=${Math.random()}&user=${n}` }),
    path: (n) => ({ path: `/status/${200 + n}?${Math.random()}` }),
  };

  async function ask({ port }: Composed, { path = "/", fields = [], from }: Asked): Promise<string> {
    await using client = await connectRaw(port, from === undefined ? {} : { localAddress: from });
    return originOf(await client.exchange(request(`GET ${path}`, ...fields, "Connection: close")));
  }

  /** An upstream for each of the keys; a header names it. */
  function startKeyed(policy: string, threads: number): Promise<Composed> {
    const servers = JSON.stringify(["a", "b", "c"].map(addressOf));
    const keys = Object.keys(KEYS).entries();
    const parts = [...keys].map(([i, by]) => ({
      route: `      - { match: { header: { x-key: "${i}" } }, upstream: key${i} }`,
      upstream: `  key${i}: { servers: ${servers}, balance: { policy: ${policy}, by: ${by} } }`,
    }));
    const text = `
listeners:
  - bind: "127.0.0.1:0"
    routes:
${parts.map(({ route }) => route).join("\n")}
upstreams:
${parts.map(({ upstream }) => upstream).join("\n")}
`;
    return startComposed(text, { threads });
  }

  for (const policy of ["ketama", "maglev"]) {
    test(`go to the same server whatever thread takes them, by ${policy}`, async () => {
      await using balancer = await startKeyed(policy, 2);
      for (const [i, [by, asked]] of Object.entries(KEYS).entries()) {
        const used = new Set<string>();
        for (let n = 1; n <= 12; n++) {
          const servers = new Set<string>();
          for (let time = 0; time < 6; time++) {
            const { fields = [], ...rest } = asked(n);
            servers.add(await ask(balancer, { ...rest, fields: [...fields, `X-Key: ${i}`] }));
          }
          assert.equal(servers.size, 1, `${by} ${n}`);
          for (const name of servers) used.add(name);
        }
        assert.ok(used.size >= 2, `all keys by ${by} are on one server`);
      }
    });
  }

  test("go to another one together when theirs is out, and back, and the others stay", async () => {
    await using balancer = await startPool({
      upstream: "balance: { policy: ketama, by: { header: x-user } }",
    });
    const homes = async (): Promise<string[]> => {
      const found: string[] = [];
      for (let n = 0; n < 30; n++) found.push(await ask(balancer, { fields: [`X-User: ${n}`] }));
      return found;
    };
    const at = await homes();
    order(balancer, "b", "disabled");
    const without = await homes();
    for (const [n, home] of at.entries()) {
      if (home === "b") assert.notEqual(without[n], "b");
      else assert.equal(without[n], home);
    }
    order(balancer, "b", "enabled");
    assert.deepEqual(await homes(), at);
  });

  test("are repeated elsewhere, all at the same place", async () => {
    const gone = await freePort();
    const text = `
listeners: [{ bind: "127.0.0.1:0", upstream: pool }]
upstreams:
  pool:
    servers: ["${addressOf("a")}", "127.0.0.1:${gone}", "${addressOf("b")}"]
    balance: { policy: maglev, by: { header: x-user } }
    passive_health: off
`;
    await using balancer = await startComposed(text);
    for (let n = 0; n < 12; n++) {
      const servers = await balancer.shares(4, "/", `X-User: ${n}`);
      assert.equal(Object.keys(servers).length, 1);
      assert.ok(!("502" in servers));
    }
    assert.ok(balancer.running.counters.retries > 0);
  });
});

describe("servers of different rank", () => {
  test("are used only when those before are out, and no longer than that", async () => {
    const servers = { a: "", b: "", c: ", backup: true", d: ", priority: 2" };
    await using balancer = await startPool({ servers });
    const seen: Shares[] = [await balancer.shares(6)];
    for (const [name, wanted] of [
      ["a", "disabled"],
      ["b", "disabled"],
      ["c", "disabled"],
      ["b", "enabled"],
    ] as const) {
      order(balancer, name, wanted);
      seen.push(await balancer.shares(6));
    }
    assert.deepEqual(seen, [{ a: 3, b: 3 }, { b: 6 }, { c: 6 }, { d: 6 }, { b: 6 }]);
  });

  test("take the requests that those before have failed", async () => {
    await using balancer = await startPool({
      servers: { a: "", d: ", backup: true" },
      upstream: "retry: { on: [500-599] }",
    });
    assert.deepEqual(await balancer.shares(3, "/status/503"), { d: 3 });
    assert.equal(balancer.server("pool", addressOf("a")).counts.requests, 3);
  });

  test("of the proxy's own zone come first", async () => {
    const servers = { a: ", zone: east", b: ", zone: west", c: "", d: ", zone: west, backup: true" };
    await using balancer = await startPool({ servers, document: "zone: west" });
    const seen: Shares[] = [await balancer.shares(6)];
    for (const name of ["b", "a", "c"]) {
      order(balancer, name, "disabled");
      seen.push(await balancer.shares(6));
    }
    assert.deepEqual(seen, [{ b: 6 }, { a: 3, c: 3 }, { c: 6 }, { d: 6 }]);
  });
});

describe("servers that fail", () => {
  const STRICT =
    "passive_health: { consecutive_failures: 1, statuses: 500, ejection: 1h, max_ejected: 100% }";

  /** Has one of them fail, once. */
  async function fail(balancer: Composed, name: string): Promise<void> {
    for (const origin of origins) {
      origin.handle("/fail", ({ response }) => {
        response.statusCode = origin.name === name ? 500 : 200;
        response.end("");
      });
    }
    await until(`${name} is out`, async () => {
      await balancer.get("/fail");
      return balancer.server("pool", addressOf(name)).state === "ejected";
    });
  }

  test("get nothing more, unless too few are left", async () => {
    for (const [panic, first, second] of [
      ["", { b: 3, c: 3 }, { c: 6 }],
      ["panic_threshold: 50%", { b: 3, c: 3 }, { a: 2, b: 2, c: 2 }],
    ] as const) {
      await using balancer = await startPool({ upstream: `${STRICT}\n    ${panic}` });
      await fail(balancer, "a");
      assert.deepEqual(await balancer.shares(6), first);
      await fail(balancer, "b");
      assert.deepEqual(await balancer.shares(6), second);
    }
  });

  test("get what others have failed, when too few are left", async () => {
    for (const panic of ["", "panic_threshold: 50%"]) {
      const upstream = `${STRICT}\n    retry: { on: [503] }\n    ${panic}`;
      await using balancer = await startPool({ upstream });
      await fail(balancer, "a");
      await fail(balancer, "b");
      const before = origins.map(({ requests }) => requests.length);
      assert.equal((await balancer.get("/status/503")).status, 503);
      const asked = origins.map(({ requests }, i) => requests.length - before[i]!);
      assert.deepEqual(asked, panic === "" ? [0, 0, 1, 0] : [1, 1, 1, 0]);
    }
  });

  test("get their share little by little when they are back", async () => {
    await using balancer = await startPool({ servers: { a: "", b: "" }, upstream: "slow_start: 1h" });
    assert.deepEqual(await balancer.shares(20), { a: 10, b: 10 });
    order(balancer, "b", "disabled");
    order(balancer, "b", "enabled");
    const { a = 0, b = 0 } = await balancer.shares(42);
    assert.deepEqual([a, b], [40, 2], "a twentieth of its weight");
    assert.ok(balancer.server("pool", addressOf("b")).ramp < 1);
  });
});
