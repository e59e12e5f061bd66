import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../kit/deadline.ts";
import { startOrigin } from "../kit/origins.ts";
import { skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import { startRedis } from "../kit/redis.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { get } from "./sluice.ts";

/** Milliseconds between a client's requests: enough of them, and a processor left for others. */
const PAUSE = 5;

interface LimitView {
  readonly is_remote: boolean;
  readonly counts: Readonly<Record<"allowed" | "refused" | "shadowed" | "errors", number>>;
}

async function limitOf(balancer: Balancer): Promise<LimitView> {
  const [limit] = (await balancer.ask("GET", "/limits")) as LimitView[];
  return limit!;
}

/** A process with one limit, which is called by its place in the file: the same in all of them. */
function startLimited(origin: string, threads: number, limit: string): Promise<Balancer> {
  return startBalancer({ threads, servers: [origin], route: [`limits: ${limit}`] });
}

describe("a limit in Redis", { skip: skipWithout("redis-server") }, () => {
  test("of 5 a minute lets 5 through two processes together, of two threads each", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    await using origin = await startOrigin();
    const limit = `{ limit: 5, per: 1m, redis: { url: "redis://127.0.0.1:${port}", timeout: 5s } }`;
    await using one = await startLimited(origin.address, 2, limit);
    await using two = await startLimited(origin.address, 2, limit);
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const { status } = await get((i % 2 === 0 ? one : two).sluice.port);
      statuses.push(status);
    }
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    const crowd = [one, two].flatMap(({ sluice }) => Array.from({ length: 10 }, () => get(sluice.port)));
    for (const { status } of await Promise.all(crowd)) assert.equal(status, 429);
    assert.equal(origin.requests.length, 5);
    const counts = [await limitOf(one), await limitOf(two)];
    assert.deepEqual(
      counts.map(({ is_remote, counts: { allowed, refused, errors } }) => {
        return { is_remote, allowed, refused, errors };
      }),
      [
        { is_remote: true, allowed: 3, refused: 11, errors: 0 },
        { is_remote: true, allowed: 2, refused: 12, errors: 0 },
      ],
    );
  });

  test("that goes away and comes back under load costs no request", async () => {
    const port = await freePort();
    await using origin = await startOrigin();
    const limit = `{ limit: 1000000, redis: { url: "redis://127.0.0.1:${port}", timeout: 5s } }`;
    let redis = await startRedis({ port });
    await using balancer = await startLimited(origin.address, 2, limit);
    const statuses = new Map<number, number>();
    let answered = 0;
    let isOver = false;
    const client = async (): Promise<void> => {
      while (!isOver) {
        const { status } = await get(balancer.sluice.port);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        answered++;
        await delay(PAUSE);
      }
    };
    const more = (count: number): Promise<unknown> => {
      const before = answered;
      return until("more requests are answered", () => answered > before + count);
    };
    const clients = Array.from({ length: 8 }, client);
    const away = (): number =>
      balancer.logged("Redis is away: each process keeps its limits for itself").length;
    for (let round = 1; round <= 2; round++) {
      await more(100);
      redis.program.kill();
      await until("both threads tell of it", () => away() === 2 * round);
      await more(100);
      redis = await startRedis({ port });
      await until(
        "both threads are back",
        () => balancer.logged("Redis is back: limits are shared again").length === 2 * round,
      );
    }
    await more(100);
    const { errors } = (await limitOf(balancer)).counts;
    await more(100);
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok(errors >= 200, `${errors} were decided by the process`);
    assert.equal(origin.requests.length, answered);
    assert.equal(away(), 4);
    const status = await balancer.run("status");
    assert.match(status.stdout, /ERRORS.*WHERE/);
    assert.match(status.stdout, new RegExp(`\\b${(await limitOf(balancer)).counts.errors}\\b.*redis`));
    await redis.program[Symbol.asyncDispose]();
  });
});
