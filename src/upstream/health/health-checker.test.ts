import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import {
  type Act,
  ADDRESS,
  half,
  ill,
  type Stage,
  setStage,
  startsOf,
  TCP,
  WELL,
} from "../../../test/kit/checker-stage.ts";
import { type Alarm, type AlarmClock, ManualAlarmClock } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { parseAddress } from "../../net/address.ts";
import { HealthChecker } from "./health-checker.ts";
import type { Probe, ProbeResult } from "./probe.ts";

describe("when a server is probed", () => {
  test("first after one interval, and then each interval, whatever the probe takes", async () => {
    const stage = setStage({}, (index) => ({ result: WELL, after: [0, 250, 30][index % 3]! }));
    stage.checker.start();
    await stage.pass(990);
    assert.deepEqual(startsOf(stage), []);
    await stage.pass(4020);
    assert.deepEqual(startsOf(stage), [1000, 2000, 3000, 4000, 5000]);
    assert.deepEqual(stage.changes, []);
  });

  test("never before the interval has passed for the first time, and then within the jitter", () =>
    fc.assert(
      fc.asyncProperty(fc.string(), fc.double({ min: 0, max: 0.9, noNaN: true }), async (seed, jitter) => {
        const starts: number[][] = [];
        for (let i = 0; i < 2; i++) {
          const stage = setStage({ jitter }, () => ({ result: WELL, after: 0 }), seededRandom(seed));
          stage.checker.start();
          await stage.pass(30_000);
          starts.push(startsOf(stage));
        }
        assert.deepEqual(starts[0], starts[1], "a seed makes it repeatable");
        const [first, ...others] = starts[0]!;
        assert.ok(first! >= 1000 && first! <= 1000 * (1 + jitter));
        let before = first!;
        for (const at of others) {
          assert.ok(Math.abs(at - before - 1000) <= 1000 * jitter + 1e-6);
          before = at;
        }
        assert.ok(starts[0]!.length >= 30 / (1 + jitter) - 1);
      }),
      { numRuns: 20 },
    ));

  test("at other times than others that began with it", async () => {
    const random = seededRandom("group");
    const first = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const stage = setStage({ jitter: 0.1 }, () => ({ result: WELL, after: 0 }), random);
        stage.checker.start();
        await stage.pass(1100);
        return startsOf(stage)[0]!;
      }),
    );
    assert.equal(new Set(first).size, 50);
    assert.ok(Math.max(...first) - Math.min(...first) > 80);
  });

  test("as soon as the one before has ended, when that takes longer than an interval", async () => {
    const stage = setStage({ timeout: 5000 }, () => ({ result: WELL, after: 1500 }));
    stage.checker.start();
    await stage.pass(7000);
    assert.deepEqual(startsOf(stage), [1000, 2500, 4000, 5500, 7000]);
  });

  test("not while one goes on that doesn't hear that it is given up", async () => {
    const stage = setStage({}, (index) => ({ result: WELL, after: index === 0 ? 2600 : 0, obeys: false }));
    stage.checker.start();
    await stage.pass(1300);
    assert.deepEqual(stage.changes, [{ at: 1300, isHealthy: false, reason: "no answer within 300 ms" }]);
    await stage.pass(2290);
    assert.deepEqual(startsOf(stage), [1000]);
    await stage.pass(1010);
    assert.deepEqual(startsOf(stage), [1000, 3600, 4600]);
    assert.deepEqual(stage.changes.slice(1), [{ at: 3600, isHealthy: true, reason: "answers again" }]);
  });

  test("on its own port or another one", async () => {
    for (const [address, port, expected] of [
      ["10.0.0.1:80", null, "10.0.0.1:80"],
      ["10.0.0.1:80", 8080, "10.0.0.1:8080"],
      ["[::1]:80", 1, "[::1]:1"],
      ["/run/a.sock", 8080, "/run/a.sock"],
    ] as const) {
      const stage = setStage({ port }, () => ({ result: WELL, after: 0 }), half, parseAddress(address));
      stage.checker.start();
      await stage.pass(1000);
      assert.deepEqual(stage.probe.runs[0]!.address, parseAddress(expected));
    }
  });
});

