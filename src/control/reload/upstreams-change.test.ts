import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { parseConfig } from "../../config/load.ts";
import type { UpstreamSettings } from "../../filters/settings.ts";
import { GroupMemory, ServerWord } from "../../upstream/group-memory.ts";
import type { UpstreamServers } from "../../worker/orders.ts";
import { KeptUpstreams } from "../upstreams.ts";
import { UpstreamsChange } from "./upstreams-change.ts";

const SLOTS = 8;

function parse(text: string): readonly UpstreamSettings[] {
  const names = [...text.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  const routes = names.map((name) => `{ match: { path: /${name} }, upstream: ${name} }`).join();
  return parseConfig(`upstreams:\n${text}\nlisteners: [{ bind: 0, routes: [${routes}] }]`, "a.yaml", {})
    .upstreams;
}

const API = "  api: { servers: [127.0.0.1:1, 127.0.0.1:2] }\n";
const PAGES = "  pages: { servers: [127.0.0.1:3] }\n";

class Rig {
  readonly told: UpstreamServers[] = [];
  readonly upstreams: KeptUpstreams;
  readonly events: string[] = [];

  constructor(text: string) {
    this.upstreams = new KeptUpstreams(parse(text), {
      memoryOf: () => GroupMemory.local(SLOTS),
      clock: new ManualAlarmClock(),
      seed: "seed",
      onServers: (change) => this.told.push(change),
    });
    this.upstreams.onEvent((event) => this.events.push(`${event.kind} ${event.group}`));
  }

  change(text: string): UpstreamsChange {
    return new UpstreamsChange(this.upstreams, parse(text), () => GroupMemory.local(SLOTS));
  }

  async goOver(text: string): Promise<UpstreamsChange> {
    const change = this.change(text);
    await change.find();
    change.reserve();
    change.inherit();
    change.commit();
    return change;
  }

  buffer(name: string): SharedArrayBuffer {
    return this.upstreams.keepers.get(name)!.memory.buffer;
  }
}

describe("groups of servers", () => {
  test("that are set up as before stay just as they are", async () => {
    const rig = new Rig(API + PAGES);
    const keeper = rig.upstreams.keepers.get("api");
    const memory = rig.buffer("api");
    const { memories, begunAnew } = await rig.goOver(
      `${PAGES}  api: { servers: [127.0.0.1:1, 127.0.0.1:2], timeouts: { connect: 3s } }\n`,
    );
    assert.equal(rig.upstreams.keepers.get("api"), keeper);
    assert.equal(memories.get("api"), memory);
    assert.deepEqual([rig.told, begunAnew], [[], []]);
    assert.deepEqual(
      rig.upstreams.list().map(({ name }) => name),
      ["pages", "api"],
    );
  });

  test("that change keep their memory as long as that can be", async () => {
    const rig = new Rig(API);
    const memory = rig.buffer("api");
    rig.upstreams.order("api", "127.0.0.1:2", "draining");
    rig.upstreams.setWeight("api", "127.0.0.1:1", 9);
    await rig.goOver("  api: { balance: random, servers: [127.0.0.1:9, 127.0.0.1:2, 127.0.0.1:1] }\n");
    assert.equal(rig.buffer("api"), memory);
    assert.deepEqual(
      rig.upstreams.get("api").servers.map(({ address, state, weight }) => [address, state, weight]),
      [
        ["127.0.0.1:9", "up", 1],
        ["127.0.0.1:2", "draining", 1],
        ["127.0.0.1:1", "up", 9],
      ],
    );
    assert.deepEqual(rig.told.at(-1)?.servers.length, 3);
    const limited = await rig.goOver("  api: { servers: [127.0.0.1:2], limits: { requests: 5 } }\n");
    assert.notEqual(rig.buffer("api"), memory);
    assert.deepEqual(limited.begunAnew, ["api"]);
    assert.equal(rig.upstreams.getServer("api", "127.0.0.1:2").state, "draining");
  });

  test("come and go", async () => {
    const rig = new Rig(API);
    await rig.goOver(PAGES);
    assert.deepEqual(
      rig.upstreams.list().map(({ name }) => name),
      ["pages"],
    );
    assert.throws(() => rig.upstreams.get("api"), { code: "UPSTREAM_NOT_FOUND" });
    assert.deepEqual(
      rig.told.map(({ upstream }) => upstream),
      ["pages"],
    );
  });

  test("are as before when all is given up, also what was ordered meanwhile", async () => {
    const rig = new Rig(API);
    const before = rig.upstreams.keepers;
    const change = rig.change(
      `  api: { servers: [{ address: 127.0.0.1:1, weight: 7 }, 127.0.0.1:5] }\n${PAGES}`,
    );
    await change.find();
    assert.deepEqual(
      change.reserve().map(({ upstream, servers }) => [upstream, servers.length]),
      [
        ["api", 2],
        ["pages", 1],
      ],
    );
    rig.upstreams.order("api", "127.0.0.1:2", "disabled");
    change.abandon();
    assert.equal(rig.upstreams.keepers, before);
    const { servers } = rig.upstreams.get("api");
    assert.deepEqual(
      servers.map(({ state, weight }) => [state, weight]),
      [
        ["up", 1],
        ["disabled", 1],
      ],
    );
    const { memory } = rig.upstreams.keepers.get("api")!;
    assert.equal(memory.of(0, ServerWord.Share), 100);
    assert.deepEqual(rig.told, []);
  });

  test("name themselves in what is wrong with them", () => {
    const rig = new Rig(API);
    const [broken] = parse(API);
    const discovery = { kind: "http", url: "no url", headers: [], interval: 1, timeout: 1 } as const;
    const settings = [{ ...broken!, discovery }];
    const allocate = (): GroupMemory => GroupMemory.local(SLOTS);
    assert.throws(() => new UpstreamsChange(rig.upstreams, settings, allocate), /upstreams\.api: /);
  });
});
