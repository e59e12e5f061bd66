import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { createConfiguredProxy, type RouteContext } from "../../src/filters/configured-proxy.ts";
import type { ProxySettings } from "../../src/filters/settings.ts";
import type { LimitMemories } from "../../src/limits/create-limiter.ts";
import { LimitCounts } from "../../src/limits/limit-counts.ts";
import { countsOf } from "../../src/limits/limit-memory.ts";
import { until } from "../kit/deadline.ts";
import { proxyMeans } from "../kit/proxy-means.ts";
import type { RawRequest, RawResponse } from "../kit/raw-message.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import { startComposed } from "./composed.ts";
import { answering, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/** An origin, and as many proxies before it as there are to be threads, which share what they know of limits. */
class Limited implements AsyncDisposable {
  readonly origin: RawOrigin;
  readonly proxies: readonly ProxyUnderTest[];
  readonly #memories: LimitMemories;

  constructor(origin: RawOrigin, proxies: readonly ProxyUnderTest[], memories: LimitMemories) {
    this.origin = origin;
    this.proxies = proxies;
    this.#memories = memories;
  }

  get proxy(): ProxyUnderTest {
    return this.proxies[0]!;
  }

  /** What was counted of a limit, in all proxies. */
  counts(name: string): Record<string, number> {
    return new LimitCounts(countsOf(this.#memories[name]!), 0).totals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.proxies) await proxy[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

/** @param limits as a configuration has them */
async function startLimited(script: RawScript, limits: string, threads = 1): Promise<Limited> {
  const origin = await startRawOrigin(script);
  const text = `listeners: [{ bind: 0, name: main, routes: [{ upstream: "127.0.0.1:${origin.port}", limits: [one] }] }]
limits: { one: ${limits} }`;
  const settings: ProxySettings = parseConfig(text, "a.yaml", {});
  const { limits: memories } = proxyMeans(settings, "main");
  const proxies: ProxyUnderTest[] = [];
  for (let i = 0; i < threads; i++) {
    // Each counts in a row of its own where there are several threads; here that doesn't matter.
    const means = { ...proxyMeans(settings, "main"), limits: memories };
    const phases = createConfiguredProxy(settings, "main", means);
    proxies.push(await startProxy<RouteContext>({ phases }));
  }
  return new Limited(origin, proxies, memories);
}

/** One request on a connection of its own. */
async function ask(proxy: ProxyUnderTest): Promise<RawResponse> {
  const client = await proxy.connect();
  const response = await client.exchange(request("GET /"));
  client.destroy();
  return response;
}

describe("five requests a minute", () => {
  for (const threads of [1, 2]) {
    test(`are let in, and requests 6 to 8 get 429 (${threads} at once)`, async () => {
      const seen: RawRequest[] = [];
      const limit = "{ limit: 5, per: 1m }";
      await using limited = await startLimited(answering(ok(), seen), limit, threads);
      const responses: RawResponse[] = [];
      for (let i = 0; i < 8; i++) responses.push(await ask(limited.proxies[i % threads]!));
      assert.deepEqual(
        responses.map(({ status }) => status),
        [200, 200, 200, 200, 200, 429, 429, 429],
      );
      assert.equal(seen.length, 5);
      const [first, refused] = [responses[0]!, responses[5]!];
      assert.equal(first.header("ratelimit-policy"), '"one";q=5;w=60');
      assert.equal(first.header("ratelimit"), '"one";r=4;t=60');
      assert.equal(refused.body.toString(), "HTTP 429 Too Many Requests\n");
      const wait = Number(refused.header("retry-after"));
      assert.ok(wait > 50 && wait <= 60, `${wait}`);
      assert.equal(refused.header("ratelimit"), `"one";r=0;t=${wait}`);
    });
  }

  test("leave a connection as it was", async () => {
    await using limited = await startLimited(answering(ok()), "{ limit: 1, per: 1m }");
    const client = await limited.proxy.connect();
    const body = "x".repeat(1000);
    const post = `${request("POST /", `Content-Length: ${body.length}`)}${body}`;
    const seen: number[] = [];
    for (const text of [post, post, request("HEAD /"), request("GET /")]) {
      const { status } = await client.exchange(text, { method: text.slice(0, 4).trim() });
      seen.push(status);
    }
    assert.deepEqual(seen, [200, 429, 429, 429]);
  });
});

describe("one request at a time", () => {
  const one = "{ limit: 1, algorithm: concurrency }";

  test("lets the next one in when the response is complete", async () => {
    let finish: () => void = () => {};
    const script = answering(async ({ target }) => {
      if (target === "/slow") await new Promise<void>((resolve) => (finish = resolve));
      return ok();
    });
    await using limited = await startLimited(script, one);
    const client = await limited.proxy.connect();
    const slow = client.exchange(request("GET /slow"));
    await until("it is under way", () => limited.counts("one")["allowed"] === 1);
    assert.equal((await ask(limited.proxy)).status, 429);
    finish();
    assert.equal((await slow).header("ratelimit"), '"one";r=0');
    for (let i = 0; i < 3; i++) assert.equal((await ask(limited.proxy)).status, 200);
  });

  test("lets the next one in when the client has left", async () => {
    const script: RawScript = async (connection) => {
      const { target } = await connection.readRequest();
      if (target !== "/never") void connection.write(ok());
    };
    await using limited = await startLimited(script, one);
    for (let i = 1; i <= 3; i++) {
      const client = await limited.proxy.connect();
      void client.write(request("GET /never"));
      await until("it is under way", () => limited.counts("one")["allowed"] === 2 * i - 1);
      client.reset();
      await until("it is over", () => limited.proxy.count("requestsActive") === 0);
      assert.equal((await ask(limited.proxy)).status, 200);
    }
  });

  test("lets the next one in when the server fails", async () => {
    const script: RawScript = async (connection) => {
      await connection.readRequest();
      connection.destroy();
    };
    await using limited = await startLimited(script, one);
    for (let i = 0; i < 3; i++) assert.equal((await ask(limited.proxy)).status, 502);
  });
});

test("every answer tells what is left of the limits it has passed, whoever made it", async () => {
  await using composed = await startComposed(`
listeners:
  - bind: "127.0.0.1:0"
    routes:
      - { match: { path: /here }, respond: "ok", limits: [all, own] }
      - { match: { path: /gone }, redirect: /here, limits: [all] }
      - { upstream: "127.0.0.1:1", limits: [all] }
limits: { all: { limit: 4, per: 1h }, own: { limit: 1, per: 1h } }`);
  const told: (string | null)[] = [];
  for (const path of ["/here", "/gone", "/", "/here"]) {
    const response = await composed.get(path);
    told.push(`${response.status} ${response.header("ratelimit")?.replaceAll(/;t=\d+/g, "")}`);
  }
  assert.deepEqual(told, ['200 "all";r=3, "own";r=0', '302 "all";r=2', '502 "all";r=1', '429 "own";r=0']);
});
