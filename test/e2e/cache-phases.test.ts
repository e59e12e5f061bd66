import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProxyError } from "../../src/base/errors.ts";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../src/cache/stores/memory/store-memory.ts";
import { AccessLog } from "../../src/observe/access-log.ts";
import { LogSink } from "../../src/observe/log-sink.ts";
import { memoryCache, type ResponseCache, storeCache } from "../../src/proxy/caching/response-cache.ts";
import type { SessionCache } from "../../src/proxy/caching/session-cache.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { RawRequest, RawResponse } from "../kit/raw-message.ts";
import { WatchedStore } from "../kit/watched-store.ts";
import { field, MAX_AGE, statusOf } from "./caching.ts";
import { type Answer, answering, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/** What `session.cache` told at a session's end. */
type Told = Pick<SessionCache, "phase" | "reason" | "age" | "size" | "stored" | "collapsed" | "key">;

/** A proxy whose program turns a cache on for all requests. */
class Stage implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly cache: ResponseCache;
  readonly store: WatchedStore;
  readonly asked: readonly RawRequest[];
  readonly told: readonly Told[];

  constructor(parts: Pick<Stage, "proxy" | "cache" | "store" | "asked" | "told">) {
    this.proxy = parts.proxy;
    this.cache = parts.cache;
    this.store = parts.store;
    this.asked = parts.asked;
    this.told = parts.told;
  }

  async ask(line: string, ...headers: readonly string[]): Promise<RawResponse> {
    const client = await this.proxy.connect();
    return client.exchange(request(line, ...headers), { method: line.slice(0, line.indexOf(" ")) });
  }

  async text(line: string, ...headers: readonly string[]): Promise<string> {
    return (await this.ask(line, ...headers)).body.toString();
  }

  /** What a session told, by its number from 1, once it is over. */
  async toldBy(session: number): Promise<Told> {
    await until("the sessions are over", () => this.told.length >= session);
    return this.told[session - 1]!;
  }

  /** Nothing of the cache is held any more, whatever happened. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await until("nothing is held", () => this.store.held === 0);
    await this.cache.close();
  }
}

async function stage(
  answer: Answer,
  phases: Partial<ProxyPhases>,
  clock: { readonly now: number } = { now: Date.now() },
): Promise<Stage> {
  const asked: RawRequest[] = [];
  const told: Told[] = [];
  const memory = allocateMemoryStore({ mostBytes: 2 ** 20, rows: 1 });
  const store = new WatchedStore(new MemoryStore(memory, 0));
  const cache = storeCache(store, { now: () => clock.now });
  const proxy = await startProxy({
    origin: answering(answer, asked),
    phases: {
      requestCacheFilter: () => cache,
      logging({ cache: { phase, reason, age, size, stored, collapsed, key } }) {
        told.push({ phase, reason, age, size, stored, collapsed, key });
      },
      ...phases,
    },
  });
  return new Stage({ proxy, cache, store, asked, told });
}

/** Counts its answers in their bodies. */
function counting(...headers: readonly string[]): Answer {
  let count = 0;
  return () => ok(`${++count}`, ...headers);
}

const STALE = "Cache-Control: max-age=10, stale-while-revalidate=100, stale-if-error=10000";
const BUSY = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

describe("a program with a cache", () => {
  test("hears what became of each session, and may have it go past", async () => {
    await using it = await stage(counting(MAX_AGE), {
      requestFilter({ request: { path }, cache }) {
        if (path === "/off") cache.disable("my-reason");
        if (path === "/number") cache.disable(42 as unknown as string);
      },
    });
    assert.equal(await it.text("GET /a"), "1");
    const { key, ...miss } = await it.toldBy(1);
    assert.match(key ?? "", /^http:\/\/.*\/a$/);
    const first = { phase: "miss", reason: null, age: 0, size: 1, stored: true, collapsed: false };
    assert.deepEqual(miss, first);
    assert.equal(await it.text("GET /a"), "1");
    assert.deepEqual(await it.toldBy(2), { ...first, key, phase: "hit", stored: false });
    await it.ask("POST /a", "Content-Length: 0");
    const past = { age: null, size: null, stored: false, collapsed: false, key: null };
    assert.deepEqual(await it.toldBy(3), { ...past, phase: "bypass", reason: "method" });
    assert.equal(await it.text("GET /off"), "3");
    assert.deepEqual(await it.toldBy(4), { ...past, phase: "off", reason: "my-reason" });
    await it.ask("GET /a", "X-Original-URL: /b");
    assert.equal((await it.toldBy(5)).reason, "request-override");
    await it.ask("GET /a", "If-Match: *");
    assert.equal((await it.toldBy(6)).reason, "condition");
    await it.ask("GET /number");
    assert.equal((await it.toldBy(7)).reason, "42");
  });

  test("hears what is collapsed, stale, revalidated and not stored", async () => {
    const clock = { now: Date.now() };
    const gate = Promise.withResolvers<void>();
    let isBroken = false;
    const answer: Answer = async (sent) => {
      await gate.promise;
      if (sent.target === "/mine") return ok("mine", "Cache-Control: private");
      if (field(sent, "if-none-match") !== null && !isBroken)
        return `HTTP/1.1 304 Not Modified\r\n${STALE}\r\n\r\n`;
      return isBroken ? BUSY : ok("x", STALE, 'ETag: "v"');
    };
    await using it = await stage(answer, {}, clock);
    const both = [it.ask("GET /a"), it.ask("GET /a")];
    await until("both are there", () => it.proxy.count("requestsActive") === 2);
    gate.resolve();
    await Promise.all(both);
    await it.toldBy(2);
    const collapsed = it.told.map((one) => `${one.phase} ${one.collapsed}`).toSorted();
    assert.deepEqual(collapsed, ["hit true", "miss false"]);
    clock.now += 15_000;
    await it.ask("GET /a");
    assert.equal((await it.toldBy(3)).phase, "stale-updating");
    await until("it is fresh again", async () => /hit; ttl=\d/.test(statusOf(await it.ask("GET /a"))));
    const before = it.told.length;
    clock.now += 1_000_000;
    await it.ask("GET /a");
    const { phase, stored } = await it.toldBy(before + 1);
    assert.deepEqual([phase, stored], ["revalidated", true]);
    isBroken = true;
    clock.now += 1_000_000;
    await it.ask("GET /a");
    assert.equal((await it.toldBy(before + 2)).phase, "stale");
    await it.ask("GET /mine");
    const mine = await it.toldBy(before + 3);
    assert.deepEqual([mine.phase, mine.reason, mine.stored], ["miss", "private", false]);
    assert.equal(it.cache.stats.counts.revalidated, 1);
  });

  for (const later of [false, true]) {
    const when = later ? "later" : "at once";
    const then = <T>(value: T): T => (later ? nextTurn(value) : value) as T;

    test(`chooses keys and variants of its own, ${when}`, async () => {
      const device = (agent: string | null): string => (agent?.includes("Mobi") === true ? "small" : "large");
      const answer: Answer = (sent) => ok(`${sent.target} ${device(field(sent, "user-agent"))}`, MAX_AGE);
      await using it = await stage(answer, {
        cacheKey: ({ request: { headers } }, key) => then(`${key}\nshop:${headers.get("x-shop")}`),
        cacheVaryFilter: ({ request: { path, headers } }) =>
          then(path === "/by-device" ? device(headers.get("user-agent")) : null),
      });
      const agents = ["Mobi 1", "Desk 1", "Mobi 2", "Desk 2"].map((agent) => `User-Agent: ${agent}`);
      for (const agent of agents) await it.ask("GET /by-device", agent, "X-Shop: 1");
      assert.equal(it.asked.length, 2);
      assert.equal(await it.text("GET /by-device", agents[2]!, "X-Shop: 1"), "/by-device small");
      assert.equal(await it.text("GET /by-device", agents[3]!, "X-Shop: 2"), "/by-device large");
      assert.equal(it.asked.length, 3);
      for (const agent of agents) await it.ask("GET /same", agent, "X-Shop: 1");
      assert.equal(it.asked.length, 4);
    });

    test(`says what is stored, and how, ${when}`, async () => {
      const clock = { now: Date.now() };
      const answer: Answer = (sent) =>
        field(sent, "if-none-match") === null ? ok("x", 'ETag: "v"') : "HTTP/1.1 304 Same\r\n\r\n";
      const phases: Partial<ProxyPhases> = {
        responseCacheFilter({ request: { path } }, { status }) {
          if (path === "/never") return then("too fresh, to me");
          return then(path === "/long" && status === 200 ? { lifetime: 60, tags: ["news"] } : undefined);
        },
      };
      await using it = await stage(answer, phases, clock);
      await it.ask("GET /long");
      assert.match(statusOf(await it.ask("GET /long")), /hit; ttl=(60|59)$/);
      clock.now += 70_000;
      assert.match(statusOf(await it.ask("GET /long")), /fwd-status=304; ttl=(60|59); stored$/);
      assert.match(statusOf(await it.ask("GET /long")), /hit; ttl=(60|59)$/);
      await it.cache.purge({ tag: "news" });
      assert.match(statusOf(await it.ask("GET /long")), /fwd=uri-miss; .*stored$/);
      assert.equal(statusOf(await it.ask("GET /never")), 'sluice; fwd=uri-miss; detail="too fresh, to me"');
      assert.equal((await it.toldBy(6)).reason, "too fresh, to me");
      await it.ask("GET /never");
      assert.equal(it.asked.length, 5);
    });

    test(`has hits asked about, fetched anew, or passed, ${when}`, async () => {
      const seen = new Set<string>();
      await using it = await stage(counting(MAX_AGE, 'ETag: "v"', "Cache-Tag: a, b"), {
        cacheHitFilter({ request: { query } }, { isFresh, age, tags, headers }) {
          seen.add(`${isFresh} ${age} ${tags.join()} ${headers.get("etag")}`);
          return then(query === "" ? undefined : (query as "miss"));
        },
        cacheKey: ({ request: { path } }) => then(path),
      });
      assert.equal(await it.text("GET /a"), "1");
      assert.equal(await it.text("GET /a"), "1");
      assert.equal(await it.text("GET /a?miss"), "2");
      assert.equal(field(it.asked[1]!, "if-none-match"), null);
      assert.equal((await it.toldBy(3)).phase, "miss");
      assert.equal(await it.text("GET /a"), "2");
      assert.equal(await it.text("GET /a?expired"), "3");
      assert.equal(field(it.asked[2]!, "if-none-match"), '"v"');
      assert.equal((await it.toldBy(5)).phase, "expired");
      const passed = await it.ask("GET /a?pass");
      assert.equal(statusOf(passed), "sluice; fwd=bypass; detail=hit-filter");
      assert.equal(passed.body.toString(), "4");
      const { phase, reason } = await it.toldBy(6);
      assert.deepEqual([phase, reason], ["bypass", "hit-filter"]);
      assert.equal(await it.text("GET /a"), "3");
      assert.deepEqual([...seen], ['true 0 a,b "v"']);
    });

    test(`purges what requests tell it to, ${when}`, async () => {
      await using it = await stage(counting(MAX_AGE, "Vary: X-A"), {
        requestFilter: ({ request: { path }, cache }) => (path === "/none" ? cache.disable() : undefined),
        isPurge: ({ request: { method } }) => then(method === "PURGE"),
        purgeResponseFilter(session, status) {
          if (session.request.path === "/own") session.respond({ status: 202, body: `${status}` });
          return then(undefined);
        },
      });
      assert.equal((await it.ask("PURGE /a")).status, 404);
      for (const a of ["1", "2"]) await it.ask("GET /a", `X-A: ${a}`);
      assert.equal((await it.ask("PURGE /a")).status, 200);
      for (const a of ["1", "2"]) await it.ask("GET /a", `X-A: ${a}`);
      assert.equal(it.asked.length, 4);
      assert.equal((await it.ask("PURGE /none")).status, 405);
      assert.equal(await it.text("PURGE /own"), "404");
    });

    test(`gets 500 for what it throws, and loses nothing by it, ${when}`, async () => {
      const failing = new Set<string>();
      const fail = (phase: string): never | Promise<never> => {
        if (later && phase !== "shouldServeStale") return Promise.reject(new Error(phase));
        throw new Error(phase);
      };
      const failsIn =
        <T>(phase: string, value: T) =>
        (): T =>
          failing.has(phase) ? (fail(phase) as T) : value;
      const clock = { now: Date.now() };
      const phases: Partial<ProxyPhases> = {
        cacheKey: (_session, key) => failsIn("cacheKey", key)(),
        cacheVaryFilter: failsIn("cacheVaryFilter", null),
        cacheMiss: failsIn("cacheMiss", undefined),
        responseCacheFilter: failsIn("responseCacheFilter", undefined),
        cacheHitFilter: failsIn("cacheHitFilter", undefined),
        shouldServeStale: failsIn("shouldServeStale", true),
        isPurge: ({ request: { method } }) => failsIn("isPurge", method === "PURGE")(),
        purgeResponseFilter: failsIn("purgeResponseFilter", undefined),
      };
      await using it = await stage(counting(STALE), phases, clock);
      const statusIn = async (phase: string, line: string): Promise<number> => {
        failing.add(phase);
        const { status } = await it.ask(line);
        failing.clear();
        return status;
      };
      for (const phase of ["cacheKey", "cacheVaryFilter", "cacheMiss", "responseCacheFilter", "isPurge"]) {
        assert.equal(await statusIn(phase, `GET /${phase}`), 500, phase);
        assert.equal((await it.ask(`GET /${phase}`)).status, 200, phase);
        assert.match(statusOf(await it.ask(`GET /${phase}`)), /hit/, phase);
      }
      assert.equal(await statusIn("cacheHitFilter", "GET /cacheKey"), 500);
      assert.equal(await statusIn("purgeResponseFilter", "PURGE /cacheMiss"), 500);
      clock.now += 20_000;
      assert.equal(await statusIn("shouldServeStale", "GET /cacheKey"), 500);
      clock.now += 1_000_000;
      assert.equal((await it.ask("GET /cacheKey")).status, 200);
      assert.deepEqual(new Set(it.proxy.reported.map(({ error }) => error.code)), new Set(["FILTER_FAILED"]));
    });
  }

  test("answers all who wait when a filter fails that one of them needs", async () => {
    const gate = Promise.withResolvers<void>();
    let isFailing = true;
    const answer: Answer = async () => {
      await gate.promise;
      return ok("x", MAX_AGE);
    };
    await using it = await stage(answer, {
      responseCacheFilter() {
        if (isFailing) throw new Error("no");
        return undefined;
      },
    });
    const answers = Promise.all(Array.from({ length: 10 }, () => it.ask("GET /a")));
    await until("all have asked", () => it.proxy.count("requestsActive") === 10);
    gate.resolve();
    for (const { status } of await answers) assert.ok(status >= 500, `${status}`);
    assert.equal(it.asked.length, 2);
    isFailing = false;
    assert.equal(await it.text("GET /a"), "x");
  });

  test("decides whether stale responses are served", async () => {
    const clock = { now: Date.now() };
    const problems: string[] = [];
    let serves = false;
    let fails = false;
    let count = 0;
    const answer: Answer = ({ target }, connection) => {
      if (++count <= 2) return ok(`${count}`, STALE);
      if (target === "/busy") return BUSY;
      connection.reset();
      return undefined;
    };
    const phases: Partial<ProxyPhases> = {
      shouldServeStale(_session, problem) {
        problems.push(typeof problem === "object" && problem !== null ? problem.code : `${problem}`);
        if (fails) throw new Error("no");
        return serves;
      },
    };
    await using it = await stage(answer, phases, clock);
    await it.ask("GET /busy");
    await it.ask("GET /dead");
    clock.now += 20_000;
    assert.equal((await it.ask("GET /busy")).status, 503, "no, the server is asked");
    serves = true;
    assert.equal(await it.text("GET /busy"), "1");
    await until("it was asked for anew", () => problems.length === 4);
    clock.now += 1_000_000;
    assert.equal(await it.text("GET /dead"), "2");
    serves = false;
    assert.equal((await it.ask("GET /dead")).status, 502);
    assert.deepEqual(problems.slice(0, 4), ["null", "503", "null", "503"]);
    fails = true;
    for (const path of ["/busy", "/dead"]) assert.equal((await it.ask(`GET ${path}`)).status, 500, path);
    assert.deepEqual(problems.splice(6), ["503", "UPSTREAM_RESET"]);
    assert.deepEqual(problems.slice(4), ["UPSTREAM_RESET", "UPSTREAM_RESET"] satisfies ProxyError["code"][]);
  });

  test("tells the access log", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("access.log");
    const sink = new LogSink(path);
    const cache = memoryCache({ mostBytes: 2 ** 20 });
    const origin = answering(counting(MAX_AGE));
    {
      await using proxy = await startProxy({
        ...{ origin, observer: new AccessLog(sink, "json") },
        phases: { requestCacheFilter: ({ request: { path } }) => (path === "/none" ? null : cache) },
      });
      const client = await proxy.connect();
      for (const target of ["/a", "/a", "/none"]) await client.exchange(request(`GET ${target}`));
      await client.exchange(request("DELETE /a"));
    }
    await sink.close();
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    const told = lines.map((line) => {
      const { cache, cache_phase, cache_reason } = JSON.parse(line) as Record<string, string | null>;
      return [cache?.split(";")[1], cache_phase, cache_reason];
    });
    assert.deepEqual(told, [
      [" fwd=uri-miss", "miss", null],
      [" hit", "hit", null],
      [undefined, undefined, undefined],
      [undefined, "bypass", "method"],
    ]);
  });

  test("takes no nonsense for what is to be stored", async () => {
    let said: unknown;
    await using it = await stage(counting(MAX_AGE), { responseCacheFilter: () => said as undefined });
    const noTags = [["a b"], [5], "news"];
    const nonsense: unknown[] = [{ lifetime: -1 }, { staleIfError: Number.NaN }, { lifetime: "60" }];
    nonsense.push(...noTags.map((tags) => ({ tags })));
    for (said of nonsense) assert.equal((await it.ask("GET /a")).status, 500, JSON.stringify(said));
    const broken = { requestCacheFilter: () => ({}) as unknown as undefined };
    const returnsOthers = (): undefined => ({ device: "phone" }) as unknown as undefined;
    const onlyOfResponses = (_session: unknown, response: object | null): undefined =>
      response === null ? undefined : returnsOthers();
    for (const phases of [
      broken,
      { cacheKey: returnsOthers },
      { cacheVaryFilter: returnsOthers },
      { cacheVaryFilter: onlyOfResponses },
      { cacheKey: returnsOthers, isPurge: () => true },
    ]) {
      await using other = await stage(counting(MAX_AGE), phases);
      assert.equal((await other.ask("GET /a")).status, 500);
    }
    for (said of [{ lifetime: Number.POSITIVE_INFINITY }, true, null])
      assert.equal((await it.ask(`GET /${typeof said}`)).status, 200);
  });

  test("lets go of what was found when its client leaves", async () => {
    const gate = Promise.withResolvers<undefined>();
    let looks = 0;
    await using it = await stage(counting(MAX_AGE), {
      cacheHitFilter() {
        looks++;
        return gate.promise;
      },
    });
    await it.ask("GET /a");
    const client = await it.proxy.connect();
    await client.write(request("GET /a"));
    await until("the filter looks at it", () => looks === 1);
    assert.equal(it.store.held, 1);
    client.reset();
    await until("it isn't held any more", () => it.store.held === 0);
    gate.resolve(undefined);
    assert.equal(await it.text("GET /a"), "1");
  });

  test("uses one cache by several rules, and purges by URL, prefix, tag, or all", async () => {
    const cache = memoryCache({ mostBytes: 2 ** 20, query: { keeps: "only", names: ["id"] } });
    const whole = cache.use({ defaultLifetimes: new Map([[200, 5]]) });
    const asked: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering((sent) => ok("x", ...(sent.target.startsWith("/w") ? [] : [MAX_AGE])), asked),
      phases: { requestCacheFilter: ({ request: { path } }) => (path.startsWith("/w") ? whole : cache) },
    });
    const client = await proxy.connect();
    const ask = async (target: string): Promise<string> =>
      statusOf(await client.exchange(request(`GET ${target}`)));
    const url = (target: string): string => `http://h.example${target}`;
    await ask("/a?id=1&x=1");
    assert.match(await ask("/a?x=2&id=1"), /hit/);
    assert.match(await ask("/w?x=1"), /miss.*ttl=[45]; stored/);
    assert.match(await ask("/w?x=2"), /miss/);
    const host = new URL(`http://${field(asked[0]!, "host")}`).host;
    const at = (target: string): string => url(target).replace("h.example", host);
    assert.equal(await cache.purge({ url: at("/a?y=3&id=1") }), true);
    assert.equal(await cache.purge({ url: at("/a?id=2") }), false);
    assert.match(await ask("/a?id=1"), /miss/);
    assert.equal(await whole.purge({ prefix: at("/w"), soft: true }), null);
    assert.match(await ask("/w?x=1"), /fwd=(stale|uri-miss)/);
    assert.equal(await cache.purge({ all: true }), null);
    assert.match(await ask("/a?id=1"), /miss/);
    for (const no of [{ mostBytes: "1" }, { hostShare: Number.NaN }, { staleIfError: -1 }, { label: "a b" }])
      assert.throws(() => memoryCache({ mostBytes: 2 ** 20, ...no } as { mostBytes: number }), TypeError);
    await assert.rejects(cache.purge({ url: "/a" }), TypeError);
    await assert.rejects(cache.purge({ tag: "a b" }), TypeError);
    for (const order of [{}, { all: false }, { tag: undefined }, { prefix: 5 }])
      await assert.rejects(cache.purge(order as unknown as { all: true }), TypeError);
    assert.match(await ask("/a?id=1"), /hit/);
    assert.equal(cache.stats.counts.hits, 2);
  });
});
