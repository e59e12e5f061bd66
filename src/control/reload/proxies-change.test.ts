import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PaperPlanes } from "../../../test/kit/paper-planes.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { parseConfig } from "../../config/load.ts";
import type { Order } from "../../worker/orders.ts";
import { Proxies } from "../proxies.ts";
import { ProxiesChange, type SteeredPart } from "./proxies-change.ts";

const LATENCY = { type: "latency", stream: "downstream", toxicity: 1 } as const;

/** What only asks, or watches. */
const NEVER: ReadonlySet<Order["do"]> = new Set<Order["do"]>(["traffic", "httpFaults", "watch"]);

function parse(text: string): SteeredPart {
  return parseConfig(text, "test.yaml", {});
}

const WEB = "  - { name: web, bind: 127.0.0.1:80, respond: 200 }\n";
const REDIS = "  - { name: redis, protocol: tcp, bind: 127.0.0.1:0, upstream: 127.0.0.1:6379 }\n";
const CACHE = "  - { name: cache, protocol: tcp, bind: 127.0.0.1:7000, upstream: 127.0.0.1:7379 }\n";

async function start(text: string): Promise<{ paper: PaperPlanes; proxies: Proxies; before: SteeredPart }> {
  const before = parse(`listeners:\n${text}`);
  const paper = new PaperPlanes();
  const proxies = new Proxies(paper, createRegistry());
  for (const { name, bind, toxics, mode } of before.listeners) proxies.adopt(name, bind, toxics, mode);
  for (const proxy of before.proxies) await proxies.create(proxy);
  paper.orders.length = 0;
  return { paper, proxies, before };
}

async function change(
  { proxies, before }: { proxies: Proxies; before: SteeredPart },
  text: string,
  addresses: Readonly<Record<string, string>> = {},
) {
  const after = parse(`listeners:\n${text}`);
  return await proxies.exclusively(async (book) => {
    const made = new ProxiesChange(book, before, after);
    const { standing } = made;
    await made.commit(
      after.listeners.map(({ bind }) => bind),
      new Map(Object.entries(addresses)),
    );
    return { standing, notes: made.notes };
  });
}

describe("when a file comes that says the same of a proxy", () => {
  test("what was ordered of it stays, and threads aren't told anything", async () => {
    const rig = await start(WEB + REDIS);
    const { proxies, paper } = rig;
    await proxies.addToxic("web", { ...LATENCY, name: "late", attributes: { latency: 5 } });
    await proxies.addToxic("redis", { ...LATENCY, name: "later", attributes: { latency: 9 } });
    await proxies.setMode("redis", { kind: "deny", cut: true });
    await proxies.update("redis", { upstreams: ["127.0.0.1:6380"] });
    const before = proxies.list();
    paper.orders.length = 0;
    const { standing, notes } = await change(rig, WEB + REDIS + CACHE, { cache: "127.0.0.1:7000" });
    assert.deepEqual(proxies.list().slice(0, 2), before);
    assert.deepEqual([paper.told, notes], [[], []]);
    assert.deepEqual(
      standing.proxies.map(({ name, listen, upstreams, toxics }) => [
        name,
        listen,
        upstreams[0],
        toxics.length,
      ]),
      [
        ["redis", "127.0.0.1:5001", "127.0.0.1:6380", 1],
        ["cache", "127.0.0.1:7000", "127.0.0.1:7379", 0],
      ],
    );
    assert.deepEqual(standing.listeners[0]?.toxics[0]?.name, "late");
  });

  test("one that was disabled or removed stays so", async () => {
    const rig = await start(WEB + REDIS + CACHE);
    await rig.proxies.update("redis", { enabled: false });
    await rig.proxies.remove("cache");
    const { standing } = await change(rig, WEB + REDIS + CACHE);
    assert.deepEqual(standing.proxies, []);
    assert.deepEqual(
      rig.proxies.list().map(({ name, enabled }) => [name, enabled]),
      [
        ["web", true],
        ["redis", false],
      ],
    );
  });

  test("those that were made by order stay, and their names are taken", async () => {
    const rig = await start(WEB);
    await rig.proxies.create({ name: "mine", listen: "127.0.0.1:0", upstreams: ["127.0.0.1:1"] });
    const { standing } = await change(rig, WEB);
    assert.deepEqual(
      standing.proxies.map(({ name }) => name),
      ["mine"],
    );
    await assert.rejects(change(rig, WEB + REDIS.replace("redis", "mine")), { code: "PROXY_EXISTS" });
    await assert.rejects(change(rig, WEB.replace("web", "mine")), /made while it ran/);
    assert.equal(rig.proxies.get("mine").protocol, "tcp");
  });
});

