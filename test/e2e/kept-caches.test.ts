import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { startRunning } from "../../src/control/running.ts";
import { toInheritance } from "../../src/control/upgrade/inheritance.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import type { OriginResponse } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { Reloading, toSpec } from "./reloading.ts";
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

/** The disk kind alone, or memory before it. */
const restarted: readonly Kind[] = ["disk", "tiered"];

test("a restart keeps what is on disk, and undoes no purge and no change", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startPages();
  const text = configuration(origin, folder, restarted);
  const pages = ["/page", "/other", "/docs/a", "/vary", "/long"];
  {
    await using sluice = await Reloading.start(text, 0);
    for (const index of restarted.keys()) {
      await untilKept(sluice, index);
      for (const path of pages) await get(sluice.port(index), path);
      await using client = await connectRaw(sluice.port(index));
      await client.exchange("POST /page HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
      const [name] = [restarted[index]!];
      await sluice.running.caches.purge(name, { by: "url", text: "http://a.example/other", isSoft: false });
      await sluice.running.caches.purge(name, { by: "prefix", text: "http://a.example/docs", isSoft: true });
    }
  }
  origin.requests.length = 0;
  await using sluice = await Reloading.start(text, 0);
  for (const index of restarted.keys()) {
    const statuses: string[] = [];
    for (const path of pages) statuses.push(statusOf(await get(sluice.port(index), path)));
    const [changed, purged, stale, ...kept] = statuses;
    for (const status of [changed, purged]) assert.match(status!, /^fwd=uri-miss/);
    // Its time isn't over, but that of the purge: it may be served while it is fetched.
    assert.equal(stale, "hit");
    assert.deepEqual(kept, ["hit", "hit"]);
    await until("it is fetched", () => origin.requests.some(({ url }) => url === "/docs/a"));
    origin.requests.length = 0;
  }
});

test("reloads add, change and remove folders, or leave all as it was", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startPages();
  const memory = configuration(origin, folder, ["memory"]);
  const tiered = configuration(origin, folder, ["tiered"])
    .replaceAll("tiered:", "memory:")
    .replaceAll(" tiered", " memory");
  await using sluice = await Reloading.start(memory, 0);
  const ask = async (path: string): Promise<string> => statusOf(await get(sluice.port(0), path));
  await ask("/page");
  await folder.write("tiered/diary", "dear diary");
  await assert.rejects(
    sluice.reload(tiered),
    /tiered holds files that aren't the cache's \(diary\): name an empty one/,
  );
  assert.equal(await ask("/page"), "hit");
  await rm(folder.join("tiered/diary"));
  const { notes } = await sluice.reload(tiered);
  assert.deepEqual(
    notes.map(({ path }) => path),
    ["caches[memory]"],
  );
  await untilKept(sluice, 0);
  await ask("/long");
  // Another size: the folder goes from one index to the next, with what is in it.
  await sluice.reload(tiered.replace("64MiB", "32MiB"));
  await until("it is there again", async () => (await ask("/long")) === "hit");
  await sluice.reload(memory);
  assert.match(await ask("/long"), /detail=store/);
  await sluice.reload(tiered);
  await until("it is there again", async () => (await ask("/long")) === "hit");
});

test("a successor has the folder when the process before lets go of it, with its purges", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startPages();
  const text = configuration(origin, folder, ["disk"]).replace(
    "127.0.0.1:0",
    `127.0.0.1:${await freePort()}`,
  );
  await using old = await Reloading.start(text, 0);
  await untilKept(old, 0);
  const port = old.port(0);
  for (const path of ["/page", "/other", "/docs/a"]) await get(port, path);
  const inherited = toInheritance(await old.running.estate(), [], undefined, process.pid);
  const running = await startRunning(toSpec(text), 0, pino({ level: "silent" }), inherited);
  try {
    // Each is purged where the folder is, and where it isn't yet.
    await old.running.caches.purge("disk", { by: "url", text: "http://a.example/page", isSoft: false });
    await running.caches.purge("disk", { by: "url", text: "http://a.example/other", isSoft: false });
    old.running.succeed();
    await old.running.retire(0);
    assert.match(statusOf(await get(port, "/page")), /^fwd=uri-miss/);
    await until("it is there", async () => statusOf(await get(port, "/docs/a")) === "hit");
    assert.match(statusOf(await get(port, "/other")), /^fwd=uri-miss/);
  } finally {
    await running.stop();
  }
});
