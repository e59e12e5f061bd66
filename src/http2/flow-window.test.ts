import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ReceiveWindow, SendWindow, WindowBudget, type WindowTiming } from "./flow-window.ts";
import { MAX_31_BITS } from "./frames.ts";
import { RoundTrip } from "./round-trip.ts";

describe("a window to send into", () => {
  test("is used up and grows", () => {
    const window = new SendWindow(100);
    assert.equal(window.allowed(60), 60);
    window.take(60);
    assert.equal(window.allowed(60), 40);
    window.take(40);
    assert.equal(window.allowed(1), 0);
    assert.equal(window.grow(5), true);
    assert.equal(window.allowed(60), 5);
  });

  test("may be as large as 31 bits, and no larger", () => {
    const window = new SendWindow(1);
    assert.equal(window.grow(MAX_31_BITS), false);
    assert.equal(window.available, 1);
    assert.equal(window.grow(MAX_31_BITS - 1), true);
    assert.equal(window.grow(1), false);
    assert.equal(window.available, MAX_31_BITS);
  });

  test("gets negative by a smaller initial window (RFC 9113 §6.9.2)", () => {
    const window = new SendWindow(65_535);
    window.take(60 * 1024);
    assert.equal(window.grow(16 * 1024 - 65_535), true);
    assert.equal(window.available, -44 * 1024);
    assert.equal(window.allowed(1), 0);
    window.grow(44 * 1024);
    assert.equal(window.allowed(1), 0);
    window.grow(1);
    assert.equal(window.allowed(7), 1);
  });

  test("never lets more be sent than the peer allowed", () => {
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 0, max: MAX_31_BITS }) }),
      fc.record({ update: fc.integer({ min: 1, max: MAX_31_BITS }) }),
      fc.record({ initial: fc.integer({ min: 0, max: MAX_31_BITS }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
        const window = new SendWindow(65_535);
        let initial = 65_535;
        let updates = 0;
        let sent = 0;
        for (const one of steps) {
          if ("send" in one) {
            const size = window.allowed(one.send);
            assert.ok(size >= 0 && size <= one.send);
            window.take(size);
            sent += size;
            assert.ok(size === 0 || sent <= initial + updates);
          } else if ("update" in one) {
            if (window.grow(one.update)) updates += one.update;
          } else if (window.grow(one.initial - initial)) {
            initial = one.initial;
          }
          assert.equal(window.available, initial + updates - sent);
          assert.ok(window.available <= MAX_31_BITS);
        }
      }),
    );
  });
});

class ManualTiming implements WindowTiming {
  time = 0;
  roundTrip = 10;
  now(): number {
    return this.time;
  }
}

/** Receives and uses `bytes` in frames of 1,000; returns what the peer was allowed meanwhile. */
function pass(window: ReceiveWindow, bytes: number): number {
  let allowed = 0;
  for (let left = bytes; left > 0; left -= 1000) {
    assert.equal(window.receive(Math.min(left, 1000)), true);
    allowed += window.release(Math.min(left, 1000));
  }
  return allowed;
}