describe("when a file comes that says something else of a proxy", () => {
  test("its toxics and mode are the file's, and that is told", async () => {
    const rig = await start(WEB + REDIS);
    const { proxies, paper } = rig;
    await proxies.addToxic("web", { ...LATENCY, name: "late", attributes: { latency: 5 } });
    await proxies.addToxic("redis", { ...LATENCY, name: "later", attributes: { latency: 9 } });
    paper.orders.length = 0;
    const toxics = "toxics: [{ type: bandwidth, name: narrow, attributes: { rate: 5 } }] }";
    const { notes, standing } = await change(rig, WEB.replace("}", `, ${toxics}`) + REDIS);
    // Threads begin with the faults that there are, and are told of others.
    assert.deepEqual(standing.listeners[0]?.toxics[0]?.name, "late");
    assert.deepEqual(paper.told, ["-late web", "+narrow web", "allow web"]);
    assert.deepEqual(
      proxies.get("web").toxics.map(({ name }) => name),
      ["narrow"],
    );
    assert.deepEqual(
      proxies.get("redis").toxics.map(({ name }) => name),
      ["later"],
    );
    assert.deepEqual(
      notes.map(({ path }) => path),
      ["listeners[web]"],
    );
  });

  test("it moves, and keeps its faults", async () => {
    const rig = await start(CACHE);
    await rig.proxies.addToxic("cache", { ...LATENCY, name: "late", attributes: { latency: 5 } });
    const { standing } = await change(rig, CACHE.replace("7000", "7001"), { cache: "127.0.0.1:7001" });
    assert.deepEqual(
      standing.proxies.map(({ listen, toxics }) => [listen, toxics[0]?.name]),
      [["127.0.0.1:7001", "late"]],
    );
    assert.equal(rig.proxies.get("cache").listen, "127.0.0.1:7001");
  });

  test("what it doesn't mention any more goes", async () => {
    const rig = await start(WEB + REDIS + CACHE);
    const { standing } = await change(rig, REDIS);
    assert.deepEqual([standing.proxies.map(({ name }) => name), standing.listeners], [["redis"], []]);
    assert.deepEqual(
      rig.proxies.list().map(({ name }) => name),
      ["redis"],
    );
  });

  test("faults on routes stay switched as long as the file says the same of them", async () => {
    const faults = (enabled: boolean): string =>
      WEB.replace("respond: 200", `respond: 200, faults: [{ name: slow, enabled: ${enabled}, delay: 5 }]`);
    const rig = await start(faults(false));
    await rig.proxies.setHttpFault("web", "slow", true);
    const same = await change(rig, faults(false) + REDIS, { redis: "127.0.0.1:5001" });
    assert.deepEqual(same.standing.listeners[0]?.switched, [["slow", true]]);
    const other = await change(rig, faults(true));
    assert.deepEqual(other.standing.listeners[0]?.switched, []);
    assert.deepEqual((await change(rig, WEB)).standing.listeners[0]?.switched, []);
  });
});

test("a change waits for nobody who only asks, though threads never answer", async () => {
  const stand = await start(WEB + CACHE);
  const { paper, proxies } = stand;
  paper.unanswered = NEVER;
  for (const asked of [proxies.traffic(), proxies.httpFaults("web")]) void asked.catch(() => undefined);
  const stop = proxies.onEvent(() => undefined);
  await change(stand, WEB);
  assert.deepEqual(
    proxies.list().map(({ name }) => name),
    ["web"],
  );
  stop();
  // Or those who wait would keep the process for as long as they do.
  paper.catchUp();
});
