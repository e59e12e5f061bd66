import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { cacheKey, RecordingOwner } from "../../../../test/kit/cache-store.ts";
import { until } from "../../../../test/kit/deadline.ts";
import { skipWithout } from "../../../../test/kit/peer.ts";
import { freePort } from "../../../../test/kit/ports.ts";
import type { RunningProgram } from "../../../../test/kit/process.ts";
import { RedisClient, startRedis } from "../../../../test/kit/redis.ts";
import { RedisMachine } from "../../../../test/kit/redis-store.ts";
import { idleAlarms, ManualAlarmClock } from "../../../base/alarms.ts";
import { seededRandom } from "../../../base/random.ts";
import { encodeMeta, MetaFlag, type ResponseMeta } from "../../meta.ts";
import { MetaView } from "../../meta-view.ts";
import { type Purge, PurgeKind, PurgeVerdict } from "../../purges/purge.ts";
import { createPurges, PurgeList } from "../../purges/purge-list.ts";
import { PurgeReceiver } from "./purge-receiver.ts";
import { PurgeSender } from "./purge-sender.ts";
import type { RedisStore } from "./redis-store.ts";
import { SharedMetas, USEFUL_DEFAULTS } from "./shared-metas.ts";

const NOW = Date.UTC(2026, 5);
const skip = skipWithout("redis-server");
let url = "";

const META: ResponseMeta = {
  ...{ status: 200, flags: 0, responseTime: NOW, bornAt: NOW, date: NOW, lastModified: Number.NaN },
  ...{ lifetime: 60, staleWhileRevalidate: 0, staleIfError: 0, bodyLength: 0, generation: 0, epoch: 0 },
  ...{ key: "", varyList: "", tags: "", fields: [] },
};

function key(text: string, isSoft: boolean = false): Purge {
  return { kind: PurgeKind.Key, text, isSoft };
}