describe("a window to receive into", () => {
  test("refuses what the peer wasn't allowed to send", () => {
    const window = new ReceiveWindow(1000, 1000, new ManualTiming());
    assert.equal(window.receive(600), true);
    assert.equal(window.receive(401), false);
    assert.equal(window.receive(400), true);
    assert.equal(window.receive(0), true);
    assert.equal(window.receive(1), false);
  });

  test("is given back when half of it is used", () => {
    const window = new ReceiveWindow(1000, 1000, new ManualTiming());
    window.receive(900);
    assert.equal(window.release(499), 0);
    assert.equal(window.release(1), 500);
    assert.equal(window.available, 600);
    assert.equal(window.release(400), 0);
    assert.equal(window.held, 0);
  });

  test("grows when it is used up as fast as updates travel, up to its limit", () => {
    const timing = new ManualTiming();
    const window = new ReceiveWindow(10_000, 35_000, timing);
    assert.equal(pass(window, 5000), 5000);
    timing.time += 19;
    assert.equal(pass(window, 5000), 15_000);
    assert.equal(window.size, 20_000);
    timing.time += 19;
    assert.equal(pass(window, 10_000), 25_000);
    assert.equal(window.size, 35_000);
    timing.time += 1;
    assert.equal(pass(window, 18_000), 18_000);
    assert.equal(window.size, 35_000);
  });

  test("doesn't grow for a peer that is slow, or as long as nobody knows what fast is", () => {
    const timing = new ManualTiming();
    const window = new ReceiveWindow(10_000, 100_000, timing);
    for (let i = 0; i < 50; i++) {
      timing.time += 20;
      pass(window, 5000);
    }
    timing.roundTrip = 0;
    pass(window, 50_000);
    assert.equal(window.size, 10_000);
  });

  test("doesn't grow while its bytes lie here unused", () => {
    const window = new ReceiveWindow(10_000, 100_000, new ManualTiming());
    pass(window, 5000);
    window.receive(7501);
    assert.equal(window.release(5000), 5000);
    assert.equal(window.size, 10_000);
    window.receive(7499);
    // 10,000 are held of which 7,500 are used.
    assert.equal(window.release(7500), 17_500);
    assert.equal(window.size, 20_000);
  });

  test("shares a budget with the others of its connection", () => {
    const timing = new ManualTiming();
    const budget = new WindowBudget(15_000);
    const windows = Array.from({ length: 3 }, () => new ReceiveWindow(10_000, 100_000, timing, budget));
    for (const window of windows) pass(window, 10_000);
    assert.deepEqual(
      windows.map((window) => window.size),
      [20_000, 15_000, 10_000],
    );
    assert.equal(budget.left, 0);
    windows[0]!.close();
    windows[0]!.close();
    assert.equal(budget.left, 10_000);
    pass(windows[2]!, 10_000);
    assert.equal(windows[2]!.size, 20_000);
    windows[1]!.close();
    windows[2]!.close();
    assert.equal(budget.left, 15_000);
  });

  test("is raised at once", () => {
    const window = new ReceiveWindow(65_535, 1_000_000, new ManualTiming());
    assert.equal(window.raise(500_000), 434_465);
    assert.equal(window.available, 500_000);
    assert.equal(window.raise(100), 0);
    assert.equal(window.raise(2_000_000), 500_000);
    assert.equal(window.size, 1_000_000);
  });

  test("never lets the peer send more than fits, and never more than 31 bits", () => {
    const step = fc.record({
      receive: fc.integer({ min: 0, max: 1_000_000 }),
      release: fc.double({ min: 0, max: 1, noNaN: true }),
      time: fc.integer({ min: 0, max: 30 }),
    });
    const limits = fc.oneof(fc.integer({ min: 0, max: 5_000_000 }), fc.constant(Number.MAX_SAFE_INTEGER));
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: "max" }),
        limits,
        fc.nat(20_000_000),
        (steps, limit, bytes) => {
          const timing = new ManualTiming();
          const budget = new WindowBudget(bytes);
          const window = new ReceiveWindow(65_535, limit, timing, budget);
          let allowed = 65_535;
          let held = 0;
          for (const { receive, release, time } of steps) {
            timing.time += time;
            assert.equal(window.receive(receive), receive <= allowed);
            if (receive <= allowed) {
              allowed -= receive;
              held += receive;
            }
            const used = Math.floor(held * release);
            held -= used;
            const increment = window.release(used);
            assert.ok(increment >= 0 && increment <= MAX_31_BITS);
            allowed += increment;
            assert.equal(window.available, allowed);
            assert.equal(window.held, held);
            assert.ok(allowed + held <= window.size);
            assert.ok(window.size <= Math.max(65_535, Math.min(limit, MAX_31_BITS)));
            assert.ok(window.size - 65_535 + budget.left === bytes && budget.left >= 0);
          }
        },
      ),
    );
  });

  test("lets a fast peer reach the speed of the line, in few steps", () => {
    // 100 MB a second with 10 ms to the peer and back take a window of 1 MB at least.
    const timing = new ManualTiming();
    const window = new ReceiveWindow(65_535, 16 * 1024 * 1024, timing);
    let rounds = 0;
    for (; window.size < 1_000_000 && rounds < 100; rounds++) {
      timing.time += 10;
      // In one round trip the peer sends what it was allowed.
      pass(window, window.available);
    }
    assert.ok(rounds <= 8, `${rounds} round trips`);
  });
});

test("the round trip is measured one at a time, and smoothed", () => {
  let now = 100;
  const trip = new RoundTrip(() => now);
  trip.answered();
  assert.equal(trip.roundTrip, 0);
  trip.sent();
  now += 5;
  trip.sent();
  assert.equal(trip.isMeasuring, true);
  now += 3;
  trip.answered();
  trip.answered();
  assert.equal(trip.isMeasuring, false);
  assert.equal(trip.roundTrip, 8);
  trip.sent();
  now += 16;
  trip.answered();
  assert.equal(trip.roundTrip, 9);
});