describe("a probe that takes too long", () => {
  test("is given up in time, which counts as a failure", async () => {
    const stage = setStage({}, (index) => ({ result: WELL, after: index < 2 ? 301 : 299 }));
    stage.checker.start();
    await stage.pass(1299, 1);
    assert.deepEqual(stage.changes, []);
    assert.equal(stage.probe.runs[0]!.signal.aborted, false);
    await stage.pass(1);
    assert.deepEqual(stage.changes, [{ at: 1300, isHealthy: false, reason: "no answer within 300 ms" }]);
    assert.equal(stage.probe.runs[0]!.signal.reason, "no answer within 300 ms");
    await stage.pass(2000, 1);
    assert.deepEqual(stage.changes.slice(1), [{ at: 3299, isHealthy: true, reason: "answers again" }]);
    assert.equal(stage.probe.runs[2]!.signal.aborted, false);
  });

  test("counts once", async () => {
    const stage = setStage({ fall: 3 }, () => ({ result: ill(), after: 400, obeys: false }));
    stage.checker.start();
    await stage.pass(3290);
    assert.equal(stage.checker.isHealthy, true);
    await stage.pass(10);
    assert.equal(stage.checker.isHealthy, false);
  });

  test("may take as long as it likes without a timeout", async () => {
    const stage = setStage({ timeout: 0 }, () => ({ result: WELL, after: 50_000 }));
    stage.checker.start();
    await stage.pass(100_000, 500);
    assert.deepEqual(startsOf(stage), [1000, 51_000]);
    assert.deepEqual(stage.changes, []);
  });
});

describe("a thread that was held up", () => {
  /** Rings when it is told to, which may be later than it was asked for. */
  class LateClock implements AlarmClock {
    readonly alarms = new Set<Alarm>();
    time = 0;
    now(): number {
      return this.time;
    }
    add(alarm: Alarm): void {
      alarm.place = 0;
      this.alarms.add(alarm);
    }
    drop(alarm: Alarm): void {
      alarm.place = -1;
      this.alarms.delete(alarm);
    }
    ringAt(time: number): void {
      this.time = time;
      const due = [...this.alarms].filter(({ at }) => at <= time).sort((a, b) => a.at - b.at);
      for (const alarm of due) {
        this.drop(alarm);
        alarm.ring();
      }
    }
  }

  test("doesn't take answers for missing that it had no time to read", async () => {
    const clock = new LateClock();
    const changes: string[] = [];
    const answers: ((result: ProbeResult) => void)[] = [];
    const probe: Probe = { run: () => new Promise((resolve) => void answers.push(resolve)) };
    const onChange = (_isHealthy: boolean, reason: string): void => void changes.push(reason);
    const checker = new HealthChecker(TCP, ADDRESS, { clock, random: half, probe, onChange });
    checker.start();
    clock.ringAt(1000);
    clock.ringAt(1700);
    assert.deepEqual(changes, []);
    answers[0]!(WELL);
    await nextTurn();
    clock.ringAt(2000);
    clock.ringAt(2900);
    clock.ringAt(3000);
    assert.deepEqual(changes, ["no answer within 300 ms"], "but does so later");
    checker.stop();
  });
});

