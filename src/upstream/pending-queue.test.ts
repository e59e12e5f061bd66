import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup } from "../../test/kit/kept-group.ts";
import { GroupWord } from "./group-memory.ts";
import type { Server } from "./server.ts";

function fullGroup(pending: number = 3): { rig: KeptGroup; busy: Server } {
  const limits = { requests: 1, connections: 0, pending, pendingTimeout: 1_000, retries: 0 };
  const rig = new KeptGroup({ limits });
  const busy = rig.group.select(null, null);
  assert.ok(busy.watcher!.onBegin());
  return { rig, busy };
}

function choose(rig: KeptGroup, signal: AbortSignal | null = null): Promise<Server> {
  return rig.group.whenRoom(() => rig.group.select(null, null), signal);
}

/** Waits, then begins a request. */
async function queue(rig: KeptGroup, name: string, order: string[]): Promise<Server> {
  const server = await choose(rig);
  order.push(name);
  assert.ok(server.watcher!.onBegin());
  return server;
}

describe("requests that wait for room", () => {
  test("get it one after the other, first those who came first", async () => {
    const { rig, busy } = fullGroup();
    const order: string[] = [];
    const waiting = ["one", "two", "three"].map((name) => queue(rig, name, order));
    assert.equal(rig.keeper.status().pending, 3);
    let server = busy;
    for (const [i, next] of waiting.entries()) {
      server.watcher!.onEnd(null, 0);
      assert.equal(rig.group.hasRoom, i === 2, "nobody passes those who wait");
      server = await next;
      assert.equal(order.length, i + 1);
    }
    assert.deepEqual(order, ["one", "two", "three"]);
    assert.equal(rig.keeper.status().pending, 0);
  });

  test("are refused when as many wait as may", async () => {
    const { rig } = fullGroup(1);
    const first = choose(rig);
    await assert.rejects(choose(rig), {
      ...{ code: "UPSTREAM_OVERLOADED", status: 503, message: /: kept, as many wait as may$/ },
    });
    const refused = assert.rejects(first, {
      ...{ code: "UPSTREAM_OVERLOADED", message: /: kept, no server had room in time$/ },
    });
    await rig.pass(1_020, 10);
    await refused;
    await assert.rejects(choose(fullGroup(0).rig), { code: "UPSTREAM_OVERLOADED" });
  });

  test("wait no longer than they may", async () => {
    const { rig } = fullGroup();
    let state = "waiting";
    const first = choose(rig).catch(() => (state = "refused"));
    await rig.pass(900, 10);
    const second = choose(rig);
    second.catch(() => undefined);
    assert.equal(state, "waiting");
    await rig.pass(110, 10);
    await first;
    assert.equal(state, "refused");
    assert.equal(rig.keeper.status().pending, 1);
    await rig.pass(1_000, 10);
    assert.equal(rig.keeper.status().pending, 0);
  });

  test("may leave before", async () => {
    const { rig, busy } = fullGroup();
    const leaving = new AbortController();
    const order: string[] = [];
    const gone = choose(rig, leaving.signal);
    const stays = queue(rig, "stays", order);
    leaving.abort(new Error("the client left"));
    await assert.rejects(gone, { message: "the client left" });
    await assert.rejects(choose(rig, leaving.signal), { message: "the client left" });
    assert.equal(rig.keeper.status().pending, 1);
    busy.watcher!.onEnd(null, 0);
    await stays;
    assert.deepEqual(order, ["stays"]);
    leaving.abort();
  });

  test("find room that requests of other threads have left", async () => {
    const { rig } = fullGroup();
    const order: string[] = [];
    const waits = queue(rig, "waits", order);
    await rig.pass(50, 10);
    assert.deepEqual(order, []);
    rig.memory.add(GroupWord.Requests, -1);
    await rig.pass(10, 10);
    await waits;
    assert.deepEqual(order, ["waits"]);
  });

  test("keep their turn and their time while others are quicker", async () => {
    const { rig, busy } = fullGroup();
    let asked = 0;
    const waits = rig.group.whenRoom(() => {
      asked++;
      rig.memory.addUpTo(GroupWord.Requests, 1);
      return rig.group.select(null, null);
    });
    const order: string[] = [];
    const second = queue(rig, "second", order);
    busy.watcher!.onEnd(null, 0);
    assert.equal(asked, 1, "there was room, but another thread has taken it");
    const refused = assert.rejects(waits, { code: "UPSTREAM_OVERLOADED" });
    await rig.pass(500, 10);
    assert.deepEqual([asked, order], [1, []], "nobody passes, nobody is asked without need");
    second.catch(() => undefined);
    await rig.pass(520, 10);
    await refused;
  });

  test("are told what else is wrong", async () => {
    const { rig, busy } = fullGroup();
    const waits = choose(rig);
    rig.setServers();
    busy.watcher!.onEnd(null, 0);
    await assert.rejects(waits, { code: "NO_PEER" });
    assert.equal(rig.keeper.status().pending, 0);
  });
});
