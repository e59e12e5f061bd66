import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { connectionState, FakeSteering } from "../../test/kit/fake-steering.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { SteeringError } from "../control/steering.ts";
import { Watch } from "./watch.ts";

interface Setting {
  readonly steering: FakeSteering;
  readonly watch: Watch;
  /** Sights since the start. */
  readonly sights: () => number;
  /** Lets time pass, a millisecond at a time, and looks finish. */
  pass(milliseconds: number): Promise<void>;
}

function watching(steering: FakeSteering = new FakeSteering({ name: "tcp" })): Setting {
  const clock = new ManualAlarmClock();
  const watch = new Watch({ steering, proxy: "tcp", clock, wallClock: () => 0 });
  let sights = 0;
  watch.subscribe(() => sights++);
  const pass = async (milliseconds: number): Promise<void> => {
    for (let i = 0; i < milliseconds; i += 10) {
      clock.advance(10);
      await turn();
    }
  };
  return { steering, watch, sights: () => sights, pass };
}

test("looks four times a second, whatever happens", async () => {
  const { steering, watch, sights, pass } = watching();
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 100; j++) steering.emit({ detail: `${i} ${j}` });
    await pass(10);
  }
  assert.ok(sights() >= 4 && sights() <= 5, `${sights()} sights`);
  await pass(250);
  assert.equal(watch.sight.events.length, 200);
  assert.equal(watch.sight.events.at(-1)?.detail, "99 99");
});

test("looks less often at thousands of connections", async () => {
  const { steering, pass } = watching();
  const many = Array.from({ length: 3500 }, (_, i) => connectionState({ id: String(i) }));
  steering.open.set("tcp", many);
  await pass(4000);
  assert.ok(steering.looks >= 4 && steering.looks <= 5, `${steering.looks} looks`);
});

test("sees connections, rates and events", async () => {
  const { steering, watch, pass } = watching();
  steering.open.set("tcp", [connectionState({ bytesDown: 1000 })]);
  await pass(10);
  steering.open.set("tcp", [connectionState({ bytesDown: 2000 })]);
  steering.emit({ kind: "timeout", detail: "idle for 500 ms\u001b[2J" });
  await pass(250);
  const { connections, down, events } = watch.sight;
  assert.equal(connections[0]?.bytesDown, 2000);
  assert.equal(down.history.at(-1), 4000);
  assert.deepEqual([events[0]?.kind, events[0]?.detail], ["timeout", "idle for 500 ms·[2J"]);
});

test("an order is logged, and so is one that fails", async () => {
  const { steering, watch } = watching();
  await watch.order("cut all connections", (given, proxy) => given.cut(proxy));
  steering.failure = new SteeringError("INVALID", "no such mode");
  await watch.order("mode odd", (given, proxy) => given.setMode(proxy, { kind: "allow" }));
  assert.deepEqual(
    watch.sight.events.map(({ kind, detail }) => [kind, detail]),
    [
      ["done", "cut all connections"],
      ["failed", "mode odd: no such mode"],
    ],
  );
  assert.equal(watch.sight.problem, "no such mode");
  await watch.order("mode allow", (given, proxy) => given.setMode(proxy, { kind: "allow" }));
  assert.equal(watch.sight.problem, "");
});

test("a proxy that goes and comes back is no reason to fail", async () => {
  const { steering, watch, pass } = watching();
  await steering.remove("tcp");
  await pass(300);
  assert.deepEqual([watch.sight.proxy, watch.sight.connections, watch.sight.problem], [null, [], ""]);
  steering.put({ name: "tcp" });
  await pass(300);
  assert.equal(watch.sight.proxy?.name, "tcp");
});

test("goes round the proxies", async () => {
  const { watch, pass } = watching(new FakeSteering({ name: "tcp" }, { name: "other" }));
  await pass(300);
  watch.nextProxy();
  assert.deepEqual([watch.sight.proxy?.name, watch.sight.names], ["other", ["tcp", "other"]]);
  watch.nextProxy();
  assert.equal(watch.sight.proxy?.name, "tcp");
});

test("stops looking and listening", async () => {
  const { steering, watch, sights, pass } = watching();
  await pass(300);
  watch.stop();
  const [before, looks] = [sights(), steering.looks];
  await pass(1000);
  assert.deepEqual([sights(), steering.looks, steering.listeners], [before, looks, 0]);
});
