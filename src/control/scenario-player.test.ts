import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { latencyToxic, stage } from "../../test/kit/scenario-stage.ts";

describe("times", () => {
  test("steps are done at their times, and undone", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 1s, proxy: db, mode: latency 100±20, for: 2s }
  - { after: 500ms, proxy: db, toxic: { type: latency, attributes: { latency: 10 } }, for: 1s }
  - { after: 0s, proxy: db, cut: true }
  - { at: 6s, proxy: db, disable: true, for: 250ms, log: gone }
`);
    await play.pass(10_000);
    assert.deepEqual(play.orders, [
      "1000 db mode latency",
      "3000 db mode allow",
      "3500 db +latency_downstream latency=10",
      "4500 db -latency_downstream",
      "4500 db cut",
      "6000 db update enabled=false",
      "6250 db update enabled=true",
    ]);
    assert.deepEqual(play.lines, [
      "1000 step db: mode latency 100±20",
      "3000 undo db: undo: mode latency 100±20",
      "3500 step db: add toxic latency_downstream (latency, downstream) latency=10",
      "4500 undo db: undo: add toxic latency_downstream (latency, downstream) latency=10",
      "4500 step db: cut all connections",
      "6000 log gone",
      "6000 step db: disable",
      "6250 undo db: undo: disable",
    ]);
    assert.equal(play.outcome, "done");
  });

  test("a play can be faster or slower than written", async () => {
    const steps = "steps: [{ at: 1s, proxy: db, ramp: latency 0→4 over 4s in 4 steps, for: 6s }]";
    const fast = await (await stage("db")).begin(steps, { speed: 10 });
    await fast.pass(700, 10);
    assert.deepEqual(
      fast.orders.map((order) => Number.parseInt(order, 10)),
      [100, 200, 300, 400, 500, 700],
    );
    assert.equal(fast.lines.at(-1)?.split(" ")[0], "7000");
    const slow = await (await stage("db")).begin(steps, { speed: 0.5 });
    await slow.pass(14_000);
    assert.deepEqual(
      slow.orders.map((order) => Number.parseInt(order, 10)),
      [2000, 4000, 6000, 8000, 10_000, 14_000],
    );
  });

  test("the seed draws times and proxies, the same ones again", async () => {
    const drawn = async (seed: string): Promise<readonly string[]> => {
      const play = await stage("a", "b", "c");
      await play.begin(
        "repeat: 3\nsteps: [{ at: 1s±900ms, proxy: { one_of: [a, b, c] }, mode: deny, for: 1s±500ms }]",
        { seed },
      );
      await play.pass(12_000, 1);
      assert.equal(play.outcome, "done");
      return play.orders;
    };
    const orders = await drawn("one");
    assert.equal(orders.length, 6);
    assert.deepEqual(await drawn("one"), orders);
    assert.notDeepEqual(await drawn("two"), orders);
  });

  test("steps without times come one after the other", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { proxy: db, mode: deny, for: 1s }
  - { proxy: db, mode: latency 5, for: 1s }
  - { proxy: db, mode: throttle 5k, for: 1s }
`);
    await play.pass(3000);
    // From one to the next without a moment of nothing in between.
    assert.deepEqual(play.orders, [
      "0 db mode deny",
      "1000 db mode latency",
      "2000 db mode throttle",
      "3000 db mode allow",
    ]);
  });

  test("longer than a timer can wait is waited for", async () => {
    const play = await stage("db");
    await play.begin("steps: [{ at: 24h, proxy: db, log: a }, { after: 500h, proxy: db, cut: true }]");
    await play.pass(524 * 3_600_000 - 1000, 3_600_000);
    assert.deepEqual(play.orders, []);
    await play.pass(1000);
    assert.deepEqual(play.orders, [`${524 * 3_600_000} db cut`]);
  });
});

