import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptGroup } from "../../../test/kit/kept-group.ts";
import { ALLOW } from "../../chaos/mode.ts";
import { parseConfig } from "../../config/load.ts";
import type { ListenerSettings } from "../../config/snapshot.ts";
import { STREAM_DEFAULTS, type StreamProxySettings } from "../../proxy/stream-proxy.ts";
import type { HealthCheckSettings } from "../../upstream/group-settings.ts";
import type { ProxyState } from "../steering.ts";
import { ProxyMemory, toProxyMemory } from "./proxy-memory.ts";
import { fromTicketMemory, toTicketMemory } from "./ticket-memory.ts";
import { fromUpstreamMemory, toUpstreamMemory } from "./upstream-memory.ts";

const CHECK: HealthCheckSettings = {
  ...{ kind: "tcp", interval: 1_000, jitter: 0, timeout: 500, rise: 1, fall: 2, port: null },
};

/** As it is read by another process. */
function sent<T>(memory: T): unknown {
  return JSON.parse(JSON.stringify(memory));
}

test("a server that was down isn't asked before its checks say otherwise, and what was ordered holds", async () => {
  const old = new KeptGroup({ checks: [CHECK] });
  await old.keeper.start();
  old.ill.set("a:1", "connect ECONNREFUSED");
  await old.pass(2_100);
  old.keeper.order("b:1", "draining");
  old.keeper.setWeight("c:1", 7);
  const memory = sent(toUpstreamMemory([old.keeper.status()]));

  const young = new KeptGroup({ checks: [CHECK], servers: ["a:1", "b:1", "c:1", "d:1"] });
  young.keeper.remember(fromUpstreamMemory(memory, "kept"));
  assert.equal(young.chosen(), "cd");
  await young.keeper.start();
  assert.equal(young.status("a:1").reason, "connect ECONNREFUSED");
  assert.equal(young.status("b:1").state, "draining");
  assert.equal(young.status("c:1").weight, 7);
  await young.pass(1_100);
  assert.equal(young.status("a:1").state, "up");
  assert.equal(young.chosen(), "acd");
});

test("a server that was down is up where nobody looks after it", () => {
  const young = new KeptGroup();
  young.keeper.remember([{ address: "a:1", state: "down", reason: "x", weight: 1 }]);
  assert.equal(young.chosen(), "abc");
});

test("keys of tickets are the same, and change when they would have", () => {
  const keys = [Buffer.alloc(48, 1), Buffer.alloc(48, 2)];
  const tickets = new Map([
    ["web", { ticketKeys: keys, rotatesAt: 5_000 }],
    ["api", { ticketKeys: keys.slice(1), rotatesAt: null }],
  ]);
  const read = fromTicketMemory(sent(toTicketMemory(tickets, 2_000)), 100_000);
  assert.deepEqual(
    [...read],
    [
      ["web", { ticketKeys: keys, rotatesAt: 103_000 }],
      ["api", { ticketKeys: keys.slice(1), rotatesAt: null }],
    ],
  );
});

test("what can't be understood is as if nothing had been said", () => {
  for (const memory of [null, 1, "x", [], { kept: 1 }, { kept: [1, null, { address: "a:1", state: "ill" }] }])
    assert.deepEqual(fromUpstreamMemory(memory, "kept"), []);
  for (const memory of [undefined, 1, { web: null }, { web: { keys: "x" } }, { web: { keys: ["AAAA"] } }])
    assert.equal(fromTicketMemory(memory, 0).size, 0);
});

function streamProxy(name: string, listen: string, protocol: "tcp" | "udp" = "tcp"): StreamProxySettings {
  return { ...STREAM_DEFAULTS[protocol], name, listen, upstreams: ["127.0.0.1:1"] };
}

function stateOf(
  { name, protocol, listen }: StreamProxySettings,
  change: Partial<ProxyState> = {},
): ProxyState {
  return {
    name,
    protocol,
    listen,
    upstream: "127.0.0.1:1",
    enabled: true,
    toxics: [],
    mode: ALLOW,
    ...change,
  };
}

test("what was ordered of proxies stays, unless the file says something else", () => {
  const [db, dns, cut] = [streamProxy("db", ":1"), streamProxy("dns", ":0", "udp"), streamProxy("cut", ":3")];
  const toxic = {
    name: "late",
    type: "latency",
    stream: "downstream",
    toxicity: 1,
    attributes: { latency: 9 },
  } as const;
  const states = [
    stateOf(db, { toxics: [toxic], enabled: false }),
    stateOf(dns, { listen: "[::]:53" }),
    stateOf(cut, { toxics: [toxic] }),
    stateOf(streamProxy("made", ":4"), { mode: { kind: "deny", cut: true } }),
  ];
  const memory = new ProxyMemory(sent(toProxyMemory(states, [], { listeners: [], proxies: [db, dns, cut] })));
  const other = { ...cut, upstreams: ["127.0.0.1:2"] };
  const openings = memory.openings({ listeners: [], proxies: [db, dns, other, streamProxy("new", ":5")] });
  assert.deepEqual(
    openings.map(({ init, isShared, isOfFile }) => [
      init.name,
      init.listen,
      init.enabled,
      isShared,
      isOfFile,
    ]),
    [
      ["db", ":1", false, false, true],
      ["dns", "[::]:53", true, true, true],
      ["cut", ":3", undefined, false, true],
      ["new", ":5", undefined, false, true],
      ["made", ":4", true, false, false],
    ],
  );
  assert.deepEqual(
    openings.map(({ init }) => init.toxics?.length ?? 0),
    [1, 0, 0, 0, 0],
  );
  assert.deepEqual(openings[4]?.init.mode, { kind: "deny", cut: true });
});

test("faults on routes stay switched as long as the file says the same of them", () => {
  const listeners = (...faults: readonly [name: string, enabled: boolean][]): readonly ListenerSettings[] => {
    const named = faults.map(([name, enabled]) => `{ name: ${name}, enabled: ${enabled}, delay: 5 }`);
    const text = `listeners: [{ name: web, bind: 0, respond: 200, faults: [${named.join(", ")}] }]`;
    return parseConfig(text, "test.yaml", {}).listeners;
  };
  const before = listeners(["slow", false], ["late", false], ["gone", false]);
  const switched = ["slow", "late", "gone"].map((name) => [name, true] as const);
  const standing = [{ name: "web", toxics: [], mode: ALLOW, switched }];
  const state = { ...stateOf(streamProxy("web", ":1")), protocol: "http", upstream: "" } as const;
  const memory = new ProxyMemory(sent(toProxyMemory([state], standing, { listeners: before, proxies: [] })));
  assert.deepEqual(memory.switchedOf(before[0]!), switched);
  assert.deepEqual(memory.switchedOf(listeners(["slow", false], ["late", true])[0]!), [["slow", true]]);
});

test("what can't be understood of proxies is as if nothing had been said", () => {
  for (const memory of [undefined, 1, {}, [1], [{ name: "db" }]])
    assert.deepEqual(new ProxyMemory(memory).openings({ listeners: [], proxies: [] }), []);
});
