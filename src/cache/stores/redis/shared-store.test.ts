import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import {
  cacheKey,
  RecordingOwner,
  readBody,
  readEntry,
  writeEntry,
} from "../../../../test/kit/cache-store.ts";
import { until } from "../../../../test/kit/deadline.ts";
import { skipWithout } from "../../../../test/kit/peer.ts";
import type { RunningProgram } from "../../../../test/kit/process.ts";
import { RedisClient, startRedis } from "../../../../test/kit/redis.ts";
import { PLAIN_METAS, RedisMachine } from "../../../../test/kit/redis-store.ts";
import { type StoreSubject, testCacheStore } from "../../store.contract.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import { allocateMemoryStore } from "../memory/store-memory.ts";
import { Standing, type StandingCode } from "./shared-metas.ts";
import { SharedStore } from "./shared-store.ts";

const skip = skipWithout("redis-server");
const MIB = 1 << 20;
const BODY = Buffer.from("a body");
const STANDINGS: Readonly<Record<string, StandingCode>> = { stale: Standing.Stale, gone: Standing.Gone };

/** Of `stale 2` it is 2. */
function timeOf(meta: Buffer): number {
  return Number(/\d+/.exec(meta.toString())?.[0] ?? 0);
}

/** The same everywhere: metas of tests are short texts. */
const METAS = {
  ...PLAIN_METAS,
  standingOf: (meta: Buffer): StandingCode => STANDINGS[meta.toString("latin1", 0, 5)] ?? Standing.Good,
  isNewer: (meta: Buffer, than: Buffer): boolean => timeOf(meta) > timeOf(than),
  identityOf: (meta: Buffer): Buffer => Buffer.concat([meta, Buffer.alloc(8)]).subarray(0, 8),
};

let url = "";

/** A machine with memory of its own before the Redis of all. */
class Site implements Disposable {
  readonly machine: RedisMachine;
  readonly near: MemoryStore;
  readonly store: SharedStore;

  constructor(largest: number = MIB, timeout: number = 5000) {
    this.machine = new RedisMachine(url, timeout);
    this.near = new MemoryStore(allocateMemoryStore({ mostBytes: MIB, mostEntryBytes: 300_000, rows: 1 }), 0);
    const far = this.machine.store({ largest }, METAS);
    this.store = new SharedStore(this.near, far, METAS, this.machine.clock);
  }

  /** Whether it has it itself. */
  has(key: string): boolean {
    const found = this.near.find(cacheKey(key));
    found?.release();
    return found !== null;
  }

