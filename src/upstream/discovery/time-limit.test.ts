import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { withTimeLimit } from "./time-limit.ts";

const never = new AbortController().signal;

describe("a time limit", () => {
  test("lets through what comes in time, and then aborts what is left", async () => {
    const clock = new ManualAlarmClock();
    let inner: AbortSignal | null = null;
    const result = await withTimeLimit(clock, 10, never, async (signal) => {
      inner = signal;
      return 7;
    });
    assert.equal(result, 7);
    assert.equal(inner!.aborted, true);
    await assert.rejects(
      withTimeLimit(clock, 10, never, () => Promise.reject(new Error("own"))),
      /own/,
    );
  });

  test("ends what takes too long", async () => {
    const clock = new ManualAlarmClock();
    const result = withTimeLimit(clock, 1500, never, () => new Promise(() => undefined));
    clock.advance(1500);
    await assert.rejects(result, /no answer within 1.5 s/);
  });

  test("of 0 is none", async () => {
    const clock = new ManualAlarmClock();
    const { promise, resolve } = Promise.withResolvers<number>();
    const result = withTimeLimit(clock, 0, never, () => promise);
    clock.advance(1e9);
    resolve(7);
    assert.equal(await result, 7);
  });

  test("ends when the caller does", async () => {
    const clock = new ManualAlarmClock();
    const outer = new AbortController();
    const result = withTimeLimit(clock, 10, outer.signal, () => new Promise(() => undefined));
    outer.abort(new Error("enough"));
    await assert.rejects(result, /enough/);
    await assert.rejects(
      withTimeLimit(clock, 10, outer.signal, async () => 7),
      /enough/,
    );
  });
});
