import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { get } from "./sluice.ts";
import { portOf } from "./toxiproxy.ts";

/** A balancer over the servers that a file names. */
class Stage implements AsyncDisposable {
  readonly balancer: Balancer;
  readonly #path: string;
  readonly #rest: AsyncDisposable;

  constructor(balancer: Balancer, path: string, rest: AsyncDisposable) {
    this.balancer = balancer;
    this.#path = path;
    this.#rest = rest;
  }

  /** Changes the file, at once and whole. */
  async name(...origins: readonly Origin[]): Promise<void> {
    await writeFile(`${this.#path}.new`, listOf(origins));
    await rename(`${this.#path}.new`, this.#path);
    const wanted = origins.map(({ address }) => address).toSorted();
    await until("the servers are known", async () => {
      const known = (await this.balancer.servers()).map(({ address }) => address).toSorted();
      return known.join() === wanted.join();
    });
  }

  /** Waits until so many requests are shared out like this: threads hear of other servers a moment later. */
  async shares(requests: number, wanted: Readonly<Record<string, number>>): Promise<void> {
    await until(`the shares are ${JSON.stringify(wanted)}`, async () => {
      const shares = await this.balancer.shares(requests);
      return isDeepStrictEqual(shares, wanted);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    await this.#rest[Symbol.asyncDispose]();
  }
}

function listOf(origins: readonly Origin[]): string {
  return JSON.stringify(origins.map(({ address }) => address));
}

async function startStage(threads: number, ...origins: readonly Origin[]): Promise<Stage> {
  await using rest = new AsyncDisposableStack();
  const directory = rest.use(await createTemporaryDirectory());
  const path = await directory.write("servers.json", listOf(origins));
  const balancer = await startBalancer({ threads, servers: [], upstream: [`discovery: { file: ${path} }`] });
  return new Stage(balancer, path, rest.move());
}

describe("servers that are found", () => {
  for (const threads of [0, 2]) {
    test(`come and go in all threads and disturb nothing that is under way, with ${threads} threads`, async () => {
      await using a = await startOrigin({ name: "a" });
      await using b = await startOrigin({ name: "b" });
      await using stage = await startStage(threads, a);
      const { balancer } = stage;
      assert.deepEqual(await balancer.shares(4), { a: 4 });
      const held = get(balancer.sluice.port, "/held");
      await a.request(4);
      await stage.name(a, b);
      await stage.shares(12, { a: 6, b: 6 });
      await stage.name(b);
      await stage.shares(12, { b: 12 });
      a.release();
      assert.equal((await held).status, 200);
      await stage.name(a, b);
      await stage.shares(12, { a: 6, b: 6 });
      assert.equal(balancer.logged("An upstream has other servers").length, 4);
    });
  }

  test("are looked for before anything is listened on", async () => {
    await using origin = await startOrigin({ name: "a" });
    const bind = `127.0.0.1:${await freePort()}`;
    origin.handle("/servers", ({ response, hold }) => hold(() => response.end(listOf([origin]))));
    const upstream = [`discovery: { http: "${origin.url}/servers" }`];
    const starting = startBalancer({ threads: 1, servers: [], bind, upstream });
    await origin.request(0);
    await assert.rejects(connectRaw(portOf(bind)), { code: "ECONNREFUSED" });
    origin.release();
    await using balancer = await starting;
    assert.deepEqual(await balancer.shares(2), { a: 2 });
  });

  test("are not waited for when their source doesn't answer", async () => {
    await using origin = await startOrigin({ name: "a" });
    origin.handle("/servers", () => undefined);
    const upstream = [`discovery: { http: "${origin.url}/servers", timeout: 1m }`];
    await using balancer = await startBalancer({ threads: 0, servers: [origin.address], upstream });
    assert.deepEqual(await balancer.shares(2), { a: 2 });
    assert.equal(balancer.logged("Not all servers could be looked for yet: what is known is used").length, 1);
  });

  test("that can't be looked up are told of in the log and the status", async () => {
    const upstream = ["discovery: { file: /nowhere/servers.json }"];
    await using balancer = await startBalancer({ threads: 0, servers: [], upstream });
    assert.deepEqual(await balancer.shares(1), { 503: 1 });
    const { stdout } = await balancer.run("status");
    assert.match(stdout, /^can't look up servers: file \/nowhere\/servers\.json: .*\nno servers\n/m);
    assert.equal(balancer.logged("An upstream's servers can't be looked up").length, 1);
  });
});
