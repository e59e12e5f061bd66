import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ManualAlarmClock } from "../base/alarms.ts";
import { ProxyError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { DiscoveryListener } from "./discovery/discovery.ts";
import { GroupKeeper } from "./group-keeper.ts";
import { allocateGroupMemory, GroupMemory, GroupWord, Out, ServerWord } from "./group-memory.ts";
import { DEFAULT_GROUP, type GroupSettings, type HealthCheckSettings } from "./group-settings.ts";
import type { GroupEvent } from "./group-status.ts";
import { ejectionTime, mostEjected } from "./outlier-detector.ts";
import { type Server, toInit } from "./server.ts";
import { ServerGroup } from "./server-group.ts";

/* Two hours of a cluster whose servers come, go and break all the time, in a few seconds. Times are milliseconds. */

const STEP = 250;
const TWO_HOURS = 2 * 60 * 60 * 1000;
/** Long enough for every kind of event. */
const TEN_MINUTES = 10 * 60 * 1000;
const THREADS = 2;
/** Fewer than servers come and go within what a slot has to rest: now and then there is none free. */
const SLOTS = 12;
const ADDRESSES = Array.from({ length: 12 }, (_, i) => `10.0.0.${i}:80`);
const LONGEST_REQUEST = 5_000;
/** After this long a slot is free again at the latest, and a server that waited for it is in. */
const LONGEST_WAIT_FOR_SLOT = 10_000 + LONGEST_REQUEST + 2 * STEP + 1_000;

const OUTLIERS = {
  ...{ consecutive: 4, statuses: [{ first: 500, last: 599 }] },
  ...{ ratio: 0.6, window: 10_000, minimumRequests: 10 },
  ...{ ejection: 5_000, longestEjection: 60_000, mostEjected: 0.4 },
};

const CHECK: HealthCheckSettings = {
  kind: "tcp",
  ...{ interval: 5_000, jitter: 0.1, timeout: 2_000, rise: 1, fall: 2, port: null },
};

const SETTINGS: GroupSettings = {
  ...DEFAULT_GROUP,
  servers: ADDRESSES.slice(0, 6).map(toInit),
  discovery: { kind: "file", path: "none" },
  mostServers: SLOTS,
  slowStart: 3_000,
  outliers: OUTLIERS,
  serverLimits: { requests: 8, connections: 0 },
  limits: { ...DEFAULT_GROUP.limits, requests: 60 },
};

type Condition = "well" | "refusing" | "failing" | "flaky";

interface Request {
  readonly server: Server;
  readonly thread: number;
  readonly until: number;
}

/** A thread's view, with the lists it hears of late. */
class Thread {
  group: ServerGroup;
  readonly news: { readonly at: number; readonly records: GroupKeeper["records"] }[] = [];

  constructor(group: ServerGroup) {
    this.group = group;
  }
}

class FlappingCluster {
  readonly clock = new ManualAlarmClock();
  readonly events: GroupEvent[] = [];
  readonly memory: GroupMemory;
  readonly keeper: GroupKeeper;
  /** What each server really is, and since when. */
  readonly conditions = new Map<string, Condition>(ADDRESSES.map((address) => [address, "well"]));
  readonly wellSince = new Map<string, number>(ADDRESSES.map((address) => [address, 0]));
  /** When a server that is not well recovers. */
  readonly recovery = new Map<string, number>();
  readonly wantedSince = new Map<string, number>();
  readonly threads: Thread[];
  readonly refused = new Map<string, number>();
  answered = 0;
  failed = 0;
  #requests: Request[] = [];
  #listener: DiscoveryListener | null = null;
  readonly #settings: GroupSettings;
  readonly #buffer: SharedArrayBuffer;
  readonly #random: Random;

  constructor(seed: string, settings: GroupSettings) {
    this.#settings = settings;
    this.#random = seededRandom(seed);
    this.#buffer = allocateGroupMemory(SLOTS, THREADS);
    this.memory = this.#open(0);
    this.keeper = new GroupKeeper("flapping", settings, this.memory, {
      ...{ clock: this.clock, random: seededRandom(`${seed} keeper`), wallClock: () => this.clock.now() },
      onEvent: (event) => this.events.push(event),
      onServers: (records) => this.#post(records),
      createProbe: () => ({ run: async (address) => this.#probe(address) }),
      createDiscovery: () => ({
        start: async (listener) => {
          this.#listener = listener;
        },
        stop: () => undefined,
      }),
    });
    this.threads = Array.from({ length: THREADS }, (_, thread) => new Thread(this.#createGroup(thread)));
    for (const { address } of settings.servers) this.wantedSince.set(address, 0);
  }

  async run(duration: number, check: () => void): Promise<void> {
    await this.keeper.start();
    while (this.clock.now() < duration) {
      await this.step();
      check();
    }
  }

  async step(): Promise<void> {
    this.clock.advance(STEP);
    // Probes answer.
    await turn();
    this.#hearNews();
    this.#changeConditions();
    if (this.#chance(1 / 200)) this.#changeServers();
    if (this.#chance(1 / 400)) this.#changeOrders();
    if (this.#chance(1 / 2_000)) this.#crash(1);
    this.#endRequests();
    const requests = Math.floor(this.#random.next() * 12);
    for (let i = 0; i < requests; i++) this.#request(i % THREADS);
  }

  /** No more outages, changes or requests: all comes to rest. */
  async rest(milliseconds: number): Promise<void> {
    for (const address of ADDRESSES) this.#recover(address);
    for (let passed = 0; passed < milliseconds; passed += STEP) {
      this.clock.advance(STEP);
      await turn();
      this.#hearNews();
      this.#endRequests();
    }
  }

  isExpected(address: string): boolean {
    return this.wantedSince.has(address);
  }

  /** Requests that the model knows to be under way to a server. */
  underWay(slot: number): number {
    return this.#requests.filter(({ server }) => server.slot === slot).length;
  }

  get mostOut(): number {
    return mostEjected(this.memory.get(GroupWord.Servers), this.#settings.outliers!.mostEjected);
  }

  #open(thread: number): GroupMemory {
    return new GroupMemory(this.#buffer, SLOTS, THREADS, thread);
  }

  #createGroup(thread: number): ServerGroup {
    const random = seededRandom(`${thread}`);
    return new ServerGroup(this.#settings, this.#open(thread), {
      name: "flapping",
      random,
      clock: this.clock,
    });
  }

  #chance(share: number): boolean {
    return this.#random.next() < share;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.next() * from.length)]!;
  }

  #post(records: GroupKeeper["records"]): void {
    for (const { news } of this.threads ?? []) {
      const earliest = Math.max(this.clock.now(), news.at(-1)?.at ?? 0);
      news.push({ at: earliest + Math.floor(this.#random.next() * 4) * STEP, records });
    }
  }

  #hearNews(): void {
    for (const { group, news } of this.threads)
      while (news[0] !== undefined && news[0].at <= this.clock.now()) group.setServers(news.shift()!.records);
  }

  #probe(address: object): { isHealthy: true } | { isHealthy: false; reason: string } {
    const { host, port } = address as { host: string; port: number };
    if (this.conditions.get(`${host}:${port}`) !== "refusing") return { isHealthy: true };
    return { isHealthy: false, reason: "connect ECONNREFUSED" };
  }

  #changeConditions(): void {
    for (const address of ADDRESSES) {
      const until = this.recovery.get(address);
      if (until === undefined) {
        if (this.#chance(1 / 400)) this.#breakDown(address);
      } else if (until <= this.clock.now()) this.#recover(address);
    }
  }

  #breakDown(address: string): void {
    this.conditions.set(address, this.#pick(["refusing", "failing", "flaky"] as const));
    this.wellSince.delete(address);
    const length = this.#chance(0.5) ? 4_000 : 120_000;
    this.recovery.set(address, this.clock.now() + this.#random.next() * length);
  }

  #recover(address: string): void {
    if (this.conditions.get(address) !== "well") this.wellSince.set(address, this.clock.now());
    this.conditions.set(address, "well");
    this.recovery.delete(address);
  }

  #changeServers(): void {
    const share = 0.2 + this.#random.next() * 0.7;
    const chosen = ADDRESSES.filter(() => this.#chance(share));
    if (chosen.length === 0) return;
    for (const address of [...this.wantedSince.keys()])
      if (!chosen.includes(address)) this.wantedSince.delete(address);
    for (const address of chosen)
      if (!this.wantedSince.has(address)) this.wantedSince.set(address, this.clock.now());
    this.#listener!.onServers(
      chosen.map((address) => ({ ...toInit(address), weight: 1 + (chosen.length % 3) })),
    );
  }

  #changeOrders(): void {
    const { records } = this.keeper;
    if (records.length === 0) return;
    const { address } = this.#pick(records);
    const order = this.#pick(["enabled", "enabled", "draining", "disabled"] as const);
    this.keeper.order(address, order);
  }

  /** What it had under way is lost; another one takes its place. */
  #crash(thread: number): void {
    this.memory.forgetThread(thread);
    this.#requests = this.#requests.filter((request) => request.thread !== thread);
    this.threads[thread] = new Thread(this.#createGroup(thread));
    this.threads[thread].group.setServers(this.keeper.records);
  }

  #request(thread: number): void {
    const { group } = this.threads[thread]!;
    let server: Server;
    try {
      server = group.select(null, null);
    } catch (error) {
      assert.ok(error instanceof ProxyError);
      this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
      return;
    }
    assert.ok(group.servers.includes(server));
    const out = this.memory.of(server.slot, ServerWord.Out);
    assert.equal(out, 0, `${server.address} was chosen while out for ${out}`);
    assert.ok(server.watcher!.onBegin(), "there is room in what was chosen");
    const until = this.clock.now() + this.#random.next() ** 3 * LONGEST_REQUEST;
    this.#requests.push({ server, thread, until });
  }

  #endRequests(): void {
    const now = this.clock.now();
    const over = this.#requests.filter(({ until }) => until <= now);
    this.#requests = this.#requests.filter(({ until }) => until > now);
    for (const { server } of over) this.#end(server);
  }

  #end({ address, watcher }: Server): void {
    if (this.#chance(0.02)) {
      watcher!.onEnd(new ProxyError("DOWNSTREAM_CLOSED"), 0);
      return;
    }
    const condition = this.conditions.get(address)!;
    if (condition === "well" || (condition === "flaky" && this.#chance(0.3))) {
      this.answered++;
      watcher!.onResponse(200, 0);
      watcher!.onEnd(null, 0);
      return;
    }
    this.failed++;
    if (condition === "failing") watcher!.onResponse(503, 0);
    watcher!.onEnd(condition === "failing" ? null : new ProxyError("UPSTREAM_CONNECT_REFUSED"), 0);
  }
}

/** What holds at every moment. */
function checkShare(cluster: FlappingCluster): void {
  const { memory, keeper } = cluster;
  const ejected = keeper.records.filter(({ slot }) => (memory.of(slot, ServerWord.Out) & Out.Ejected) !== 0);
  assert.equal(memory.get(GroupWord.Ejected), ejected.length, "ejected ones are counted");
  assert.ok(ejected.length <= cluster.mostOut, `${ejected.length} of ${keeper.records.length} are ejected`);
}

/** @param longest how long a server that is well may stay out */
function checkStuck(cluster: FlappingCluster, longest: number, outSince: Map<string, number>): void {
  const { memory, keeper, clock } = cluster;
  const found = Out.Unhealthy | Out.Ejected;
  const out = keeper.records.filter(
    ({ address, slot }) => cluster.wellSince.has(address) && (memory.of(slot, ServerWord.Out) & found) !== 0,
  );
  const names = new Set(out.map(({ address }) => address));
  for (const address of outSince.keys()) if (!names.has(address)) outSince.delete(address);
  for (const address of names) {
    const since = Math.max(outSince.get(address) ?? clock.now(), cluster.wellSince.get(address)!);
    outSince.set(address, since);
    assert.ok(clock.now() - since <= longest, `${address} is well, but out since ${since}`);
  }
}

/** However well a server is or isn't: an ejection lasts as long as the n-th one does. */
function checkEjections({ memory, keeper, clock }: FlappingCluster): void {
  for (const { address, state, since } of keeper.status().servers) {
    if (state !== "ejected") continue;
    const { slot } = keeper.records.find((record) => record.address === address)!;
    const longest = ejectionTime(OUTLIERS, memory.of(slot, ServerWord.Ejections)) + MOMENT;
    assert.ok(clock.now() - since <= longest, `${address} is ejected since ${since}`);
  }
}

function checkMembers({ keeper, wantedSince, clock }: FlappingCluster): void {
  const known = new Set(keeper.records.map(({ address }) => address));
  assert.equal(
    new Set(keeper.records.map(({ slot }) => slot)).size,
    known.size,
    "each has a slot of its own",
  );
  for (const address of known) assert.ok(wantedSince.has(address), `${address} has left`);
  for (const [address, since] of wantedSince)
    if (!known.has(address))
      assert.ok(clock.now() - since <= LONGEST_WAIT_FOR_SLOT, `${address} has no slot since ${since}`);
}

function checkUnderWay(cluster: FlappingCluster): void {
  let all = 0;
  for (let slot = 0; slot < SLOTS; slot++) {
    const expected = cluster.underWay(slot);
    assert.equal(cluster.memory.underWay(slot), expected);
    assert.equal(cluster.memory.of(slot, ServerWord.Requests), expected);
    all += expected;
  }
  assert.equal(cluster.memory.get(GroupWord.Requests), all);
}

/** Events tell the whole story: who only hears them knows the state of each server. */
function checkEvents({ events, keeper }: FlappingCluster): void {
  const states = new Map<string, string>();
  for (const event of events) {
    if (event.kind === "servers") for (const address of event.removed) states.delete(address);
    if (event.kind !== "server") continue;
    assert.equal(states.get(event.address) ?? "up", event.from);
    states.set(event.address, event.to);
  }
  for (const { address, state } of keeper.status().servers)
    assert.equal(state, states.get(address) ?? "up", address);
}

/** @param longest how long a server that is well may stay out */
async function flap(
  seed: string,
  settings: GroupSettings,
  longest: number,
  duration = TWO_HOURS,
): Promise<FlappingCluster> {
  const cluster = new FlappingCluster(seed, settings);
  const outSince = new Map<string, number>();
  await cluster.run(duration, () => {
    checkShare(cluster);
    checkEjections(cluster);
    checkStuck(cluster, longest, outSince);
    checkMembers(cluster);
    checkUnderWay(cluster);
  });
  return cluster;
}

/** By its checks: two intervals with their jitter; by its ejection: the longest that there may be; and a moment to notice. */
const MOMENT = 2 * STEP;
const LONGEST_BY_CHECK = 2 * CHECK.interval * (1 + CHECK.jitter) + MOMENT;
const LONGEST_BY_EJECTION = OUTLIERS.longestEjection + MOMENT;

describe("two hours of a flapping cluster", () => {
  const checked: GroupSettings = { ...SETTINGS, checks: [CHECK] };

  test("leave no server out that is well, and never too many, with checks", async () => {
    const cluster = await flap("first", checked, LONGEST_BY_CHECK);
    const kinds = new Set(cluster.events.map((event) => (event.kind === "server" ? event.to : event.kind)));
    // Otherwise nothing was tried.
    for (const kind of ["ejected", "down", "up", "disabled", "draining", "servers"])
      assert.ok(kinds.has(kind as "up"), kind);
    assert.ok(
      cluster.answered > 10 * cluster.failed,
      `${cluster.answered} answered, ${cluster.failed} failed`,
    );
    checkEvents(cluster);
    await cluster.rest(120_000);
    checkUnderWay(cluster);
    assert.equal(cluster.memory.get(GroupWord.Requests), 0);
    assert.equal(cluster.memory.get(GroupWord.Ejected), 0);
    const out = cluster.keeper
      .status()
      .servers.filter(({ state }) => state === "down" || state === "ejected");
    assert.deepEqual(out, []);
    cluster.keeper.stop();
  });

  test("leave no server out that is well, and never too many, without checks", async () => {
    const cluster = await flap("second", SETTINGS, LONGEST_BY_EJECTION);
    assert.ok(cluster.events.some((event) => event.kind === "server" && event.to === "ejected"));
    checkEvents(cluster);
    cluster.keeper.stop();
  });

  test("go the same way for the same seed, and another for another", async () => {
    const stories = [];
    for (const seed of ["third", "third", "fourth"]) {
      const { events, answered, failed, keeper } = await flap(seed, checked, LONGEST_BY_CHECK, TEN_MINUTES);
      keeper.stop();
      stories.push({ events, answered, failed });
    }
    assert.deepEqual(stories[0], stories[1]);
    assert.notDeepEqual(stories[0], stories[2]);
  });
});
