import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Caches } from "../../src/control/caches.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { OriginResponse } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { writeDeadlyToxic } from "./deadly-toxic.ts";
import { runInside, startInside } from "./inside.ts";
import { Reloading } from "./reloading.ts";
import { get } from "./sluice.ts";

/** An origin whose pages are good for a minute; a GET of `/held` waits until it is told. */
async function startPages(): Promise<Origin> {
  const origin = await startOrigin();
  const answer = (response: OriginResponse, body: string): void => {
    response.setHeader("Cache-Control", "max-age=60, stale-while-revalidate=60");
    response.setHeader("Cache-Tag", "news");
    response.end(body);
  };
  origin.handle("/page", ({ response }) => answer(response, "a page"));
  origin.handle("/held", ({ request, response, hold }) => {
    if (request.method === "GET") hold(() => answer(response, "held back"));
    else answer(response, "changed");
  });
  return origin;
}

function configuration(origin: Origin, cache: string, caches = "pages: 4MiB"): string {
  return `
caches: { ${caches} }
listeners:
  - { name: web, bind: "127.0.0.1:0", cache: ${cache}, upstream: "${origin.address}" }
`;
}

function statusOf(response: RawResponse): string {
  return response.header("cache-status") ?? "";
}

/** Of the only cache. */
function counts(caches: Caches): Record<string, number> {
  return { ...caches.list()[0]!.counts };
}

