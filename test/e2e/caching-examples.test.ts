import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { testCacheStore } from "../../src/cache/store.contract.ts";
import type { CacheStore } from "../../src/cache/store.ts";
import { loadProgram } from "../../src/worker/program-loader.ts";
import { startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { startInside } from "./inside.ts";
import { get, startListening } from "./sluice.ts";

const examples = join(import.meta.dirname, "..", "..", "examples");
const store = join(examples, "/own-store.ts");

describe("the example", () => {
  test("own-caching decides what its cache is asked, what is stored, and who may purge, in two threads", async () => {
    await using origin = await startOrigin();
    let count = 0;
    for (const path of ["/pages/1", "/pages/none", "/pages/draft", "/articles/a", "/account/me"])
      origin.handle(path, ({ response }) => {
        response.statusCode = path === "/pages/none" ? 404 : 200;
        if (path !== "/pages/none") response.setHeader("Cache-Control", "max-age=60");
        if (path === "/pages/draft") response.setHeader("X-Draft", "1");
        response.end(`${++count}`);
      });
    const args = ["run", join(examples, "/own-caching.ts"), "--bind", "127.0.0.1:0", "--threads", "2"];
    await using sluice = await startListening(args, { env: { ORIGIN: origin.address } });
    const body = async (path: string, ...fields: readonly string[]): Promise<string> =>
      (await get(sluice.port, path, ...fields)).body.toString();
    // Each on a connection of its own, which one or the other of the threads takes.
    for (let i = 0; i < 12; i++) assert.equal(await body("/pages/1"), "1");
    await sluice.program.line(/^GET \/pages\/1: hit$/);
    assert.equal(await body("/pages/1", "Cookie: a=b; beta=1"), "2");
    assert.deepEqual([await body("/pages/none"), await body("/pages/none")], ["3", "3"]);
    assert.deepEqual([await body("/pages/draft"), await body("/pages/draft")], ["4", "5"]);
    await sluice.program.line(/^GET \/pages\/draft: miss \(draft\)$/);
    assert.equal(await body("/articles/a?page=1&utm=x"), await body("/articles/a?utm=y&page=1"));
    assert.notEqual(await body("/account/me"), await body("/account/me"));
    assert.equal((await purge(sluice.port, "/pages/1")).status, 200);
    assert.equal(await body("/pages/1", "Cookie: beta=1"), "9");
  });

  test("own-store keeps responses in a Map", async () => {
    await using origin = await startOrigin();
    let count = 0;
    origin.handle("/a", ({ response }) => {
      response.setHeader("Cache-Control", "max-age=60");
      response.end(`${++count}`);
    });
    await using sluice = await startInside(["run", store, "--bind", "127.0.0.1:0"], {
      ORIGIN: origin.address,
    });
    for (let i = 0; i < 2; i++) assert.equal((await get(sluice.port, "/a")).body.toString(), "1");
  });
});

async function purge(port: number, path: string): Promise<RawResponse> {
  await using client = await connectRaw(port);
  return await client.exchange(`PURGE ${path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`);
}

testCacheStore(
  "that of an example",
  async ({ mostBytes, mostEntryBytes }) => {
    // So that `sluice` leads where it does for programs.
    await loadProgram(store);
    const { MapStore } = (await import(store)) as {
      readonly MapStore: new (mostBytes: number, mostEntryBytes: number) => CacheStore;
    };
    return { store: new MapStore(mostBytes, mostEntryBytes) };
  },
  { runs: 3 },
);
