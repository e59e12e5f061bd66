import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import type { OriginResponse } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { Reloading } from "./reloading.ts";
import { get } from "./sluice.ts";

/** Longer than what memory takes of one response, and than a block on disk. */
const LONG = patternBytes(600_000, 0, 3);
const SLOW = LONG.subarray(0, 300_000);
const MIB = 1024 * 1024;

/** What a cache is kept in. The memory takes no entry above 512 KiB. */
const KINDS = {
  memory: "memory: 4MiB",
  disk: "memory: off, disk: { path: DISK, size: 64MiB }",
  tiered: "memory: 4MiB, disk: { path: TIERED, size: 64MiB }",
} as const;
type Kind = keyof typeof KINDS;
const kinds = Object.keys(KINDS) as Kind[];

/** An origin whose pages are good for a minute, and tell how often they were asked for. */
async function startPages(): Promise<Origin> {
  const origin = await startOrigin();
  const times = new Map<string, number>();
  const answer = (response: OriginResponse, path: string): void => {
    times.set(path, (times.get(path) ?? 0) + 1);
    response.setHeader("Cache-Control", "max-age=60, stale-while-revalidate=60");
    response.setHeader("Cache-Tag", "news");
    response.setHeader("ETag", '"one"');
    response.end(`${path} for the ${times.get(path)}. time`);
  };
  for (const path of ["/probe", "/page", "/other", "/docs/a"])
    origin.handle(path, ({ request, response }) => {
      if (request.method === "GET") answer(response, path);
      else response.end("changed");
    });
  origin.handle("/long", ({ response }) => {
    response.setHeader("Cache-Control", "max-age=60");
    response.setHeader("Content-Length", LONG.length);
    response.end(LONG);
  });
  origin.handle("/vary", ({ request, response }) => {
    response.setHeader("Cache-Control", "max-age=60");
    response.setHeader("Vary", "Accept-Language");
    response.end(`in ${request.headers["accept-language"]}`);
  });
  // Comes in two parts, and nobody knows how long it is.
  origin.handle("/slow", ({ response, hold }) => {
    response.setHeader("Cache-Control", "max-age=60");
    (response as ServerResponse).write(SLOW.subarray(0, 200_000));
    hold(() => response.end(SLOW.subarray(200_000)));
  });
  // Stale at once, but as it was.
  origin.handle("/checked", ({ request, response }) => {
    response.setHeader("Cache-Control", "max-age=0");
    response.setHeader("ETag", '"same"');
    response.statusCode = request.headers["if-none-match"] === '"same"' ? 304 : 200;
    response.end(response.statusCode === 304 ? "" : "the same");
  });
  return origin;
}

function configuration(origin: Origin, folder: TemporaryDirectory, some: readonly Kind[] = kinds): string {
  const toPath = (name: string): string => JSON.stringify(folder.join(name.toLowerCase()));
  const caches = some.map((kind) => `  ${kind}: { ${KINDS[kind].replace(/DISK|TIERED/, toPath)} }`);
  const listeners = some.map(
    (kind) =>
      `  - { name: ${kind}, bind: "127.0.0.1:0", cache: { use: ${kind}, purge_from: 127.0.0.1 }, upstream: "${origin.address}" }`,
  );
  return `caches:\n${caches.join("\n")}\nlisteners:\n${listeners.join("\n")}\n`;
}

/** Nothing is written until all is known that a folder has. */
async function untilKept(sluice: Reloading, index: number): Promise<void> {
  await until(
    "it is kept",
    async () => statusOf(await get(sluice.port(index), "/probe")) !== "fwd=uri-miss; detail=store",
  );
}

/** How it came about, without times. */
function statusOf(response: RawResponse): string {
  return (response.header("cache-status") ?? "").replace(/^sluice; /, "").replace(/; ttl=-?\d+/, "");
}

