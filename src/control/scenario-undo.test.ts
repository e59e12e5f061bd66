import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { latencyToxic, type Stage, stage } from "../../test/kit/scenario-stage.ts";
import type { Mode } from "../chaos/mode.ts";
import { SteeringError } from "./steering.ts";

const THROTTLE: Mode = { kind: "throttle", rate: 5, stream: "both" };

/** What of a proxy a play may change. */
function stateOf(play: Stage, proxy = "db"): unknown {
  const { enabled, toxics, mode } = play.steering.get(proxy);
  return structuredClone({ enabled, toxics: toxics.toSorted((a, b) => a.name.localeCompare(b.name)), mode });
}

describe("steps that overlap", () => {
  test("one that ends beneath another is not seen to end, nor to come back", async () => {
    const play = await stage("db");
    await play.steering.setMode("db", THROTTLE);
    await play.begin(`
steps:
  - { at: 0s, proxy: db, mode: latency 100, for: 10s }
  - { at: 5s, proxy: db, mode: deny, for: 10s }
`);
    await play.pass(15_000);
    assert.deepEqual(play.orders, ["0 db mode latency", "5000 db mode deny", "15000 db mode throttle"]);
    assert.deepEqual(play.steering.get("db").mode, THROTTLE);
  });

  test("one within another gives way to it", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 0s, proxy: db, mode: latency 100, for: 10s }
  - { at: 5s, proxy: db, mode: deny, for: 1s }
`);
    await play.pass(10_000);
    assert.deepEqual(play.orders, [
      "0 db mode latency",
      "5000 db mode deny",
      "6000 db mode latency",
      "10000 db mode allow",
    ]);
  });

  test("what has no end stays beneath what has one, and over what came before", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 0s, proxy: db, mode: latency 100, for: 10s }
  - { at: 1s, proxy: db, mode: deny, for: 3s }
  - { at: 2s, proxy: db, mode: throttle 5 }
`);
    await play.pass(10_000);
    assert.deepEqual(play.orders, ["0 db mode latency", "1000 db mode deny", "2000 db mode throttle"]);
    assert.equal(play.outcome, "done");
    assert.deepEqual(play.steering.get("db").mode, THROTTLE);
  });

  test("updates of one toxic lie on each other, attribute by attribute", async () => {
    const play = await stage("db");
    await play.steering.addToxic("db", latencyToxic("slow", { latency: 1, jitter: 1 }));
    await play.begin(`
steps:
  - { at: 0s, proxy: db, update: { toxic: slow, attributes: { latency: 10 } }, for: 10s }
  - { at: 1s, proxy: db, update: { toxic: slow, attributes: { jitter: 20 }, toxicity: 0.5 }, for: 4s }
  - { at: 2s, proxy: db, update: { toxic: slow, attributes: { latency: 30 } }, for: 10s }
  - { at: 6s, proxy: db, remove: slow, for: 1s }
`);
    await play.pass(12_000);
    assert.deepEqual(play.orders, [
      "0 db slow latency=10",
      "1000 db slow jitter=20 toxicity=0.5",
      "2000 db slow latency=30",
      "5000 db slow jitter=1 toxicity=1",
      "6000 db -slow",
      "7000 db +slow latency=30 jitter=1",
      "12000 db slow latency=1",
    ]);
    assert.deepEqual(play.steering.get("db").toxics, [latencyToxic("slow", { latency: 1, jitter: 1 })]);
  });

  test("a toxic that goes takes with it what was changed on it", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 0s, proxy: db, toxic: { type: latency, name: slow }, for: 2s }
  - { at: 1s, proxy: db, update: { toxic: slow, attributes: { latency: 10 } }, for: 9s }
  - { at: 4s, proxy: db, toxic: { type: latency, name: slow }, for: 1s }
