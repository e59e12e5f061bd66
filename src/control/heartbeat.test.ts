import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../base/alarms.ts";
import { Heartbeat } from "./heartbeat.ts";

/** A thread that answers when the test says so. */
function heartbeatRig(): {
  readonly clock: ManualAlarmClock;
  readonly lost: () => number;
  readonly asked: () => number;
  readonly answer: (isDone?: boolean) => Promise<void>;
  readonly heartbeat: Heartbeat;
} {
  const clock = new ManualAlarmClock();
  let [asked, lost] = [0, 0];
  let pending = Promise.withResolvers<unknown>();
  const order = (): Promise<unknown> => {
    asked++;
    pending = Promise.withResolvers();
    return pending.promise;
  };
  const heartbeat = new Heartbeat({ thread: 0, order }, clock, () => void lost++);
  const answer = async (isDone = true): Promise<void> => {
    if (isDone) pending.resolve(null);
    else pending.reject(new Error("no"));
    await new Promise(setImmediate);
  };
  return { clock, lost: () => lost, asked: () => asked, answer, heartbeat };
}

test("a thread that answers late, or only that it can't, isn't lost", async () => {
  const { clock, lost, asked, answer } = heartbeatRig();
  for (let i = 0; i < 20; i++) {
    clock.advance(30_000);
    await answer(i % 2 === 0);
  }
  assert.deepEqual([lost(), asked()], [0, 20]);
});

test("one that doesn't answer is lost after half a minute, once", () => {
  const { clock, lost, asked } = heartbeatRig();
  clock.advance(30_000);
  assert.equal(lost(), 0);
  clock.advance(5_000);
  assert.deepEqual([lost(), asked()], [1, 1]);
  clock.advance(600_000);
  assert.deepEqual([lost(), asked()], [1, 1]);
});

test("nothing is asked of one that is gone", () => {
  const { clock, lost, asked, heartbeat } = heartbeatRig();
  heartbeat.stop();
  clock.advance(600_000);
  assert.deepEqual([lost(), asked()], [0, 0]);
});
