import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { CacheError, type Caches, type PurgeOrder, type PurgeReport } from "../../control/caches.ts";
import { CachesApi } from "./caches-api.ts";

/** Caches that are one, `pages`, and note what they are asked. */
class FakeCaches implements Caches {
  readonly purges: PurgeOrder[] = [];

  list(): ReturnType<Caches["list"]> {
    const counts = { hits: 5, stale: 1, revalidated: 1, collapsed: 2, stored: 3, passed: 4, failed: 0 };
    const store = { entries: 3, bytes: 900, evictions: 0, refused: 0, failures: 0 };
    const bounds = { mostBytes: 1000, mostEntryBytes: 125 };
    const stores = [{ kind: "memory", ...store, ...bounds }];
    const redis = { url: "redis://10.0.0.1", isAway: false, counts: { found: 1, missed: 2, errors: 3 } };
    return [{ name: "pages", ...store, ...bounds, stores, counts, redis }];
  }

  purge(name: string, order: PurgeOrder): Promise<PurgeReport> {
    if (name !== "pages") throw new CacheError("CACHE_NOT_FOUND", `there is no cache ${name}`);
    this.purges.push(order);
    return Promise.resolve({ found: order.by === "url" ? true : null, isEverywhere: !order.isSoft });
  }

  lookUp(
    _: string,
    url: string,
    headers: readonly (readonly [string, string])[],
  ): ReturnType<Caches["lookUp"]> {
    const stored = { status: 200, age: 5, ttl: 55, isPurged: false, isComplete: true, bytes: 6 };
    return Promise.resolve([{ key: url, ...stored, tags: ["news"], headers }]);
  }
}

class Paper {
  readonly caches = new FakeCaches();
  readonly #api = new CachesApi(this.caches);

  /** Status and what the JSON says; null for a path of others. */
  async ask(method: string, path: string, body = ""): Promise<{ status: number; json: unknown } | null> {
    const reply = await this.#api.handle(apiRequest(method, path, body));
    if (reply === null) return null;
    const text = String(reply.body);
    return { status: reply.status, json: text === "" ? null : JSON.parse(text) };
  }

  purge(order: unknown): Promise<{ status: number; json: unknown } | null> {
    return this.ask("POST", "/caches/pages/purge", typeof order === "string" ? order : JSON.stringify(order));
  }
}

describe("caches", () => {
  test("are listed, with names that are written like others of the API", async () => {
    const { status, json } = (await new Paper().ask("GET", "/caches"))!;
    assert.equal(status, 200);
    const counts = { hits: 5, stale: 1, revalidated: 1, collapsed: 2, stored: 3, passed: 4, failed: 0 };
    const store = { entries: 3, bytes: 900, evictions: 0, refused: 0, failures: 0 };
    const bounds = { most_bytes: 1000, most_entry_bytes: 125 };
    const stores = [{ kind: "memory", ...store, ...bounds }];
    const redis = { url: "redis://10.0.0.1", away: false, counts: { found: 1, missed: 2, errors: 3 } };
    assert.deepEqual(json, [{ name: "pages", ...store, ...bounds, stores, counts, redis }]);
  });

  test("leave other paths to others, and know no other methods", async () => {
    const paper = new Paper();
    for (const path of ["/", "/cache", "/caches/pages", "/proxies"])
      assert.equal(await paper.ask("GET", path), null);
    assert.equal((await paper.ask("DELETE", "/caches"))!.status, 405);
    assert.equal((await paper.ask("GET", "/caches/pages/purge"))!.status, 405);
  });
});

describe("a purge", () => {
  const orders: readonly [said: object, meant: PurgeOrder, found: boolean | null][] = [
    [{ url: "http://a/" }, { by: "url", text: "http://a/", isSoft: false }, true],
    [{ prefix: "http://a/b", soft: true }, { by: "prefix", text: "http://a/b", isSoft: true }, null],
    [{ tag: "news", soft: false }, { by: "tag", text: "news", isSoft: false }, null],
    [{ all: true }, { by: "all", text: "", isSoft: false }, null],
  ];
  for (const [said, meant, found] of orders)
    test(`is ${JSON.stringify(said)}`, async () => {
      const paper = new Paper();
      assert.deepEqual(await paper.purge(said), { status: 200, json: { found, everywhere: !meant.isSoft } });
      assert.deepEqual(paper.caches.purges, [meant]);
    });

  const wrong = {
    "no JSON": "{",
    "no object": "[]",
    nothing: {},
    "two things at once": { url: "http://a/", tag: "b" },
    "an unknown member": { tga: "b" },
    "a text that is none": { url: 5 },
    "an empty text": { tag: "" },
    "all but not": { all: false },
    "soft in words": { all: true, soft: "yes" },
  };
  for (const [what, body] of Object.entries(wrong))
    test(`is refused with ${what}`, async () => {
      const paper = new Paper();
      const { status, json } = (await paper.purge(body))!;
      assert.equal(status, 400);
      assert.match((json as { error: string }).error, /^bad request body: /);
      assert.deepEqual(paper.caches.purges, []);
    });

  test("of a cache that isn't there is told with a code", async () => {
    assert.deepEqual(await new Paper().ask("POST", "/caches/others/purge", '{"all":true}'), {
      status: 404,
      json: { error: "there is no cache others", code: "CACHE_NOT_FOUND", status: 404 },
    });
  });
});

describe("a look-up", () => {
  test("is for a URL, and fields of a request", async () => {
    const query = new URLSearchParams([
      ["url", "http://a/?b=c"],
      ["header", "Accept-Language: de"],
    ]);
    const { status, json } = (await new Paper().ask("GET", `/caches/pages/lookup?${query}`))!;
    const stored = {
      key: "http://a/?b=c",
      status: 200,
      age: 5,
      ttl: 55,
      purged: false,
      complete: true,
      bytes: 6,
    };
    assert.deepEqual(
      [status, json],
      [200, [{ ...stored, tags: ["news"], headers: [["Accept-Language", "de"]] }]],
    );
  });

  test("is refused without a URL, and with what is no field", async () => {
    const paper = new Paper();
    assert.equal((await paper.ask("GET", "/caches/pages/lookup"))!.status, 400);
    assert.equal((await paper.ask("GET", "/caches/pages/lookup?url=http://a/&header=x"))!.status, 400);
  });
});