  /** What was sent until now has arrived. */
  async sent(): Promise<void> {
    await this.machine.link.ask(["PING"]);
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}

describe("memory before Redis", { skip }, () => {
  let program: RunningProgram;
  let client: RedisClient;

  before(async () => {
    const redis = await startRedis({ args: ["--maxmemory-policy", "volatile-ttl"] });
    ({ program } = redis);
    url = `redis://127.0.0.1:${redis.port}`;
    client = await RedisClient.connect(redis.port);
  });

  beforeEach(() => client.ask("FLUSHALL"));

  after(async () => {
    client[Symbol.dispose]();
    await program[Symbol.asyncDispose]();
  });

  testCacheStore(
    "memory before Redis",
    async ({ mostBytes, mostEntryBytes }): Promise<StoreSubject> => {
      await client.ask("FLUSHALL");
      const machine = new RedisMachine(url);
      const near = new MemoryStore(allocateMemoryStore({ mostBytes, mostEntryBytes, rows: 1 }), 0);
      const far = machine.store({ largest: mostEntryBytes, mostUnderWay: mostBytes }, METAS);
      const settled = async (): Promise<void> => {
        await machine.link.ask(["PING"]);
      };
      return { store: new SharedStore(near, far, METAS, machine.clock), settled };
    },
    { runs: 2 },
  );

  test("asks Redis once for what another machine has stored", async () => {
    using one = new Site();
    using other = new Site();
    await writeEntry(one.store, "a", ["meta", BODY]);
    await writeEntry(one.store, "empty", ["list", Buffer.alloc(0)]);
    await one.sent();
    assert.deepEqual(await readEntry(other.store, "a"), ["meta", BODY]);
    assert.deepEqual(await readEntry(other.store, "empty"), ["list", Buffer.alloc(0)]);
    await client.ask("FLUSHALL");
    assert.deepEqual([other.has("a"), other.has("empty")], [true, true]);
    assert.deepEqual(await readEntry(other.store, "a"), ["meta", BODY]);
    assert.equal(await readEntry(other.store, "b"), null);
  });

  test("takes nothing older from Redis than what has come here meanwhile", async () => {
    using one = new Site();
    await writeEntry(one.store, "a", ["old 1", BODY]);
    await one.sent();
    one.near.clear();
    const found = one.store.find(cacheKey("a"));
    await writeEntry(one.store, "a", ["new 2", BODY]);
    assert.equal((await found)?.meta.toString(), "new 2");
    assert.equal((await readEntry(one.store, "a"))?.[0], "new 2");
    (await found)?.release();
  });

  test("asks what other machines have of what is stale or purged here, once a second", async () => {
    using one = new Site();
    using other = new Site();
    await writeEntry(one.store, "a", ["stale 1", BODY]);
    await one.sent();
    assert.deepEqual(await readEntry(other.store, "a"), ["stale 1", BODY]);
    await writeEntry(one.store, "a", ["stale 2", BODY]);
    await one.sent();
    assert.equal((await readEntry(other.store, "a"))?.[0], "stale 2");
    await writeEntry(one.store, "a", ["stale 3", BODY]);
    await one.sent();
    assert.equal((await readEntry(other.store, "a"))?.[0], "stale 2");
    other.machine.clock.advance(1000);
    assert.equal((await readEntry(other.store, "a"))?.[0], "stale 3");
    // Nothing newer there.
    other.machine.clock.advance(1000);
    assert.equal((await readEntry(other.store, "a"))?.[0], "stale 3");
    // The same or an older one that is fresh there.
    for (const [there, found] of [
      ["fresh 2", "stale 3"],
      ["fresh 3", "fresh 3"],
    ] as const) {
      await writeEntry(one.store, "a", [there, BODY]);
      await one.sent();
      other.machine.clock.advance(1000);
      assert.equal((await readEntry(other.store, "a"))?.[0], found);
    }
    await writeEntry(one.store, "a", ["stale 3", BODY]);
    await one.sent();
    await writeEntry(other.near, "a", ["gone", BODY]);
    assert.equal((await readEntry(other.store, "a"))?.[0], "stale 3");
    await writeEntry(one.store, "a", ["gone", BODY]);
    await one.sent();
    other.near.clear();
    assert.equal(await readEntry(other.store, "a"), null);
  });

  test("puts new meta in both, and sends no body for it", async () => {
    using one = new Site();
    using other = new Site();
    const body = Buffer.alloc(100_000, "x");
    await writeEntry(one.store, "a", ["meta", body]);
    await one.sent();
    const entry = (await one.store.find(cacheKey("a")))!;
    await client.ask("CONFIG", "RESETSTAT");
    await one.store.update(entry, Buffer.from("newer meta"));
    entry.release();
    const info = String(await client.ask("INFO", "stats"));
    assert.ok(Number(/total_net_input_bytes:(\d+)/.exec(info)![1]) < 5000);
    assert.deepEqual(await readEntry(one.store, "a"), ["newer meta", body]);
    assert.deepEqual(await readEntry(other.store, "a"), ["newer meta", body]);
    // Known by what it is by now.
    const again = (await other.store.find(cacheKey("a")))!;
    await one.store.update(again, Buffer.from("newest"));
    again.release();
    other.near.clear();
    assert.equal((await readEntry(other.store, "a"))?.[0], "newest");
  });

  test("has in one place what the other one has no room for, and nothing older there", async () => {
    using one = new Site(100_000);
    using small = new Site();
    for (const length of [10, 150_000]) {
      await writeEntry(one.store, "a", [`${length}`, Buffer.alloc(length)], { announced: length === 10 });
      await one.sent();
    }
    assert.equal(Number(await client.ask("DBSIZE")), 0);
    assert.equal((await readEntry(one.store, "a"))?.[1].length, 150_000);
    // Larger than what memory takes: it is read as it came.
    await writeEntry(small.store, "b", ["small", BODY]);
    await writeEntry(small.store, "b", ["large", Buffer.alloc(400_000)]);
    await small.sent();
    assert.equal(small.has("b"), false);
    const entry = (await small.store.find(cacheKey("b")))!;
    assert.equal((await readBody(entry)).length, 400_000);
    await small.store.update(entry, Buffer.from("fresh"));
    assert.equal((await readEntry(small.store, "b"))?.[0], "fresh");
    assert.equal(await small.store.remove(cacheKey("b")), true);
    assert.equal(await readEntry(small.store, "b"), null);
  });

  test("goes on with its memory when Redis hangs, whoever waits", async () => {
    using one = new Site(MIB, 50);
    await until("Redis answers in time", async () => {
      await writeEntry(one.store, "a", ["meta", BODY]);
      await one.sent().catch(() => undefined);
      return !one.machine.link.isAway;
    });
    program.signal("SIGSTOP");
    assert.equal(await readEntry(one.store, "b"), null);
    assert.equal(one.store.find(cacheKey("b")), null, "at once");
    const owner = new RecordingOwner();
    const writer = one.store.begin(cacheKey("b"), Buffer.from("meta"), BODY.length, owner)!;
    writer.write(BODY, 0, BODY.length);
    writer.finish();
    assert.deepEqual([await readEntry(one.store, "b"), owner.failures], [["meta", BODY], []]);
    assert.equal(await one.store.remove(cacheKey("b")), true);
    program.signal("SIGCONT");
    await until("Redis is back", () => one.machine.events.at(-1) === "back");
  });
});
