import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { Repeater } from "./repeater.ts";

/** Rounds that end as soon as the loop turns, with a pause of 1000 ms. */
class Rounds {
  readonly clock: ManualAlarmClock = new ManualAlarmClock();
  readonly starts: number[] = [];
  hold: Promise<void> | null = null;
  readonly repeater: Repeater = new Repeater(
    { clock: this.clock, random: seededRandom("rounds") },
    async () => {
      this.starts.push(this.clock.now());
      await this.hold;
      return 1000;
    },
  );

  async advance(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds);
    await new Promise(setImmediate);
  }
}

describe("a repeater", () => {
  test("begins again when the pause has passed, a little later than asked for", async () => {
    const rounds = new Rounds();
    await rounds.repeater.start();
    await rounds.advance(999);
    assert.equal(rounds.starts.length, 1);
    await rounds.advance(51);
    assert.equal(rounds.starts.length, 2);
    for (let i = 0; i < 50; i++) await rounds.advance(1050);
    assert.equal(rounds.starts.length, 52);
    const pauses = rounds.starts.slice(1).map((at, index) => at - rounds.starts[index]!);
    assert.ok(new Set(pauses).size > 10, `${pauses}`);
  });

  test("begins when it is woken, whatever the pause; the last wish counts", async () => {
    const rounds = new Rounds();
    await rounds.repeater.start();
    rounds.repeater.wake(100);
    rounds.repeater.wake(200);
    await rounds.advance(199);
    assert.equal(rounds.starts.length, 1);
    await rounds.advance(1);
    assert.deepEqual(rounds.starts, [0, 200]);
    rounds.repeater.wake(50_000);
    await rounds.advance(1050);
    assert.equal(rounds.starts.length, 3, "not later than it would have been");
  });

  test("begins no second round beside the first", async () => {
    const rounds = new Rounds();
    const { promise, resolve } = Promise.withResolvers<void>();
    rounds.hold = promise;
    const started = rounds.repeater.start();
    rounds.repeater.wake(10);
    await rounds.advance(5000);
    assert.equal(rounds.starts.length, 1);
    resolve();
    await started;
    await rounds.advance(0);
    assert.deepEqual(rounds.starts, [0, 5000], "what was wished meanwhile is done afterwards");
  });

  test("stops, also within a round, and is then deaf", async () => {
    const rounds = new Rounds();
    const { promise, resolve } = Promise.withResolvers<void>();
    rounds.hold = promise;
    const started = rounds.repeater.start();
    rounds.repeater.stop();
    resolve();
    await started;
    rounds.repeater.wake(10);
    await rounds.repeater.start();
    await rounds.advance(5000);
    assert.equal(rounds.starts.length, 1);
  });
});
