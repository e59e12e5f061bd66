import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { Deadline, type DeadlineOwner, TimeoutClock, TimeoutQueue, threadClock } from "./timeouts.ts";

const TICK = 100;

/** A clock that stands where the test puts it. */
class HandClock extends TimeoutClock {
  time = 1000;

  constructor() {
    super(() => this.time);
  }

  /** Lets time pass in ticks. */
  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    while (this.time < end) {
      this.time = Math.min(this.time + TICK, end);
      this.advance(this.time);
    }
  }
}

class Waiter implements DeadlineOwner {
  readonly deadline: Deadline = new Deadline(this);
  readonly name: string;
  readonly #log: string[];
  next: (() => void) | null = null;

  constructor(name: string, log: string[]) {
    this.name = name;
    this.#log = log;
  }

  onDeadline(): void {
    this.#log.push(this.name);
    this.next?.();
  }
}

function setUp(duration: number): {
  clock: HandClock;
  queue: TimeoutQueue;
  log: string[];
  waiters: Waiter[];
} {
  const clock = new HandClock();
  const log: string[] = [];
  const waiters = ["a", "b", "c", "d"].map((name) => new Waiter(name, log));
  return { clock, queue: new TimeoutQueue(duration, clock), log, waiters };
}

describe("a timeout queue", () => {
  test("fires what is due, in the order it was set, once", () => {
    const { clock, queue, log, waiters } = setUp(1000);
    for (const { deadline } of waiters) queue.set(deadline);
    clock.pass(1000);
    assert.deepEqual(log, []);
    clock.pass(2 * TICK);
    assert.deepEqual(log, ["a", "b", "c", "d"]);
    clock.pass(5000);
    assert.equal(log.length, 4);
  });

  test("forgets what is cleared, wherever it stands", () => {
    for (let cleared = 0; cleared < 4; cleared++) {
      const { clock, queue, log, waiters } = setUp(500);
      for (const { deadline } of waiters) queue.set(deadline);
      waiters[cleared]!.deadline.clear();
      waiters[cleared]!.deadline.clear();
      assert.equal(waiters[cleared]!.deadline.isIn(queue), false);
      clock.pass(1000);
      assert.equal(log.join(""), "abcd".replace("abcd"[cleared]!, ""));
    }
  });

  test("starts a wait anew, behind the others", () => {
    const { clock, queue, log, waiters } = setUp(1000);
    for (const { deadline } of waiters) queue.set(deadline);
    clock.pass(600);
    queue.set(waiters[1]!.deadline);
    clock.pass(600);
    assert.deepEqual(log, ["a", "c", "d"]);
    clock.pass(600);
    assert.deepEqual(log, ["a", "c", "d", "b"]);
  });

  test("moves a deadline out of another queue", () => {
    const { clock, queue, log, waiters } = setUp(1000);
    const other = new TimeoutQueue(300, clock);
    queue.set(waiters[0]!.deadline);
    other.set(waiters[0]!.deadline);
    assert.equal(waiters[0]!.deadline.isIn(queue), false);
    clock.pass(600);
    assert.deepEqual(log, ["a"]);
    clock.pass(2000);
    assert.deepEqual(log, ["a"]);
  });

  test("lets an owner set itself again, clear its neighbour, or fill an empty queue", () => {
    const { clock, queue, log, waiters } = setUp(200);
    for (const { deadline } of waiters) queue.set(deadline);
    waiters[0]!.next = () => {
      queue.set(waiters[0]!.deadline);
      waiters[1]!.deadline.clear();
    };
    clock.pass(400);
    assert.deepEqual(log, ["a", "c", "d"]);
    waiters[0]!.next = null;
    clock.pass(400);
    assert.deepEqual(log, ["a", "c", "d", "a"]);
    queue.set(waiters[2]!.deadline);
    clock.pass(400);
    assert.deepEqual(log, ["a", "c", "d", "a", "c"]);
  });

  test("does nothing when switched off, but takes the deadline out of where it was", () => {
    const { clock, queue, log, waiters } = setUp(200);
    const off = new TimeoutQueue(0, clock);
    queue.set(waiters[0]!.deadline);
    off.set(waiters[0]!.deadline);
    clock.pass(10_000);
    assert.deepEqual(log, []);
  });

  test("tells who has waited longest", () => {
    const { queue, waiters } = setUp(200);
    assert.equal(queue.oldest, null);
    queue.set(waiters[0]!.deadline);
    queue.set(waiters[1]!.deadline);
    assert.equal(queue.oldest, waiters[0]);
    waiters[0]!.deadline.clear();
    assert.equal(queue.oldest, waiters[1]);
  });

  test("doesn't blame anybody for a loop that was held up", () => {
    const { clock, queue, log, waiters } = setUp(1000);
    queue.set(waiters[0]!.deadline);
    clock.pass(TICK);
    // Nine seconds in one callback; what is set at its end can't know how late it is.
    clock.time += 9000;
    queue.set(waiters[1]!.deadline);
    clock.advance(clock.time);
    assert.deepEqual(log, ["a"]);
    clock.pass(900);
    assert.deepEqual(log, ["a"]);
    clock.pass(300);
    assert.deepEqual(log, ["a", "b"]);
  });

  test("never fires early and at most two ticks late, whatever happens", () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 700 }),
      who: fc.nat({ max: 9 }),
      queue: fc.nat({ max: 1 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new HandClock();
        const queues = [new TimeoutQueue(250, clock), new TimeoutQueue(1000, clock)] as const;
        const due = new Map<number, number>();
        const owners = Array.from({ length: 10 }, (_, index) => ({
          onDeadline: () => {
            const at = due.get(index);
            assert.ok(
              at !== undefined && clock.time >= at && clock.time <= at + 2 * TICK,
              `${at} at ${clock.time}`,
            );
            due.delete(index);
          },
        }));
        const deadlines = owners.map((owner) => new Deadline(owner));
        for (const { wait, who, queue } of steps) {
          clock.pass(wait);
          queues[queue]!.set(deadlines[who]!);
          due.set(who, clock.time + queues[queue]!.duration);
        }
        clock.pass(5000);
        assert.equal(due.size, 0);
      }),
    );
  });
});

test("a clock lets its interval go when nothing waits", async () => {
  const clock = new TimeoutClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const start = performance.now();
  new TimeoutQueue(50, clock).set(new Deadline({ onDeadline: () => resolve() }));
  // The interval alone doesn't keep the process alive.
  const alive = setTimeout(() => {}, 5000);
  await promise;
  clearTimeout(alive);
  assert.ok(performance.now() - start >= 50);
  assert.ok(clock.now >= start);
});

test("what came while the loop was held up is read before anybody's time is over", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  const log: string[] = [];
  const queue = new TimeoutQueue(300);
  const { deadline } = new Waiter("late", log);
  queue.set(deadline);
  const set = threadClock.now;
  socket.once("data", () => {
    log.push("read");
    deadline.clear();
  });
  while (threadClock.now === set) await setImmediate();
  client.write("in time");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  while (log.length === 0) await setImmediate();
  client.destroy();
  server.close();
  assert.deepEqual(log, ["read"]);
});