describe("what is kept is answered in the same way wherever it is", () => {
  let folder: TemporaryDirectory;
  let origin: Origin;
  let sluice: Reloading;
  before(async () => {
    folder = await createTemporaryDirectory();
    origin = await startPages();
    sluice = await Reloading.start(configuration(origin, folder), 0);
    for (const index of kinds.keys()) await untilKept(sluice, index);
    origin.requests.length = 0;
  });
  after(async () => {
    await sluice[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  for (const [index, kind] of kinds.entries()) {
    const ask = (path: string, ...fields: readonly string[]): Promise<RawResponse> =>
      get(sluice.port(index), path, ...fields);
    const exchange = async (method: string, path: string, ...fields: string[]): Promise<RawResponse> => {
      await using client = await connectRaw(sluice.port(index));
      const lines = [`${method} ${path} HTTP/1.1`, "Host: a.example", ...fields, "", ""];
      return await client.exchange(lines.join("\r\n"), { method });
    };
    const asked = (): number => origin.requests.splice(0).length;
    const purge = (by: "url" | "prefix" | "tag" | "all", text: string, isSoft = false): Promise<unknown> =>
      sluice.running.caches.purge(kind, { by, text, isSoft });

    test(`${kind}: whole, in parts, without body, or not at all`, async () => {
      for (const path of ["/long", "/page"]) {
        const first = await ask(path);
        // Alone, the memory doesn't take one as long.
        const isKept = path === "/page" || kind !== "memory";
        assert.equal(statusOf(first), `fwd=uri-miss; ${isKept ? "stored" : "detail=store"}`);
        if (!isKept) continue;
        asked();
        const whole = await ask(path);
        assert.equal(statusOf(whole), "hit");
        assert.ok(whole.body.equals(first.body));
        const part = await ask(path, "Range: bytes=2-7");
        assert.deepEqual([part.status, part.body], [206, first.body.subarray(2, 8)]);
        const parts = await ask(path, "Range: bytes=0-1,-2");
        assert.equal(parts.status, 206);
        const head = await exchange("HEAD", path);
        assert.equal(head.header("content-length"), `${first.body.length}`);
      }
      assert.equal((await ask("/page", 'If-None-Match: "one"')).status, 304);
      assert.equal(asked(), 0);
    });

    test(`${kind}: in variants, and after the server was asked whether it holds`, async () => {
      asked();
      for (const language of ["en", "de", "en", "de"]) {
        const { body } = await ask("/vary", `Accept-Language: ${language}`);
        assert.equal(body.toString(), `in ${language}`);
      }
      assert.equal(asked(), 2);
      const statuses = [];
      for (let i = 0; i < 3; i++) statuses.push(statusOf(await ask("/checked")));
      const checked = "fwd=stale; fwd-status=304; stored";
      assert.deepEqual(statuses.slice(1), [checked, checked]);
      asked();
    });

    test(`${kind}: while it comes, to all who ask`, async () => {
      await using early = await connectRaw(sluice.port(index));
      await early.write("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
      await origin.request(0);
      const all = Promise.all([early.readResponse(), ask("/slow"), ask("/slow")]);
      await until("all wait", () => sluice.running.counters.requestsActive === 3);
      origin.release();
      for (const { body } of await all) assert.ok(body.equals(SLOW));
      assert.equal(asked(), 1);
    });

    test(`${kind}: until it is purged, or changed`, async () => {
      const isAsked = async (path: string): Promise<boolean> => {
        asked();
        await ask(path);
        return asked() === 1;
      };
      await ask("/page");
      await ask("/other");
      await ask("/docs/a");
      await purge("url", "http://a.example/page");
      assert.deepEqual([await isAsked("/page"), await isAsked("/other")], [true, false]);
      await purge("prefix", "http://a.example/docs/");
      assert.deepEqual([await isAsked("/docs/a"), await isAsked("/page")], [true, false]);
      await purge("tag", "news");
      assert.deepEqual([await isAsked("/page"), await isAsked("/vary")], [true, true]);
      await purge("all", "");
      assert.equal(await isAsked("/page"), true);
      assert.deepEqual(
        [(await exchange("PURGE", "/page")).status, (await exchange("PURGE", "/page")).status],
        [200, 404],
      );
      assert.equal(await isAsked("/page"), true);
      await exchange("POST", "/page", "Content-Length: 0");
      assert.equal(await isAsked("/page"), true);
      await purge("tag", "news", true);
      // Served once more, and fetched anew behind that.
      assert.equal(statusOf(await ask("/page")), "hit");
      await until("it is fetched", () => origin.requests.length === 1);
      await until("it is fresh", async () => {
        const [stored] = await sluice.running.caches.lookUp(kind, "http://a.example/page", []);
        return stored?.isPurged === false && stored.isComplete;
      });
      asked();
    });

    test(`${kind}: and is told of`, () => {
      const report = sluice.running.caches.list().find(({ name }) => name === kind)!;
      const there = report.stores.map(({ kind: one, mostBytes, entries }) => [
        one,
        Math.ceil(mostBytes / MIB),
        entries > 0,
      ]);
      const memory = ["memory", 4, true];
      const disk = ["disk", 64, true];
      assert.deepEqual(there, { memory: [memory], disk: [disk], tiered: [memory, disk] }[kind]);
    });
  }
});
