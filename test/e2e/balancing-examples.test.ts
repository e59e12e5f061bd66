import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { get, type RunningSluice, startListening } from "./sluice.ts";

const root = join(import.meta.dirname, "..", "..");

/** A configuration of the examples on a port of its own. */
function run(name: string, env: Readonly<Record<string, string>>): Promise<RunningSluice> {
  const ports = { BIND: "127.0.0.1:0", ADMIN: "127.0.0.1:0" };
  return startListening(["run", join("examples", name), "--threads", "2"], {
    ...{ cwd: root, env: { ...ports, ...env } },
  });
}

/** Who answered, by the field that origins write. */
function originOf(response: RawResponse): string {
  return response.header("x-origin") ?? String(response.status);
}

async function post(port: number, path: string): Promise<RawResponse> {
  await using client = await connectRaw(port);
  return await client.exchange(
    `POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`,
  );
}

test("balancer.yaml keeps clients, splits by header, and survives a server", async () => {
  await using one = await startOrigin({ name: "one" });
  await using two = await startOrigin({ name: "two" });
  await using spare = await startOrigin({ name: "spare" });
  await using next = await startOrigin({ name: "next" });
  await using shadow = await startOrigin({ name: "shadow" });
  const servers = { SHOP1: one.address, SHOP2: two.address, SPARE: spare.address, NEW: next.address };
  await using sluice = await run("balancer.yaml", { ...servers, SHADOW: shadow.address });
  const ask = async (path: string, ...fields: readonly string[]): Promise<RawResponse> =>
    await get(sluice.port, path, ...fields);

  assert.equal(originOf(await ask("/", "X-Version: next")), "next");
  const assets = new Set<string>();
  for (let i = 0; i < 6; i++) assets.add(originOf(await ask("/assets/logo.svg")));
  assert.equal(assets.size, 1);

  let mine = await ask("/");
  for (let i = 0; mine.header("set-cookie") === undefined && i < 100; i++) mine = await ask("/");
  const [cookie = ""] = (mine.header("set-cookie") ?? "").split(";");
  assert.match(cookie, /^shop_server=/);
  const home = originOf(mine);
  assert.ok(["one", "two"].includes(home));
  const stays = new Set<string>();
  for (let i = 0; i < 20; i++) stays.add(originOf(await ask("/", `Cookie: ${cookie}`)));
  stays.delete("next");
  assert.deepEqual([...stays], [home]);

  await (home === "one" ? one : two)[Symbol.asyncDispose]();
  for (let i = 0; i < 20; i++) {
    const response = await ask("/", `Cookie: ${cookie}`);
    assert.equal(response.status, 200);
    assert.notEqual(originOf(response), home);
  }
});

test("limits.yaml lets five log in a minute, wherever they try", async () => {
  await using one = await startOrigin();
  await using two = await startOrigin();
  await using sluice = await run("limits.yaml", { APP1: one.address, APP2: two.address });
  const statuses: number[] = [];
  for (const path of ["/login", "/api/login", "/login", "/api/login", "/login", "/api/login", "/login"])
    statuses.push((await post(sluice.port, path)).status);
  assert.deepEqual(statuses.slice(5), [429, 429]);
  assert.ok(!statuses.slice(0, 5).includes(429));
  assert.notEqual((await get(sluice.port, "/login")).status, 429);
});