`);
    await play.pass(10_000);
    assert.deepEqual(play.orders, [
      "0 db +slow",
      "1000 db slow latency=10",
      "2000 db -slow",
      "4000 db +slow",
      "5000 db -slow",
    ]);
    assert.equal(play.outcome, "done");
  });

  test("a toxic that comes as another one goes is changed in place if it is of the same kind", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { proxy: db, toxic: { type: latency, name: slow, attributes: { latency: 5 } }, for: 1s }
  - { proxy: db, toxic: { type: latency, name: slow, attributes: { latency: 6 } }, for: 1s }
  - { proxy: db, toxic: { type: timeout, name: slow, stream: upstream }, for: 1s }
`);
    await play.pass(3000);
    assert.deepEqual(play.orders, [
      "0 db +slow latency=5",
      "1000 db slow latency=6",
      "2000 db -slow",
      "2000 db +slow",
      "3000 db -slow",
    ]);
  });

  test("what ended is undone before connections are cut", async () => {
    const play = await stage("db");
    await play.begin("steps: [{ proxy: db, mode: deny, for: 1s }, { proxy: db, cut: true }]");
    await play.pass(1000);
    assert.deepEqual(play.orders, ["0 db mode deny", "1000 db mode allow", "1000 db cut"]);
  });

  test("a ramp goes on beneath a step that removes its toxic for a while", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 0s, proxy: db, ramp: latency 0→10 over 2s in 4 steps, for: 3s }
  - { at: 600ms, proxy: db, remove: latency_downstream, for: 600ms }
`);
    await play.pass(3000);
    assert.deepEqual(play.orders, [
      "0 db +latency_downstream latency=0",
      "500 db latency_downstream latency=3",
      "600 db -latency_downstream",
      "1200 db +latency_downstream latency=5 jitter=0",
      "1500 db latency_downstream latency=8",
      "2000 db latency_downstream latency=10",
      "3000 db -latency_downstream",
    ]);
    assert.equal(play.outcome, "done");
  });

  test("a ramp whose toxic goes fails", async () => {
    const play = await stage("db");
    await play.begin(`
steps:
  - { at: 0s, proxy: db, toxic: { type: latency, name: slow }, for: 1s }
  - { at: 0s, proxy: db, ramp: slow.latency 0→10 over 2s in 4 steps }
`);
    await play.pass(3000);
    assert.equal(play.outcome, "failed");
    assert.equal(play.lines.at(-1), "1500 fail step 2 (line 4): db has no toxic slow");
    assert.deepEqual(play.steering.get("db").toxics, []);
  });
});

describe("rounds", () => {
  test("each begins as the first one did; after the last, what has no end stays", async () => {
    const play = await stage("db");
    await play.begin(`
repeat: 2
steps:
  - { at: 1s, proxy: db, toxic: { type: latency, name: slow } }
  - { at: 2s, proxy: db, disable: true }
  - { at: 3s, log: over }
`);
    await play.pass(6000);
    assert.deepEqual(play.orders, [
      "1000 db +slow",
      "2000 db update enabled=false",
      "3000 db update enabled=true",
      "3000 db -slow",
      "4000 db +slow",
      "5000 db update enabled=false",
    ]);
    assert.deepEqual(play.lines, [
      "0 round round 1 of 2",
      "1000 step db: add toxic slow (latency, downstream)",
      "2000 step db: disable",
      "3000 log over",
      "3000 undo db: undo: enabled",
      "3000 undo db: undo: toxic slow",
      "0 round round 2 of 2",
      "1000 step db: add toxic slow (latency, downstream)",
      "2000 step db: disable",
      "3000 log over",
    ]);
    assert.equal(play.outcome, "done");
    assert.equal(play.steering.get("db").enabled, false);
  });

  test("go on for ever until the play is stopped", async () => {
    const play = await stage("db");
    await play.begin("repeat: forever\nsteps: [{ at: 1s, proxy: db, mode: deny, for: 1s }]");
    await play.pass(101_500, 500);
    assert.equal(play.orders.length, 101);
    assert.equal(play.outcome, null);
    play.player.stop();
    await play.settle();
    assert.equal(play.outcome, "stopped");
    assert.deepEqual(play.orders.slice(-2), ["101000 db mode deny", "101500 db mode allow"]);
    assert.equal(play.events.at(-3)?.round, 51);
    assert.deepEqual(play.lines.slice(-2), ["1500 stop stopped", "1500 undo db: undo: mode"]);
  });

  test("notice what others changed between them", async () => {
    const play = await stage("db");
    await play.begin("repeat: 2\nsteps: [{ at: 1s, proxy: db, mode: deny, for: 1s }]");
    await play.pass(2500);
    await play.steering.setMode("db", THROTTLE);
    await play.pass(1500);
    assert.deepEqual(play.orders.at(-1), "4000 db mode throttle");
  });
});

const CHANGES_EVERYTHING = `
proxies: [{ name: own, upstream: 5432 }]
steps:
  - { proxy: [db, own], mode: latency 5 }
  - { proxy: [db, own], disable: true }
  - { proxy: db, update: { toxic: slow, attributes: { jitter: 9 } } }
  - { proxy: db, remove: other, for: 10s }
  - { at: 0s, proxy: [db, own], toxic: { type: timeout } }
  - { at: 0s, proxy: db, ramp: bandwidth 1000→10KB/s over 4s }
  - { at: 0s, proxy: db, ramp: slow.latency 0→10 over 4s, for: 5s }
