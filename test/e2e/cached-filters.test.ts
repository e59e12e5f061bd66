import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { startInside } from "./inside.ts";
import { get } from "./sluice.ts";

/** Writes down where it is called, with the context that it began with. */
const TRACE = `
import { defineFilter } from "sluice";

let count = 0;

export default defineFilter((name: unknown) => ({
  newContext: () => ({ number: ++count }),
  upstreamRequestFilter: ({ context }, { headers }) => headers.append("X-Sent", name + String(context.number)),
  upstreamResponseFilter({ context }, { headers }) {
    headers.delete("content-length");
    headers.append("X-Fetched", name + String(context.number));
  },
  upstreamResponseBodyFilter: ({ context }, chunk) => chunk === null ? " fetched by " + name + context.number : chunk,
  responseFilter: ({ context, cache }, { headers }) => {
    headers.delete("content-length");
    headers.append("X-Answered", name + String(context.number) + " " + cache.phase);
  },
  responseBodyFilter: ({ context }, chunk) => chunk === null ? ", answered by " + name + context.number : chunk,
}));
`;

/** Decides about the cache by what requests and its config say. */
const DECIDES = `
import { defineFilter } from "sluice";

const valueOf = (session, name: string) => session.request.headers.get(name);

export default defineFilter((name: string) => ({
  cacheKey: async (session, key) => valueOf(session, "x-key") === null ? undefined : key + "\\n" + name,
  cacheVaryFilter(session) {
    const text = valueOf(session, "x-vary-" + name);
    return text === "object" ? { device: "phone" } : text;
  },
  cacheHitFilter: async (session) => valueOf(session, "x-hit-" + name),
  cacheMiss(session) {
    if (valueOf(session, "x-miss") === name) session.cache.disable(name);
  },
  responseCacheFilter(session) {
    const told = valueOf(session, "x-store-" + name);
    return told === null ? undefined : told === "no" ? "no-" + name : { lifetime: Number(told), tags: [name] };
  },
  shouldServeStale: (session) => valueOf(session, "x-stale-" + name) === null,
}));
`;

/** A listener with a cache, a filter of its own, and another one on its route. */
async function write(folder: TemporaryDirectory, filter: string, server: string): Promise<string> {
  await folder.write("filter.ts", filter);
  return await folder.write(
    "sluice.yaml",
    `
filters:
  outer: { module: ./filter.ts, config: o }
  inner: { module: ./filter.ts, config: i }
listeners:
  - bind: "127.0.0.1:0"
    cache: 4MiB
    filters: [outer]
    routes:
      - { filters: [inner], upstream: "${server}" }
`,
  );
}

test("filters before a cache make what is stored, those behind it what each client gets", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startOrigin();
  let sent: unknown;
  origin.handle("/a", ({ request, response }) => {
    sent = request.headers["x-sent"];
    response.setHeader("Cache-Control", "max-age=60");
    response.end("body");
  });
  await using sluice = await startInside(["run", await write(folder, TRACE, origin.address)]);
  const answers = [await get(sluice.port, "/a"), await get(sluice.port, "/a")];
  assert.equal(sent, "o1, i2");
  const told = answers.map((answer) => [
    ...[answer.header("x-fetched"), answer.header("x-answered"), answer.body.toString()],
  ]);
  assert.deepEqual(told, [
    ["i2, o1", "i2 miss, o1 miss", "body fetched by i2 fetched by o1, answered by i2, answered by o1"],
    ["i2, o1", "i4 hit, o3 hit", "body fetched by i2 fetched by o1, answered by i4, answered by o3"],
  ]);
});

test("filters of a listener and of a route decide about its cache together", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startOrigin();
  let count = 0;
  origin.handle("/a", ({ response }) => {
    response.setHeader("ETag", '"v"');
    response.end(`${++count}`);
  });
  await using sluice = await startInside(["run", await write(folder, DECIDES, origin.address)]);
  const ask = async (...fields: readonly string[]): Promise<readonly [string, string]> => {
    const answer = await get(sluice.port, "/a", ...fields);
    return [answer.body.toString(), (answer.header("cache-status") ?? "").replace(/; ttl=\d+/, "")];
  };
  const miss = "sluice; fwd=uri-miss; stored";
  const hit = "sluice; hit";
  assert.deepEqual(await ask("X-Store-o: 50", "X-Store-i: 90"), ["1", miss]);
  assert.deepEqual(await ask(), ["1", hit]);
  const [status = ""] = (await get(sluice.port, "/a")).header("cache-status")?.match(/ttl=\d+/) ?? [];
  assert.match(status, /^ttl=(49|50)$/, "that of the listener's has the last word");
  assert.deepEqual(await ask("X-Store-o: no", "X-Store-i: 90", "X-Hit-i: miss"), [
    "2",
    "sluice; fwd=uri-miss; detail=no-o",
  ]);
  assert.deepEqual(await ask("X-Key: 1", "X-Store-i: 9"), ["3", miss], "a key of both");
  assert.deepEqual(await ask("X-Key: 1"), ["3", hit]);
  assert.deepEqual(await ask("X-Hit-i: pass"), ["4", "sluice; fwd=bypass; detail=hit-filter"]);
  assert.deepEqual(await ask("X-Key: 1", "X-Hit-i: pass", "X-Hit-o: expired", "X-Store-i: 9"), [
    "5",
    "sluice; fwd=stale; stored",
  ]);
  const other = ["X-Key: 2", "X-Vary-o: x", "X-Hit-o: miss", "X-Store-i: 9"];
  assert.deepEqual(await ask(...other), ["6", miss], "its key leads to a list of variants now");
  assert.deepEqual(await ask(...other.slice(0, 2)), ["6", hit]);
  assert.equal(
    (await ask("X-Key: 2", "X-Vary-i: x", "X-Store-i: 9"))[0],
    "7",
    "the same word of another filter",
  );
  assert.deepEqual(await ask(...other.slice(0, 2)), ["6", hit]);
  assert.deepEqual(await ask("X-Key: 2", "X-Vary-o: y", "X-Miss: i"), ["8", "sluice; fwd=bypass; detail=i"]);
  assert.equal((await get(sluice.port, "/a", "X-Vary-o: object")).status, 500);
});
