import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Alarm, ManualAlarmClock, threadAlarms } from "./alarms.ts";

describe("a manual clock", () => {
  test("rings in the order of time, whatever the order of setting", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 }), (times) => {
        const clock = new ManualAlarmClock();
        const rung: number[] = [];
        for (const at of times) new Alarm(clock, () => rung.push(clock.now())).set(at);
        clock.advance(1000);
        assert.deepEqual(
          rung,
          times.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test("forgets what was cleared or set anew", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 9 }), fc.option(fc.nat({ max: 500 }))), { maxLength: 100 }),
        (steps) => {
          const clock = new ManualAlarmClock();
          const rung: string[] = [];
          const alarms = Array.from(
            { length: 10 },
            (_, i) => new Alarm(clock, () => rung.push(`${clock.now()} ${i}`)),
          );
          const expected = new Map<number, number>();
          for (const [which, at] of steps) {
            if (at === null) alarms[which]!.clear();
            else alarms[which]!.set(at);
            if (at === null) expected.delete(which);
            else expected.set(which, at);
          }
          clock.advance(500);
          assert.deepEqual(rung.toSorted(), [...expected].map(([i, at]) => `${at} ${i}`).toSorted());
          assert.ok(alarms.every((alarm) => !alarm.isSet));
        },
      ),
    );
  });

  test("rings an alarm that sets itself again until its time is over", () => {
    const clock = new ManualAlarmClock();
    const rung: number[] = [];
    const alarm = new Alarm(clock, () => {
      rung.push(clock.now());
      alarm.set(clock.now() + 10);
    });
    alarm.set(5);
    clock.advance(30);
    assert.deepEqual(rung, [5, 15, 25]);
    assert.equal(clock.now(), 30);
  });

  test("rings what is late at once, but not within the setting", () => {
    const clock = new ManualAlarmClock();
    clock.advance(100);
    let rung = 0;
    new Alarm(clock, () => rung++).set(50);
    assert.equal(rung, 0);
    clock.advance(0);
    assert.equal(rung, 1);
  });
});

test("no alarm is set for a time that is none, which would stand before all others for ever", () => {
  const clock = new ManualAlarmClock();
  assert.throws(() => new Alarm(clock, () => undefined).set(Number.NaN), RangeError);
  let rings = 0;
  new Alarm(clock, () => rings++).set(5);
  clock.advance(10);
  assert.equal(rings, 1);
});

describe("the clock of the thread", () => {
  test("rings in order and hardly early", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const rung: { wanted: number; at: number }[] = [];
    const start = threadAlarms.now();
    for (const after of [30, 5, 17, 5.5, 1]) {
      const wanted = start + after;
      const alarm = new Alarm(threadAlarms, () => {
        rung.push({ wanted, at: threadAlarms.now() });
        if (rung.length === 5) resolve();
      });
      alarm.set(wanted);
    }
    await promise;
    assert.deepEqual(
      rung.map(({ wanted }) => wanted),
      rung.map(({ wanted }) => wanted).toSorted((a, b) => a - b),
    );
    // Half a millisecond is the most that is not worth another turn.
    for (const { wanted, at } of rung) assert.ok(at >= wanted - 0.5);
  });
});