describe("a cache of two threads", () => {
  let origin: Origin;
  let sluice: Reloading;
  before(async () => {
    origin = await startPages();
    sluice = await Reloading.start(configuration(origin, "pages"), 2);
  });
  after(async () => {
    await sluice[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  /** What the origin was asked since the last time. */
  const asked = (): number => origin.requests.splice(0).length;
  const ask = (path = "/page", ...fields: readonly string[]): Promise<RawResponse> =>
    get(sluice.port(0), path, ...fields);
  const urlOf = (path: string): string => `http://a.example${path}`;

  test("asks the server once, however many ask it for the same", async () => {
    const { running } = sluice;
    const clients = 1000;
    const answers = Array.from({ length: clients }, () => ask("/held"));
    await origin.request(0);
    await until("all wait", () => running.counters.requestsActive === clients);
    origin.release();
    const responses = await Promise.all(answers);
    assert.equal(asked(), 1);
    assert.ok(responses.every(({ status, body }) => status === 200 && body.toString() === "held back"));
    const { stored, collapsed } = counts(running.caches);
    assert.deepEqual([stored, collapsed], [1, clients - 1]);
  });

  test("keeps what it has when only rules change, and begins anew with another memory", async () => {
    await ask();
    asked();
    const other = configuration(origin, "{ use: pages, default_ttl: { 404: 10s }, sort_query: true }");
    const { kind, notes } = await sluice.reload(other);
    assert.deepEqual([kind, notes], ["swap", []]);
    for (let i = 0; i < 8; i++) assert.match(statusOf(await ask()), /^sluice; hit; ttl=/);
    assert.equal(asked(), 0);
    // Other threads take the place of these.
    assert.equal((await sluice.reload(other, { threads: 3 })).kind, "generation");
    for (let i = 0; i < 8; i++) assert.match(statusOf(await ask()), /^sluice; hit; ttl=/);
    assert.equal(asked(), 0);
    const larger = await sluice.reload(configuration(origin, "pages", "pages: 5MiB"));
    assert.deepEqual(
      larger.notes.map(({ path }) => path),
      ["caches[pages]"],
    );
    assert.match(statusOf(await ask()), /^sluice; fwd=uri-miss;.* stored/);
    assert.equal(asked(), 1);
  });

  test("keeps nothing that was on its way while somebody changed it", async () => {
    const before = ask("/held");
    await until("it is asked for", () => origin.requests.length === 1);
    await using client = await connectRaw(sluice.port(0));
    const changed = client.exchange("POST /held HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    assert.equal((await changed).status, 200);
    origin.release();
    assert.equal((await before).body.toString(), "held back");
    const after = ask("/held");
    await origin.request(2);
    origin.release();
    assert.match(statusOf(await after), /; stored/);
    asked();
  });

  test("gets what is on its way also when whoever asked first is gone, and other threads take the place of these", async () => {
    const { running } = sluice;
    const { requestsActive } = running.counters;
    await running.caches.purge("pages", { by: "url", text: urlOf("/held"), isSoft: false });
    asked();
    await using gone = await connectRaw(sluice.port(0));
    await gone.write("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
    await origin.request(0);
    gone.reset();
    await until("it is gone", () => running.counters.requestsActive === requestsActive);
    const { kind } = await sluice.reload(configuration(origin, "pages", "pages: 5MiB"), { threads: 3 });
    assert.equal(kind, "generation");
    const late = Array.from({ length: 8 }, () => ask("/held"));
    await until("all wait", () => running.counters.requestsActive === requestsActive + 8);
    origin.release();
    for (const { body } of await Promise.all(late)) assert.equal(body.toString(), "held back");
    assert.equal(asked(), 1);
  });

  test("is purged for all threads at once", async () => {
    const { caches } = sluice.running;
    const purge = async (
      by: "url" | "prefix" | "tag" | "all",
      text: string,
      isSoft = false,
    ): Promise<boolean | null> => (await caches.purge("pages", { by, text, isSoft })).found;
    await ask();
    for (const [by, text] of [
      ["url", urlOf("/page")],
      ["prefix", urlOf("/pa")],
      ["tag", "news"],
      ["all", ""],
    ] as const) {
      assert.equal(await purge(by, text), by === "url" ? true : null);
      asked();
      await ask();
      assert.equal(asked(), 1, by);
      for (let i = 0; i < 8; i++) assert.match(statusOf(await ask()), /; hit;/, by);
      assert.equal(asked(), 0, by);
    }
    assert.equal(await purge("url", urlOf("/nothing")), false);
    await assert.rejects(purge("url", "/page"), { code: "INVALID" });
    await assert.rejects(caches.purge("page", { by: "all", text: "", isSoft: false }), {
      code: "CACHE_NOT_FOUND",
      message: 'there is no cache "page": did you mean pages?',
    });
    await purge("tag", "news", true);
    // Served once more, and fetched anew behind that.
    assert.match(statusOf(await ask()), /; hit;/);
    await until("it is fetched", () => origin.requests.length === 1);
    asked();
    await until("it is fresh", async () => {
      const [stored] = await caches.lookUp("pages", urlOf("/page"), []);
      return stored?.isPurged === false;
    });
  });
});

test("a thread that crashes loses neither what is stored nor keeps others waiting for what it fetched", async () => {
  await using directory = await createTemporaryDirectory();
  await using origin = await startPages();
  const toxics = [await writeDeadlyToxic(directory)];
  const disk = `disk: { path: ${JSON.stringify(directory.join("cache"))}, size: 16MiB }`;
  const text = configuration(origin, "pages", `pages: { memory: 4MiB, ${disk} }`);
  await using sluice = await Reloading.start(text, 1, { toxics });
  const { running } = sluice;
  const port = sluice.port(0);
  await get(port, "/page");
  await using held = await connectRaw(port);
  void held.write("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
  await origin.request(1);
  await running.steering.addToxic("web", {
    ...{ name: "bad", type: "deadly", stream: "upstream", toxicity: 1, attributes: {} },
  });
  await get(port, "/page").catch(() => undefined);
  await until("it has crashed", () => running.counters.workerCrashes > 0);
  await running.steering.removeToxic("web", "bad");
  assert.match(statusOf(await get(port, "/page")), /; hit;/);
  const again = get(port, "/held");
  await origin.request(2);
  origin.release();
  assert.equal((await again).body.toString(), "held back");
});

test("hosts that share a cache don't push one another out", async () => {
  await using origin = await startOrigin();
  const body = Buffer.alloc(50_000);
  for (let i = 0; i < 80; i++)
    origin.handle(`/${i}`, ({ response }) => {
      response.setHeader("Cache-Control", "max-age=60");
      response.end(body);
    });
  const text = configuration(origin, "pages", "pages: { memory: 2MiB, host_share: 25% }");
  await using sluice = await Reloading.start(text, 0);
  const ask = async (host: string, count: number, isThere: boolean): Promise<void> => {
    await using client = await connectRaw(sluice.port(0));
    for (let i = 0; i < count; i++) {
      const response = await client.exchange(`GET /${i} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.match(statusOf(response), isThere ? /; hit;/ : /; stored/, `${host}/${i}`);
    }
  };
  await ask("loud.example", 8, false);
  await ask("quiet.example", 20, false);
  await ask("loud.example:81", 8, false);
  await ask("very-loud.example", 80, false);
  await ask("quiet.example", 20, true);
});

describe("PURGE", () => {
  test("takes a URL out of the cache for those who may, and says whether it was there", async () => {
    await using origin = await startPages();
    const text = configuration(origin, "{ use: pages, purge_from: 127.0.0.1 }");
    await using sluice = await Reloading.start(text, 0);
    const purge = async (localAddress = "127.0.0.1"): Promise<number> => {
      await using client = await connectRaw(sluice.port(0), { localAddress });
      return (await client.exchange("PURGE /page HTTP/1.1\r\nHost: a.example\r\n\r\n")).status;
    };
    await get(sluice.port(0), "/page");
    assert.equal(await purge("127.0.0.2"), 403);
    assert.match(statusOf(await get(sluice.port(0), "/page")), /; hit;/);
    assert.deepEqual([await purge(), await purge()], [200, 404]);
    assert.match(statusOf(await get(sluice.port(0), "/page")), /; stored/);
    assert.equal(origin.requests.length, 2);
  });
});

test("limits, faults and toxics of a route are for what is stored as for anything", async () => {
  await using origin = await startPages();
  await using sluice = await Reloading.start(
    `
caches: { pages: 4MiB }
listeners:
  - bind: 127.0.0.1:0
    cache: pages
    upstream: "${origin.address}"
    limits: { requests: { limit: 3, per: 1m, by: { header: x-client } } }
    faults: [{ name: busy, match: { header: { x-unlucky: "1" } }, abort: { status: 503 } }]
  - bind: 127.0.0.1:0
    cache: pages
    upstream: "${origin.address}"
    toxics: [{ type: limit_data, stream: downstream, attributes: { bytes: 20 } }]
`,
    1,
  );
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await get(sluice.port(0), "/page", "X-Client: 1")).status);
  const unlucky = await get(sluice.port(0), "/page", "X-Unlucky: 1");
  assert.deepEqual([...statuses, unlucky.status], [200, 200, 200, 429, 503]);
  for (let i = 0; i < 2; i++) await assert.rejects(get(sluice.port(1), "/page"));
  assert.equal(origin.requests.length, 1);
});

test("commands show caches, what is stored, and purge it", async () => {
  await using directory = await createTemporaryDirectory();
  await using origin = await startPages();
  const api = await freePort();
  const text = `admin: ${api}\n${configuration(origin, "pages")}`;
  const file = await directory.write("sluice.yaml", text);
  await using sluice = await startInside(["run", file]);
  const cache = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runInside(["cache", ...args, "--host", `http://127.0.0.1:${api}`]);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    return stdout;
  };
  const url = `http://127.0.0.1:${sluice.port}/page`;
  for (let i = 0; i < 2; i++) assert.equal(await (await fetch(url)).text(), "a page");
  assert.match(await cache("list"), /^Caches\nNAME +HIT RATE .*\npages +50\.0% +1 /);
  assert.match(
    await cache("lookup", url),
    new RegExp(`^${RegExp.escape(url)}\n200, .*, fresh for .*\ntags: news\n`),
  );
  assert.equal(await cache("purge", url), `Purged ${url} in pages\n`);
  assert.equal(await cache("purge", url), `Nothing was stored for ${url}\n`);
  assert.equal(await cache("lookup", url), "Nothing is stored for that.\n");
  assert.equal(
    await cache("purge", "--tag", "news", "--soft", "--json"),
    '{"found":null,"everywhere":true}\n',
  );
  const { stderr } = await runInside([
    "cache",
    "purge",
    "--all",
    "--cache",
    "page",
    "-h",
    `127.0.0.1:${api}`,
  ]);
  assert.match(stderr, /there is no cache "page": did you mean pages\?/);
});

test("the example does what it says", async () => {
  await using origin = await startOrigin();
  for (const path of ["/account/1", "/static/a.js", "/news/1"])
    origin.handle(path, ({ response }) => {
      if (!path.startsWith("/news")) response.setHeader("Cache-Control", "max-age=60");
      response.end(path);
    });
  const env = { BIND: "127.0.0.1:0", APP: origin.address, ADMIN: `127.0.0.1:${await freePort()}` };
  await using sluice = await startInside(["run", "examples/caching.yaml"], env);
  const ask = async (path: string): Promise<string | null> => {
    const response = await sluice.fetch(path);
    await response.text();
    return response.headers.get("cache-status");
  };
  assert.deepEqual([await ask("/account/1"), await ask("/account/1")], [null, null]);
  await ask("/static/a.js?v=1");
  assert.match((await ask("/static/a.js?v=2")) ?? "", /; hit;/);
  await ask("/news/1?b=2&a=1&utm_source=x");
  assert.match((await ask("/news/1?a=1&b=2")) ?? "", /; hit;/);
  assert.equal((await sluice.fetch("/news/1?b=2&a=1", { method: "PURGE" })).status, 200);
  assert.match((await ask("/news/1?a=1&b=2")) ?? "", /; fwd=uri-miss;/);
});
