import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { Watchdog, watchdogInterval } from "./watchdog.ts";

test("the interval is the one that is meant for this process", () => {
  assert.equal(watchdogInterval({}, 7), null);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000" }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, 7), null);
  for (const time of ["", "0", "soon"]) assert.equal(watchdogInterval({ WATCHDOG_USEC: time }, 7), null);
});

test("a successor in the same environment is watched, too", () => {
  const environment = { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" };
  watchdogInterval(environment, 7);
  assert.equal(watchdogInterval(environment, 8), 30_000);
});

test("signs of life come twice in each interval, while all answer", async () => {
  const clock = new ManualAlarmClock();
  let signs = 0;
  let answer = Promise.resolve();
  const watchdog = new Watchdog(
    clock,
    1_000,
    () => answer,
    () => {
      signs++;
    },
  );
  await turns(clock, 0);
  assert.equal(signs, 1);
  await turns(clock, 500);
  assert.equal(signs, 2);

  const silent = Promise.withResolvers<void>();
  answer = silent.promise;
  await turns(clock, 500);
  await turns(clock, 500);
  assert.equal(signs, 2, "a thread doesn't answer");
  silent.resolve();
  await turns(clock, 0);
  assert.equal(signs, 3, "it was only late");

  answer = Promise.reject(new Error("gone"));
  await turns(clock, 500);
  assert.equal(signs, 3);
  answer = Promise.resolve();
  await turns(clock, 500);
  assert.equal(signs, 4);

  watchdog.stop();
  await turns(clock, 5_000);
  assert.equal(signs, 4);
});

async function turns(clock: ManualAlarmClock, milliseconds: number): Promise<void> {
  clock.advance(milliseconds);
  await new Promise(setImmediate);
}