describe("what is known of a server", () => {
  /** The rule, written down once more: what a server is after these answers. */
  function judge(answers: readonly boolean[], rise: number, fall: number): boolean[] {
    const states: boolean[] = [];
    let isHealthy = true;
    for (let i = 0; i < answers.length; i++) {
      const needed = isHealthy ? fall : rise;
      const last = answers.slice(Math.max(0, i + 1 - needed), i + 1);
      if (last.length === needed && last.every((answer) => answer !== isHealthy)) isHealthy = !isHealthy;
      states.push(isHealthy);
    }
    return states;
  }

  const answer = fc.record({
    isHealthy: fc.boolean(),
    after: fc.constantFrom(0, 10, 200, 299, 301, 1000, 1700),
    obeys: fc.boolean(),
  });

  test("is what rise and fall make of its answers, and each change is told once", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(answer, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 0.1, 0.5),
        fc.string(),
        async (answers, rise, fall, jitter, seed) => {
          const states: boolean[] = [];
          const act = (index: number): Act => {
            // When a probe begins, the one before has been judged.
            if (index > 0) states.push(stage.checker.isHealthy);
            const { isHealthy, after, obeys } = answers[index % answers.length]!;
            return { result: isHealthy ? WELL : ill(`probe ${index}`), after, obeys };
          };
          const stage = setStage({ rise, fall, jitter }, act, seededRandom(seed));
          stage.checker.start();
          while (states.length < answers.length) {
            await stage.pass(100, 1);
            assert.ok(stage.probe.underWay <= 1, "one at a time");
          }
          states.length = answers.length;
          checkTimes(stage, jitter);
          const good = answers.map(({ isHealthy, after }) => isHealthy && after < 300);
          const expected = judge(good, rise, fall);
          assert.deepEqual(states, expected);
          const changed = expected.filter((state, i) => state !== (expected[i - 1] ?? true));
          const told = stage.changes.map(({ isHealthy }) => isHealthy);
          assert.deepEqual(told.slice(0, changed.length), changed);
          assert.ok(told.every((isHealthy, i) => isHealthy === (i % 2 === 1)));
        },
      ),
      { numRuns: 40 },
    ));

  function checkTimes(stage: Stage, jitter: number): void {
    const [first, ...others] = stage.probe.runs;
    assert.ok(first!.at >= 1000, "the first one is never early");
    let before = first!;
    for (const run of others) {
      assert.ok(run.at >= before.at + 1000 * (1 - jitter) - 1e-6, "never early");
      assert.ok(before.end !== null && run.at >= before.end, "never overlapping");
      before = run;
    }
  }

  test("comes with the reason of the probe that tipped the scales", async () => {
    const answers = [ill("one"), WELL, ill("two"), ill("three"), ill("four"), WELL, ill("five"), WELL, WELL];
    const stage = setStage({ rise: 2, fall: 2 }, (index) => ({ result: answers[index] ?? WELL, after: 0 }));
    stage.checker.start();
    await stage.pass(12_000);
    assert.deepEqual(stage.changes, [
      { at: 4000, isHealthy: false, reason: "three" },
      { at: 9000, isHealthy: true, reason: "answers again" },
    ]);
  });

  test("survives a probe that breaks its promise", async () => {
    const clock = new ManualAlarmClock();
    const reasons: string[] = [];
    const probe: Probe = { run: () => Promise.reject(new Error("a mistake")) };
    const onChange = (_isHealthy: boolean, reason: string): void => void reasons.push(reason);
    const checker = new HealthChecker(TCP, ADDRESS, { clock, random: half, probe, onChange });
    checker.start();
    clock.advance(1000);
    await nextTurn();
    assert.deepEqual(reasons, ["a mistake"]);
    assert.equal(checker.isHealthy, false);
  });
});

describe("a checker that is stopped", () => {
  test("probes no more and says no more, also when a probe is under way", async () => {
    // The second time is that of the next probe, which then waits for the one under way.
    for (const [obeys, stopAt] of [
      [true, 1050],
      [false, 1050],
      [true, 2050],
      [false, 2050],
    ] as const) {
      const stage = setStage({ timeout: 5000 }, () => ({ result: ill(), after: 1500, obeys }));
      stage.checker.start();
      await stage.pass(stopAt);
      stage.checker.stop();
      assert.equal(stage.probe.runs[0]!.signal.aborted, true);
      await stage.pass(10_000);
      assert.equal(stage.probe.runs.length, 1);
      assert.deepEqual(stage.changes, []);
    }
  });

  test("may be stopped by what it tells", async () => {
    const clock = new ManualAlarmClock();
    let runs = 0;
    const probe: Probe = {
      run: () => {
        runs++;
        return Promise.resolve(ill());
      },
    };
    const checker = new HealthChecker(TCP, ADDRESS, {
      clock,
      random: half,
      probe,
      onChange: () => checker.stop(),
    });
    checker.start();
    for (let i = 0; i < 5; i++) {
      clock.advance(1000);
      await nextTurn();
    }
    assert.equal(runs, 1);
  });

  test("can be started again, with an interval of waiting and what it knew, but no streak", async () => {
    const stage = setStage({ fall: 2 }, () => ({ result: ill(), after: 0 }));
    const { checker } = stage;
    checker.start();
    await stage.pass(500);
    checker.start();
    await stage.pass(1000);
    checker.stop();
    await stage.pass(5000);
    checker.start();
    await stage.pass(1000);
    assert.deepEqual(startsOf(stage), [1000, 7500]);
    assert.equal(checker.isHealthy, true);
    await stage.pass(1000);
    assert.equal(checker.isHealthy, false);
    checker.stop();
    checker.start();
    assert.equal(checker.isHealthy, false);
  });

  test("started again at once, waits for the probe of before", async () => {
    const stage = setStage({}, (index) => ({ result: ill(), after: index === 0 ? 3000 : 10, obeys: false }));
    stage.checker.start();
    await stage.pass(1100);
    stage.checker.stop();
    stage.checker.start();
    await stage.pass(2890);
    assert.deepEqual(startsOf(stage), [1000]);
    assert.deepEqual(stage.changes, []);
    await stage.pass(30);
    assert.deepEqual(startsOf(stage), [1000, 4000]);
    assert.equal(stage.changes.length, 1);
  });
});
