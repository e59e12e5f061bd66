import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { cacheKey, RecordingOwner, readEntry, writeEntry } from "../../../../test/kit/cache-store.ts";
import { until } from "../../../../test/kit/deadline.ts";
import { skipWithout } from "../../../../test/kit/peer.ts";
import { freePort } from "../../../../test/kit/ports.ts";
import type { RunningProgram } from "../../../../test/kit/process.ts";
import { RedisClient, startRedis } from "../../../../test/kit/redis.ts";
import { PLAIN_METAS, RedisMachine } from "../../../../test/kit/redis-store.ts";
import { allocateInvalidations, Invalidations } from "../../invalidations.ts";
import { type StoreSubject, testCacheStore } from "../../store.contract.ts";
import type { StoreStats } from "../../store.ts";
import { REDIS_STORE_DEFAULTS, RedisStore } from "./redis-store.ts";
import { VALUE_FORMAT } from "./redis-value.ts";

const skip = skipWithout("redis-server");
const BODY = Buffer.from("a body");

/** Entries, and the bytes of their values. */
const COUNT = `
local keys, bytes = redis.call("KEYS", "*"), 0
for _, key in ipairs(keys) do bytes = bytes + redis.call("STRLEN", key) end
return { #keys, bytes }`;

function numberIn(info: string | Buffer, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(`${info}`)![1]);
}

/** What only Redis knows, it is asked. */
class CountedStore extends RedisStore {
  counted = { entries: 0, bytes: 0, evictions: 0 };

  override get stats(): StoreStats {
    return { ...super.stats, ...this.counted };
  }
}