`;

async function changedStage(more: string): Promise<Stage> {
  const play = await stage("db");
  await play.steering.addToxic("db", latencyToxic("slow", { latency: 1, jitter: 1 }));
  await play.steering.addToxic("db", { ...latencyToxic("other", {}), type: "bandwidth", stream: "upstream" });
  const text = `${CHANGES_EVERYTHING}${more}`;
  const before = stateOf(play);
  await play.begin(text);
  await play.pass(1600);
  assert.notDeepEqual(stateOf(play), before);
  return play;
}

describe("everything is undone", () => {
  test("when the play is stopped", async () => {
    const reference = await changedStage("");
    const play = await changedStage("");
    play.player.stop();
    await play.settle();
    assert.equal(play.outcome, "stopped");
    await reference.pass(10_000);
    assert.equal(reference.outcome, "done");
    assert.notDeepEqual(stateOf(reference), stateOf(play));
    assert.deepEqual(stateOf(play), {
      enabled: true,
      toxics: [
        {
          ...latencyToxic("other", { rate: 0, bytes_per_second: 0, shared: false }),
          ...{ type: "bandwidth", stream: "upstream" },
        },
        latencyToxic("slow", { latency: 1, jitter: 1 }),
      ],
      mode: { kind: "allow" },
    });
    assert.deepEqual(
      play.steering.list().map(({ name }) => name),
      ["db"],
    );
    assert.equal(play.lines.at(-1), "1600 remove own: remove");
  });

  test("when a step fails, which is named", async () => {
    const stopped = await changedStage("");
    stopped.player.stop();
    await stopped.settle();
    const play = await changedStage("  - { at: 3s, proxy: db, toxic: { type: timeout } }\n");
    await play.pass(5000);
    assert.equal(play.outcome, "failed");
    assert.deepEqual(stateOf(play), stateOf(stopped));
    const failures = play.lines.filter((line) => line.includes(" fail "));
    assert.deepEqual(failures, ["3000 fail step 8 (line 11): db has a toxic timeout_downstream already"]);
  });

  test("when stopped before it began, or after it ended", async () => {
    const play = await stage("db");
    const begun = play.begin("proxies: [{ name: own, upstream: 5432 }]\nsteps: [{ cut: true }]");
    play.player.stop();
    await begun;
    assert.equal(play.outcome, "stopped");
    assert.deepEqual(play.orders, []);
    play.player.stop();
  });

  test("as far as it can be: the rest goes on, and the play has failed", async () => {
    const play = await stage("a", "b");
    await play.begin("steps: [{ proxy: [a, b], mode: deny }, { at: 1s, log: end }]");
    await play.steering.remove("b");
    play.player.stop();
    await play.settle();
    assert.equal(play.outcome, "failed");
    assert.deepEqual(play.lines.slice(-3), [
      "0 stop stopped",
      "0 fail b: not undone: There is no proxy b",
      "0 undo a: undo: mode",
    ]);
    assert.equal(play.steering.get("a").mode.kind, "allow");
  });

  test("an order that is being given is waited for", async () => {
    const play = await stage("db");
    const answer = Promise.withResolvers<void>();
    play.target.beforeOrder = (order) => (order === "db mode deny" ? answer.promise : undefined);
    await play.begin("steps: [{ proxy: db, mode: deny }, { proxy: db, cut: true }]");
    play.player.stop();
    await play.settle();
    assert.equal(play.outcome, null);
    answer.resolve();
    await play.settle();
    assert.equal(play.outcome, "stopped");
    assert.deepEqual(play.orders.at(-1), "0 db mode allow");
  });
});

describe("a step fails", () => {
  const cases = [
    ["update: { toxic: slow, toxicity: 0 }", "db has no toxic slow"],
    ["remove: slow", "db has no toxic slow"],
    ["ramp: slow.latency 0→1 over 1s", "db has no toxic slow"],
    ["toxic: { type: noop, name: there }", "db has a toxic there already"],
  ] as const;
  for (const [action, message] of cases) {
    test(action, async () => {
      const play = await stage("db");
      await play.steering.addToxic("db", latencyToxic("there", {}));
      await play.begin(`steps:\n  - { at: 2s, proxy: db, ${action} }`);
      await play.pass(2000);
      assert.deepEqual(play.lines, [`2000 fail step 1 (line 2): ${message}`]);
      assert.deepEqual(play.orders, []);
    });
  }

  test("in the middle of several proxies", async () => {
    const play = await stage("a", "b", "c");
    await play.steering.addToxic("b", latencyToxic("x", {}));
    await play.begin("steps: [{ proxy: [a, b, c], toxic: { type: latency, name: x } }]");
    await play.settle();
    assert.deepEqual(play.orders, ["0 a +x", "0 a -x"]);
    assert.equal(play.outcome, "failed");
  });

  test("on a listener that can't be disabled", async () => {
    const play = await stage();
    play.steering.addListener("web", "127.0.0.1:80");
    await play.begin("steps: [{ proxy: web, mode: deny, for: 1s }, { proxy: web, disable: true }]");
    await play.pass(1000);
    assert.match(play.lines.at(-2) ?? "", /fail step 2 \(line 1\): web is a listener of the configuration/);
    assert.equal(play.steering.get("web").mode.kind, "allow");
  });

  test("at once, when a proxy of any step isn't there", async () => {
    const play = await stage("database");
    await play.begin("steps: [{ proxy: database, mode: deny }, { at: 10m, proxy: databse, cut: true }]");
    assert.deepEqual(play.lines, ["0 fail there is no proxy databse; did you mean database?"]);
    assert.deepEqual(play.orders, []);
  });

  test("when a proxy can't be created: those before it are removed", async () => {
    const play = await stage("db");
    await play.begin(`
proxies: [{ name: own, upstream: 1 }, { name: db, upstream: 2 }]
steps: [{ proxy: own, cut: true }]
`);
    assert.equal(play.outcome, "failed");
    assert.deepEqual(play.orders, ["0 own create", "0 db create", "0 own remove"]);
    assert.equal(play.lines[1], "0 fail There is a proxy db already");
  });

  test("between two orders of which the second one can't be given", async () => {
    const play = await stage("db");
    play.target.beforeOrder = (order) => {
      if (order.includes("+slow") && play.orders.length === 3)
        throw new SteeringError("INVALID", "not like this");
    };
    await play.begin(`
steps:
  - { proxy: db, toxic: { type: latency, name: slow }, for: 1s }
  - { proxy: db, toxic: { type: timeout, name: slow }, for: 1s }
`);
    await play.pass(1000);
    assert.equal(play.outcome, "failed");
    assert.deepEqual(play.orders, ["0 db +slow", "1000 db -slow", "1000 db +slow"]);
    assert.deepEqual(play.steering.get("db").toxics, []);
  });
});