describe("targets", () => {
  test("several proxies in one step", async () => {
    const play = await stage("a", "b", "c");
    await play.begin("steps: [{ proxy: [c, a], mode: deny, for: 1s }]");
    await play.pass(1000);
    assert.deepEqual(play.orders, [
      "0 c mode deny",
      "0 a mode deny",
      "1000 c mode allow",
      "1000 a mode allow",
    ]);
    assert.equal(play.lines[0], "0 step c: a: mode deny");
  });

  test("all that there are when the step comes", async () => {
    const play = await stage("a");
    await play.begin("steps: [{ at: 1s, proxy: all, cut: true }]");
    await play.proxy("b");
    await play.pass(1000);
    assert.deepEqual(play.orders, ["1000 a cut", "1000 b cut"]);
  });

  test("all, when there are none, is a mistake", async () => {
    const play = await stage();
    await play.begin("steps: [{ at: 1s, proxy: all, cut: true }]");
    await play.pass(1000);
    assert.equal(play.outcome, "failed");
    assert.equal(play.lines[0], "1000 fail step 1 (line 1): there are no proxies");
  });

  test("proxies of the scenario are created first and removed at the end", async () => {
    const play = await stage();
    await play.begin(`
proxies:
  - { name: db, upstream: 5432, listen: ":7001", toxics: [{ type: latency }], mode: deny }
  - { name: cache, upstream: 6379 }
steps:
  - { at: 1s, proxy: db, mode: allow }
`);
    assert.deepEqual(play.steering.get("db").toxics.length, 1);
    assert.deepEqual(play.steering.get("db").mode.kind, "deny");
    await play.pass(1000);
    assert.deepEqual(play.orders, [
      "0 db create",
      "0 cache create",
      "1000 db mode allow",
      "1000 cache remove",
      "1000 db remove",
    ]);
    assert.deepEqual(play.lines, [
      "0 create db: create tcp proxy :7001 → 127.0.0.1:5432",
      "0 create cache: create tcp proxy 127.0.0.1:40001 → 127.0.0.1:6379",
      "1000 step db: mode allow",
      "1000 remove cache: remove",
      "1000 remove db: remove",
    ]);
    assert.deepEqual(play.steering.list(), []);
  });
});

describe("ramps", () => {
  test("add a toxic of their type, move it, and take it away", async () => {
    const play = await stage("db");
    await play.begin("steps: [{ proxy: db, ramp: latency 0→100ms over 1s, for: 2s }]");
    await play.pass(2000);
    assert.deepEqual(play.orders, [
      "0 db +latency_downstream latency=0",
      "250 db latency_downstream latency=25",
      "500 db latency_downstream latency=50",
      "750 db latency_downstream latency=75",
      "1000 db latency_downstream latency=100",
      "2000 db -latency_downstream",
    ]);
    assert.deepEqual(
      play.events.map(({ at, kind }) => [at, kind]),
      [
        [0, "step"],
        [250, "value"],
        [500, "value"],
        [750, "value"],
        [1000, "arrive"],
        [2000, "undo"],
      ],
    );
  });

  test("move a toxic that is there, by name or by type, and bring its value back", async () => {
    const play = await stage("db");
    await play.steering.addToxic("db", latencyToxic("slow", { latency: 7, jitter: 3 }));
    await play.steering.addToxic("db", latencyToxic("latency_downstream", { latency: 9 }));
    await play.begin(`
steps:
  - { proxy: db, ramp: slow.latency 10→0 over 1s in 2 steps, for: 1s }
  - { proxy: db, ramp: latency.jitter 0→4 over 1s in 1 steps, for: 1s }
`);
    await play.pass(2000);
    assert.deepEqual(play.orders, [
      "0 db slow latency=10",
      "500 db slow latency=5",
      "1000 db slow latency=0",
      "1000 db slow latency=7",
      "2000 db latency_downstream jitter=4",
      "2000 db latency_downstream jitter=0",
    ]);
  });

  test("say nothing to the server where the value stays the same", async () => {
    const play = await stage("db");
    await play.begin("steps: [{ proxy: db, ramp: latency 0→2 over 10s every 50ms }]");
    await play.pass(10_000);
    assert.deepEqual(play.orders, [
      "0 db +latency_downstream latency=0",
      "2500 db latency_downstream latency=1",
      "7500 db latency_downstream latency=2",
    ]);
  });

  test("of shares have fractions without rests of counting", async () => {
    const play = await stage("db");
    await play.begin("steps: [{ proxy: db, ramp: latency.toxicity 0→0.6 over 1s in 6 steps }]");
    await play.pass(1000, 10);
    const values = play.orders.map((order) => /[\d.]+$/.exec(order)?.[0]);
    assert.deepEqual(values, ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6"].slice(0, values.length));
    assert.equal(values.length, 7);
  });

  test("leave values out when the server is slow, and arrive in time", async () => {
    const play = await stage("db");
    play.target.beforeOrder = async (order) => {
      if (!order.endsWith("latency=10")) return;
      const until = play.clock.now() + 400;
      while (play.clock.now() < until) await turn();
    };
    await play.begin("steps: [{ proxy: db, ramp: latency 0→100 over 1s every 100ms }]");
    await play.pass(1000, 10);
    const told = play.orders.map((order) => Number(/\d+$/.exec(order)?.[0]));
    assert.deepEqual(told, [0, 10, 50, 60, 70, 80, 90, 100]);
    assert.equal(play.outcome, "done");
  });
});
