import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ManualAlarmClock } from "../base/alarms.ts";
import type { UpstreamSettings } from "../filters/settings.ts";
import { DEFAULT_RETRY_POLICY } from "../proxy/retries.ts";
import { GroupMemory, Out, ServerWord } from "../upstream/group-memory.ts";
import { DEFAULT_GROUP } from "../upstream/group-settings.ts";
import type { GroupEvent } from "../upstream/group-status.ts";
import { KeptUpstreams } from "./upstreams.ts";

const FIRST = "127.0.0.1:3001";
const SECOND = "127.0.0.1:3002";

function upstream(name: string, ...addresses: readonly string[]): UpstreamSettings {
  const servers = addresses.map((address) => ({ address, weight: 1, priority: 0, zone: null }));
  return {
    ...{ ...DEFAULT_GROUP, name, servers, peer: {}, hashBy: [], sticky: null },
    retries: DEFAULT_RETRY_POLICY,
  };
}

/** Two groups with two servers each, and what is written into their memory. */
class Kept {
  readonly memories = new Map<string, GroupMemory>();
  readonly events: GroupEvent[] = [];
  readonly upstreams: KeptUpstreams;

  constructor() {
    const settings = [upstream("api", FIRST, SECOND), upstream("pages", FIRST, SECOND)];
    this.upstreams = new KeptUpstreams(settings, {
      memoryOf: ({ name }) => this.memories.getOrInsertComputed(name, () => GroupMemory.local(2)),
      clock: new ManualAlarmClock(),
      seed: "seed",
      onServers: () => assert.fail("the servers stay the same"),
    });
    this.upstreams.onEvent((event) => this.events.push(event));
  }

  out(group: string, slot: number): number {
    return this.memories.get(group)!.of(slot, ServerWord.Out);
  }
}

describe("the groups of a configuration", () => {
  test("are known with their servers before anything is started", () => {
    const { upstreams } = new Kept();
    assert.deepEqual(
      upstreams.list().map(({ name, servers }) => [name, servers.map(({ state }) => state)]),
      [
        ["api", ["up", "up"]],
        ["pages", ["up", "up"]],
      ],
    );
    assert.deepEqual(
      upstreams.standing.map(({ upstream, servers }) => [upstream, servers.map(({ slot }) => slot)]),
      [
        ["api", [0, 1]],
        ["pages", [0, 1]],
      ],
    );
    assert.equal(upstreams.getServer("api", SECOND).address, SECOND);
  });

  test("take orders each for itself, and tell of them", () => {
    const kept = new Kept();
    kept.upstreams.order("api", SECOND, "draining");
    assert.deepEqual([kept.out("api", 1), kept.out("api", 0), kept.out("pages", 1)], [Out.Draining, 0, 0]);
    const { state, reason } = kept.upstreams.getServer("api", SECOND);
    assert.deepEqual([state, reason], ["draining", "by order"]);
    kept.upstreams.order("api", SECOND, "enabled");
    kept.upstreams.order("api", FIRST, "disabled");
    assert.deepEqual(
      kept.events.map((event) => [event.group, event.kind === "server" ? event.to : event.kind]),
      [
        ["api", "draining"],
        ["api", "up"],
        ["api", "disabled"],
      ],
    );
    kept.upstreams.order("api", SECOND, "disabled");
    assert.ok(kept.events.some((event) => event.kind === "group" && event.isDown));
  });

  test("take weights", () => {
    const { upstreams, memories } = new Kept();
    upstreams.setWeight("api", FIRST, 5);
    assert.equal(upstreams.getServer("api", FIRST).weight, 5);
    assert.equal(memories.get("api")!.of(0, ServerWord.Share), 500);
    for (const weight of [0, 1001, 1.5, Number.NaN])
      assert.throws(() => upstreams.setWeight("api", FIRST, weight), { code: "INVALID" }, String(weight));
  });

  test("tell nobody any more who doesn't want to hear", () => {
    const kept = new Kept();
    const heard: GroupEvent[] = [];
    const forget = kept.upstreams.onEvent((event) => heard.push(event));
    forget();
    kept.upstreams.order("api", FIRST, "draining");
    assert.deepEqual([heard.length, kept.events.length], [0, 1]);
  });
});

describe("names that aren't there", () => {
  const cases: readonly (readonly [
    run: (upstreams: KeptUpstreams) => unknown,
    code: string,
    message: string,
  ])[] = [
    [(all) => all.get("apu"), "UPSTREAM_NOT_FOUND", 'there is no upstream "apu": did you mean api?'],
    [
      (all) => all.get("database"),
      "UPSTREAM_NOT_FOUND",
      'there is no upstream "database": there are api, pages',
    ],
    [
      (all) => all.order("api", "127.0.0.1:3007", "draining"),
      "SERVER_NOT_FOUND",
      `upstream "api" has no server "127.0.0.1:3007": did you mean ${FIRST}?`,
    ],
    [
      (all) => all.setWeight("api", "x", 0),
      "SERVER_NOT_FOUND",
      `upstream "api" has no server "x": there are ${FIRST}, ${SECOND}`,
    ],
  ];
  for (const [run, code, message] of cases) {
    test(`are told as ${message}`, () => {
      assert.throws(() => run(new Kept().upstreams), { name: "UpstreamError", code, message });
    });
  }

  test("are told where there are no groups at all", () => {
    const none = new KeptUpstreams([], {
      memoryOf: () => GroupMemory.local(1),
      clock: new ManualAlarmClock(),
      seed: "seed",
      onServers: () => undefined,
    });
    assert.throws(() => none.get("api"), { message: 'there is no upstream "api": there are none' });
    assert.deepEqual([none.list(), none.standing], [[], []]);
  });
});