/** A machine with purges of its own, which began at another time than the others. */
class Site implements Disposable {
  static #count = 0;
  readonly purges: PurgeList = new PurgeList(createPurges(NOW + 1e6 * Site.#count++), 0);
  readonly machine: RedisMachine;
  readonly store: RedisStore;
  readonly sender: PurgeSender;
  readonly receiver: PurgeReceiver;
  readonly events: string[] = [];
  /** Keys that it was told to forget: by this machine, and by others. */
  readonly forgotten: string[] = [];
  readonly changes: string[] = [];
  readonly clock = new ManualAlarmClock();

  constructor(way: string) {
    const { purges } = this;
    const machine = `site-${Site.#count}`;
    this.machine = new RedisMachine(way);
    this.store = this.machine.store({}, new SharedMetas(purges, USEFUL_DEFAULTS, () => NOW));
    const onError = (text: string): void => void this.events.push(`error ${text}`);
    this.sender = new PurgeSender("test:", {
      ...{ link: this.machine.link, purges, clock: this.clock, machine, onError },
      nameOf: (text) => this.store.nameOf(text),
      forget: ({ text }) => this.forgotten.push(text),
    });
    this.machine.onBack = () => void this.sender.send();
    this.receiver = new PurgeReceiver(way, "test:", {
      ...{ clock: idleAlarms, random: seededRandom("site"), purges, onError, machine },
      link: this.machine.link,
      onChange: (text) => this.changes.push(text),
      onAway: () => this.events.push("away"),
      onBack: () => this.events.push("back"),
    });
  }

  write(text: string): void {
    const meta = encodeMeta({ ...META, key: text, generation: this.purges.generation });
    this.store.begin(cacheKey(text), meta, 0, new RecordingOwner())!.finish();
  }

  /** What becomes of what is found. */
  async verdict(text: string): Promise<number> {
    const entry = await this.store.find(cacheKey(text));
    const view = new MetaView().of(entry!.meta);
    return this.purges.verdict(view.generation, view.key, view.tags);
  }

  hears(number: number): Promise<boolean> {
    return until(`purge ${number} is heard of`, () => this.purges.remote === number, { every: 1 });
  }

  [Symbol.dispose](): void {
    this.receiver.close();
    this.machine[Symbol.dispose]();
  }
}

async function createSite(way: string = url): Promise<Site> {
  const site = new Site(way);
  await site.receiver.begin();
  return site;
}

describe("purges of several machines", { skip }, () => {
  let program: RunningProgram;
  let client: RedisClient;

  before(async () => {
    const redis = await startRedis();
    program = redis.program;
    url = `redis://127.0.0.1:${redis.port}`;
    client = await RedisClient.connect(redis.port);
  });

  beforeEach(() => client.ask("FLUSHALL"));

  after(async () => {
    client[Symbol.dispose]();
    await program[Symbol.asyncDispose]();
  });

  test("are done everywhere, and hit what any machine has stored before", async () => {
    using one = await createSite();
    using other = await createSite();
    assert.equal(await other.sender.send(), true, "nothing is left to send");
    one.write("a");
    one.write("b");
    assert.equal(await one.verdict("a"), PurgeVerdict.Kept);
    assert.equal(await other.verdict("a"), PurgeVerdict.Kept);
    const before = other.purges.generation;
    assert.equal(await other.sender.purge(key("a\n1")), true);
    assert.equal(await other.sender.purge(key("a", true)), true);
    await until("it is heard of", () => one.purges.remote > 0 && one.purges.remote === other.purges.remote);
    await until("both are", async () => (await one.verdict("a")) === PurgeVerdict.Stale);
    assert.equal(await other.verdict("a"), PurgeVerdict.Stale);
    assert.deepEqual(
      [await one.verdict("b"), await other.verdict("b")],
      [PurgeVerdict.Kept, PurgeVerdict.Kept],
    );
    assert.equal(other.purges.verdict(before, "a", ""), PurgeVerdict.Stale);
    one.write("a");
    await one.machine.link.ask(["PING"]);
    assert.equal(await other.verdict("a"), PurgeVerdict.Kept);
  });

  test("are known to a machine that comes later, or was away", async () => {
    using one = await createSite();
    one.write("a");
    one.write("b");
    await one.sender.purge(key("a"));
    await until("it is heard of", () => one.purges.remote > 0);
    using late = await createSite();
    assert.equal(late.purges.remote, one.purges.remote);
    assert.deepEqual(
      [await late.verdict("a"), await late.verdict("b")],
      [PurgeVerdict.Gone, PurgeVerdict.Kept],
    );
    // What is said while nobody listens is looked up.
    await client.ask("CLIENT", "KILL", "TYPE", "pubsub");
    await one.sender.purge(key("b"));
    await until("both know it", () => [one, late].every(({ events }) => events.at(-1) === "back"));
    await until("it is gone", async () => (await late.verdict("b")) === PurgeVerdict.Gone);
    assert.deepEqual(late.events, ["away", "back"]);
    await late.hears(one.purges.remote);
  });

  test("that nobody can tell any more make all revalidate that is older", async () => {
    using one = await createSite();
    using late = await createSite();
    one.write("a");
    await one.sender.purge(key("x"));
    await until("it is heard of", () => late.purges.remote > 0);
    const before = late.purges.generation;
    assert.equal(await late.verdict("a"), PurgeVerdict.Kept);
    // As if many had come in between.
    await client.ask("DEL", "test:purges");
    await client.ask("RPUSH", "test:purges", "4000000000000009 4000000000000008 Ky");
    await late.receiver.catchUp();
    assert.equal(late.purges.remote, 4000000000000009);
    assert.equal(late.purges.verdict(before, "a", ""), PurgeVerdict.Revalidate);
    assert.equal(late.purges.verdict(before, "y", ""), PurgeVerdict.Gone);
    assert.equal(await late.verdict("a"), PurgeVerdict.Revalidate);
    // Numbers go on growing, whatever Redis's clock says.
    await one.sender.purge(key("z"));
    await late.hears(4000000000000010);
    assert.equal(late.purges.verdict(late.purges.generation - 1, "a", ""), PurgeVerdict.Kept);
  });

  test("are passed on by a gap in what is heard, and not mistaken for others", async () => {
    using late = await createSite();
    await client.ask("PUBLISH", "test:purges", "nonsense");
    await client.ask("DEL", "test:purges");
    late.purges.forget(5);
    const heard = late.purges.generation;
    await client.ask("RPUSH", "test:purges", "10 5 kb");
    await client.ask("RPUSH", "test:purges", "20 10 Ttag\nx");
    await client.ask("RPUSH", "test:purges", "30 20 A");
    await client.ask("PUBLISH", "test:purges", "30 20 A");
    await late.hears(30);
    assert.equal(late.purges.generation, heard + 3);
    const verdicts = [0, 1, 2, 3].map((after) => late.purges.verdict(heard + after, "b", " x "));
    const { Gone, Kept } = PurgeVerdict;
    assert.deepEqual(verdicts, [Gone, Gone, Gone, Kept]);
  });

  test("are done here at once while Redis is away, and elsewhere when it is back", async () => {
    using one = await createSite();
    using other = await createSite();
    const before = [one.purges.generation, other.purges.generation] as const;
    await client.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until("it is away", () => one.machine.link.isAway);
    const asked = one.sender.purge(key("a"));
    assert.equal(one.purges.verdict(before[0], "a", ""), PurgeVerdict.Gone);
    await asked;
    await until("it is passed on", () => other.purges.verdict(before[1], "a", "") === PurgeVerdict.Gone);
  });

  test("and entries need few rights", async () => {
    const calls = "ping get set unlink scan eval lindex lrange rpush ltrim time publish subscribe".split(" ");
    const rights = ["~test:*", "&test:*", ...calls.map((call) => `+${call}`)];
    await client.ask("ACL", "SETUSER", "ann", "on", ">pw", "resetchannels", ...rights);
    using site = await createSite(url.replace("//", "//ann:pw@"));
    site.write("a");
    const entry = (await site.store.find(cacheKey("a")))!;
    await site.store.update(entry, entry.meta);
    await site.sender.purge(key("a"));
    await until("it is heard of", () => site.purges.remote > 0);
    await site.store.remove(cacheKey("b"));
    await site.store.clear();
    assert.equal(await site.store.find(cacheKey("a")), null);
    assert.deepEqual([site.events, site.machine.events], [[], []]);
  });

  test("that Redis refuses are done here, told of, and passed on when it takes them", async () => {
    using one = await createSite();
    using other = await createSite();
    const before = other.purges.generation;
    await client.ask("SET", "test:purges", "a string");
    assert.equal(await one.sender.purge(key("a")), false);
    assert.match(one.events.join(), /^error .*WRONGTYPE/);
    assert.equal(one.purges.verdict(one.purges.generation - 1, "a", ""), PurgeVerdict.Gone);
    await client.ask("DEL", "test:purges");
    one.clock.advance(1000);
    await until("it is passed on", () => other.purges.verdict(before, "a", "") === PurgeVerdict.Gone);
  });

  test("may have been lost with all that Redis had: what is older is revalidated", async () => {
    using one = await createSite();
    using other = await createSite();
    const known = one.purges.remote;
    await other.hears(known);
    const before = [one.purges.generation, other.purges.generation] as const;
    await one.receiver.catchUp();
    assert.equal(one.purges.generation, before[0], "nothing is missing");
    await client.ask("FLUSHALL");
    await one.receiver.catchUp();
    await until("both have noticed", () => other.purges.remote > known);
    assert.equal(one.purges.remote, other.purges.remote);
    for (const [at, { purges }] of [one, other].entries())
      assert.equal(purges.verdict(before[at]!, "a", ""), PurgeVerdict.Revalidate);
  });

  test("come of what requests have changed only while Redis is away; else it is said", async () => {
    using one = await createSite();
    using other = await createSite();
    one.write("a");
    const before = [one.purges.generation, other.purges.generation] as const;
    one.sender.invalidate(cacheKey("a"));
    assert.deepEqual(one.forgotten, ["a"]);
    await until("it is heard of", () => other.changes.length === 1);
    assert.deepEqual([other.changes, one.changes], [["a"], []]);
    assert.equal(await other.store.find(cacheKey("a")), null);
    assert.deepEqual([one.purges.generation, other.purges.generation], before);
    await client.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until("it is away", () => one.machine.link.isAway);
    one.sender.invalidate(cacheKey("b"));
    assert.equal(one.purges.verdict(before[0], "b", ""), PurgeVerdict.Gone);
    await until("it is heard of", () => other.purges.verdict(before[1], "b", "") === PurgeVerdict.Gone);
  });
});

test("purges are done without any Redis, and reported once", async () => {
  url = `redis://127.0.0.1:${await freePort()}`;
  using site = await createSite();
  const before = site.purges.generation;
  assert.equal(await site.sender.purge(key("a")), false);
  for (let i = 0; i < 1001; i++) void site.sender.purge(key(`${i}`));
  assert.equal(site.purges.verdict(before, "a", ""), PurgeVerdict.Gone);
  assert.deepEqual(site.events, ["away"]);
});

test("an entry is of use as long as it may be served or validated", () => {
  const metas = new SharedMetas(
    new PurgeList(createPurges(NOW), 0),
    { forValidation: 5000, atMost: 100_000 },
    () => NOW + 10_000,
  );
  const usefulFor = (changes: Partial<ResponseMeta>): number =>
    metas.usefulFor(encodeMeta({ ...META, ...changes }));
  assert.equal(usefulFor({}), 50_000);
  assert.equal(usefulFor({ lifetime: 10 }), 0);
  assert.equal(usefulFor({ lifetime: 10, staleWhileRevalidate: 3, staleIfError: 7 }), 7000);
  assert.equal(usefulFor({ lifetime: 10, staleIfError: 3, flags: MetaFlag.HasEtag }), 5000);
  assert.equal(usefulFor({ lifetime: 1000, flags: MetaFlag.HasLastModified }), 100_000);
  assert.equal(usefulFor({ lifetime: 0, flags: MetaFlag.VaryList }), 100_000);
  assert.equal(metas.here(Buffer.from("no meta"), 0, 0), null);
  assert.equal(metas.here(encodeMeta({ ...META, bodyLength: 5 }), 0, 4), null);
});