describe("Redis", { skip }, () => {
  let program: RunningProgram;
  let url = "";
  let port = 0;
  let client: RedisClient;

  before(async () => {
    // Those that end first go first: all entries are kept for as long, so that it is the oldest ones.
    const redis = await startRedis({ args: ["--maxmemory-policy", "volatile-ttl"] });
    ({ program, port } = redis);
    url = `redis://127.0.0.1:${port}`;
    client = await RedisClient.connect(port);
  });

  after(async () => {
    client[Symbol.dispose]();
    await program[Symbol.asyncDispose]();
  });

  async function usedMemory(): Promise<number> {
    return numberIn(await client.ask("INFO", "memory"), "used_memory");
  }

  testCacheStore(
    "Redis",
    async ({ mostBytes, mostEntryBytes }): Promise<StoreSubject> => {
      await client.ask("FLUSHALL");
      await client.ask("CONFIG", "RESETSTAT");
      await client.ask("CONFIG", "SET", "maxmemory", `${Math.floor((await usedMemory()) + 0.9 * mostBytes)}`);
      const machine = new RedisMachine(url);
      const settings = { ...REDIS_STORE_DEFAULTS, prefix: "test:", largest: mostEntryBytes };
      const store = new CountedStore(
        { ...settings, mostUnderWay: mostBytes },
        {
          link: machine.link,
          metas: PLAIN_METAS,
          clock: machine.clock,
          onError: (text) => machine.onError(text),
        },
      );
      const settled = async (): Promise<void> => {
        // By the store's own connection, so that what it has sent comes first.
        const [entries, bytes] = (await machine.link.ask(["EVAL", COUNT, "0"])) as [number, number];
        store.counted = {
          entries,
          bytes,
          evictions: numberIn(await client.ask("INFO", "stats"), "evicted_keys"),
        };
      };
      return { store, settled };
    },
    { runs: 3 },
  );

  describe("as a store of several machines", () => {
    before(async () => {
      await client.ask("CONFIG", "SET", "maxmemory", "0");
    });

    test("gives one machine what another one has stored, under keys that tell nothing of it", async () => {
      await client.ask("FLUSHALL");
      using one = new RedisMachine(url);
      using other = new RedisMachine(url);
      const [here, there] = [one.store(), other.store()];
      assert.ok(await writeEntry(here, "http://a/?secret", ["meta", BODY]));
      await one.link.ask(["PING"]);
      assert.deepEqual(await readEntry(there, "http://a/?secret"), ["meta", BODY]);
      const digits = createHash("sha256").update("http://a/?secret").digest("hex").slice(0, 32);
      const key = `test:e${VALUE_FORMAT}:${digits}`;
      assert.equal(String(await client.ask("RANDOMKEY")), key);
      const left = Number(await client.ask("PTTL", key));
      assert.ok(left > 1000 && left <= 60_000, `${left} ms`);
      assert.equal(await readEntry(other.store({ prefix: "another:" }), "http://a/?secret"), null);
    });

    test("removes all that begins as its keys do, and nothing else", async () => {
      await client.ask("FLUSHALL");
      using machine = new RedisMachine(url);
      const [one, other] = [machine.store({ prefix: "a*[" }), machine.store({ prefix: "a*[b" })];
      for (let i = 0; i < 1200; i++) void writeEntry(one, `${i}`, ["meta", BODY]);
      await writeEntry(other, "kept", ["meta", BODY]);
      assert.equal(Number(await machine.link.ask(["DBSIZE"])), 1201);
      await one.clear();
      assert.equal(Number(await machine.link.ask(["DBSIZE"])), 1);
      assert.notEqual(await readEntry(other, "kept"), null);
    });

    test("asks once for what many want at once, and not for more than it may", async () => {
      using machine = new RedisMachine(url);
      const store = machine.store({ mostAsked: 2 });
      await writeEntry(store, "a", ["meta", BODY]);
      await client.ask("CONFIG", "RESETSTAT");
      const wanted = Array.from({ length: 100 }, () => readEntry(store, "a"));
      const others = ["b", "c", "d"].map((key) => store.find(cacheKey(key)));
      assert.deepEqual(others.slice(1), [null, null]);
      assert.ok((await Promise.all(wanted)).every((read) => read?.[1].equals(BODY)));
      assert.match(String(await client.ask("INFO", "commandstats")), /cmdstat_get:calls=2,/);
      assert.equal(
        store.stats.misses,
        3 - (others[0] === null ? 0 : 1) + ((await others[0]) === null ? 1 : 0) - 0,
      );
    });

    test("stores nothing that is of no use, too large, or too much at once", async () => {
      using machine = new RedisMachine(url);
      const begin = (store: RedisStore, length: number | null): boolean =>
        store.begin(cacheKey("x"), Buffer.from("m"), length, new RecordingOwner()) !== null;
      const useless = machine.store({}, { ...PLAIN_METAS, usefulFor: () => 0 });
      const small = machine.store({ largest: 100_000, mostUnderWay: 150_000 });
      assert.deepEqual(
        [begin(useless, 1), begin(small, 100_001), begin(small, 100_000), begin(small, 60_000)],
        [false, false, true, false],
      );
      assert.equal(small.stats.refused, 2);
      const owner = new RecordingOwner();
      const writer = small.begin(cacheKey("y"), Buffer.from("m"), null, owner)!;
      for (let i = 0; i < 10; i++) writer.write(Buffer.alloc(10_000), 0, 10_000);
      assert.equal(owner.failures.length, 1);
    });

    test("takes what isn't its own, or not whole, for a miss", async () => {
      await client.ask("FLUSHALL");
      using machine = new RedisMachine(url);
      const store = machine.store();
      await writeEntry(store, "a", ["meta", BODY]);
      await machine.link.ask(["PING"]);
      const key = String(await client.ask("RANDOMKEY"));
      const value = (await client.ask("GET", key)) as Buffer;
      for (const bad of [Buffer.alloc(0), value.subarray(0, 36), Buffer.from(value).fill(9, 0, 4)]) {
        await client.ask("SET", key, bad);
        assert.equal(await readEntry(store, "a"), null);
      }
      await client.ask("DEL", key);
      await client.ask("SADD", key, "x");
      assert.equal(await readEntry(store, "a"), null);
      assert.match(machine.events.join(), /^error WRONGTYPE[^,]*$/);
      await client.ask("FLUSHALL");
    });

    test("sends nothing for a while to a Redis that takes no more, and goes on with what there is", async () => {
      using machine = new RedisMachine(url);
      const store = machine.store();
      await writeEntry(store, "a", ["meta", BODY]);
      await machine.link.ask(["PING"]);
      await client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await client.ask("CONFIG", "SET", "maxmemory", "1");
      await writeEntry(store, "b", ["meta", BODY]);
      await until("it has failed", () => store.stats.failures === 1);
      assert.match(machine.events.join(), /^error OOM[^,]*$/);
      assert.equal(await writeEntry(store, "b", ["meta", BODY]), false);
      assert.notEqual(await readEntry(store, "a"), null);
      await client.ask("CONFIG", "SET", "maxmemory", "0");
      machine.clock.advance(1000);
      assert.equal(await writeEntry(store, "b", ["meta", BODY]), true);
      assert.notEqual(await readEntry(store, "b"), null);
    });

    test("takes out again what was invalidated while it was on its way", async () => {
      using machine = new RedisMachine(url);
      const invalidations = new Invalidations(allocateInvalidations());
      const store = machine.store({}, PLAIN_METAS, { invalidations });
      const key = cacheKey("a");
      const writer = store.begin(key, Buffer.from("meta"), 0, new RecordingOwner())!;
      await store.remove(key);
      invalidations.add(key);
      writer.finish();
      await until("it is gone", async () => (await readEntry(store, "a")) === null);
    });

    test("asks anew for what was invalidated since it was asked", async () => {
      using machine = new RedisMachine(url);
      const invalidations = new Invalidations(allocateInvalidations());
      const store = machine.store({}, PLAIN_METAS, { invalidations });
      await writeEntry(store, "a", ["meta", BODY]);
      const before = [store.find(cacheKey("a")), store.find(cacheKey("a"))];
      void store.remove(cacheKey("a"));
      invalidations.add(cacheKey("a"));
      assert.equal(await store.find(cacheKey("a")), null);
      for (const found of before) assert.notEqual(await found, null);
    });

    test("counts what it sends as under way as long as Redis hasn't taken it, however late that is", async () => {
      using machine = new RedisMachine(url, 50);
      const store = machine.store({ mostUnderWay: 3000 });
      await machine.link.ask(["PING"]);
      program.signal("SIGSTOP");
      await writeEntry(store, "a", ["meta", Buffer.alloc(2000)]);
      assert.equal(await readEntry(store, "a"), null);
      assert.equal(store.isAway, true);
      assert.ok(store.stats.bytes > 2000);
      program.signal("SIGCONT");
      await until("it has arrived", () => store.stats.bytes === 0);
    });

    test("asks for nothing that won't be there", async () => {
      using machine = new RedisMachine(url);
      const store = machine.store({}, PLAIN_METAS, { isPointless: ({ text }) => text === "a" });
      assert.equal(store.find(cacheKey("a")), null);
      assert.notEqual(await readEntry(store, "b"), null);
    });

    test("keeps nobody waiting for a Redis that hangs, and asks again when it answers", async () => {
      using machine = new RedisMachine(url, 100);
      const store = machine.store();
      await machine.raw.begun;
      await until("Redis answers in time", async () => {
        await writeEntry(store, "a", ["meta", BODY]);
        return (await store.find(cacheKey("a"))) !== null;
      });
      machine.events.length = 0;
      program.signal("SIGSTOP");
      assert.deepEqual(await Promise.all(["a", "b"].map((key) => readEntry(store, key))), [null, null]);
      assert.deepEqual(machine.events, ["away"]);
      assert.equal(store.find(cacheKey("a")), null, "at once");
      assert.equal(await writeEntry(store, "c", ["meta", BODY]), false);
      assert.deepEqual([await store.remove(cacheKey("a")), await store.clear()], [false, undefined]);
      program.signal("SIGCONT");
      await until("Redis is back", () => machine.events.at(-1) === "back");
      assert.notEqual(await readEntry(store, "a"), null);
    });
  });
});

test("a store is empty where there is no Redis", async () => {
  using machine = new RedisMachine(`redis://127.0.0.1:${await freePort()}`);
  const store = machine.store();
  assert.equal(await store.find(cacheKey("a")), null);
  assert.deepEqual([store.find(cacheKey("a")), machine.events], [null, ["away"]]);
});
