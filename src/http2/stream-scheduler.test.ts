import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isIncremental, type Priority, toPriority, urgencyOf } from "./priority.ts";
import { type Scheduled, StreamScheduler } from "./stream-scheduler.ts";

class Stream implements Scheduled<Stream> {
  nextScheduled: Stream | null = null;
  previousScheduled: Stream | null = null;
  hadTurn = false;
  readonly name: string;
  priority: Priority;
  /** Frames that it has to send. */
  frames: number;

  constructor(name: string, priority: Priority, frames: number) {
    this.name = name;
    this.priority = priority;
    this.frames = frames;
  }
}

function shared(name: string, frames: number, urgency = 3): Stream {
  return new Stream(name, toPriority(urgency, true), frames);
}

function whole(name: string, frames: number, urgency = 3): Stream {
  return new Stream(name, toPriority(urgency, false), frames);
}

/** Who sends, a letter a frame, until nobody has any or `limit` frames are sent. */
function run(scheduler: StreamScheduler<Stream>, limit = 1000): string {
  let order = "";
  for (let stream = scheduler.next(); stream !== null && order.length < limit; stream = scheduler.next()) {
    order += stream.name;
    stream.frames--;
    scheduler.turnTaken(stream);
    if (stream.frames === 0) scheduler.remove(stream);
  }
  return order;
}

function runAll(...streams: Stream[]): string {
  const scheduler = new StreamScheduler<Stream>();
  for (const stream of streams) scheduler.add(stream);
  const order = run(scheduler);
  assert.equal(scheduler.isEmpty, true);
  return order;
}

describe("who sends next", () => {
  test("incremental streams take turns", () => {
    assert.equal(runAll(shared("a", 3), shared("b", 1), shared("c", 2)), "abcaca");
  });

  test("others go one after the other", () => {
    assert.equal(runAll(whole("a", 3), whole("b", 1), whole("c", 2)), "aaabcc");
  });

  test("the two kinds take turns with each other", () => {
    assert.equal(runAll(whole("A", 3), whole("B", 2), shared("x", 2), shared("y", 2)), "AxAyAxByB");
    assert.equal(runAll(shared("x", 3), whole("A", 2)), "AxAxx");
  });

  test("more urgent ones go first", () => {
    const late = shared("z", 2, 7);
    assert.equal(runAll(late, whole("c", 2, 3), shared("a", 2, 0), shared("b", 1, 0)), "abacczz");
  });

  test("one that becomes urgent goes before others at once", () => {
    const scheduler = new StreamScheduler<Stream>();
    const [a, b, c] = [shared("a", 9), shared("b", 9), whole("c", 2, 6)];
    for (const stream of [a, b, c]) scheduler.add(stream);
    assert.equal(run(scheduler, 3), "aba");
    scheduler.setPriority(c, toPriority(1, false));
    assert.equal(run(scheduler, 3), "ccb");
    const idle = whole("d", 1, 0);
    scheduler.setPriority(idle, toPriority(2, true));
    assert.equal(idle.nextScheduled, null);
    assert.equal(idle.priority, toPriority(2, true));
  });

  test("one that had to wait for data goes on before those that never began", () => {
    const scheduler = new StreamScheduler<Stream>();
    const [a, b] = [whole("a", 3), whole("b", 2)];
    scheduler.add(a);
    scheduler.add(b);
    assert.equal(run(scheduler, 1), "a");
    scheduler.remove(a);
    assert.equal(run(scheduler, 1), "b");
    scheduler.add(a);
    assert.equal(run(scheduler), "aab");
  });

  test("adding and removing twice changes nothing", () => {
    const scheduler = new StreamScheduler<Stream>();
    const [a, b] = [shared("a", 2), shared("b", 2)];
    scheduler.remove(a);
    for (const stream of [a, b, a, b]) scheduler.add(stream);
    scheduler.remove(a);
    scheduler.remove(a);
    assert.equal(run(scheduler), "bb");
    assert.equal(scheduler.next(), null);
  });
});

/** Says the same as the scheduler should, by looking at all streams in lists. */
class PlainScheduler {
  readonly #lists = new Map<Priority, Stream[]>();
  readonly #sharedTurn = new Set<number>();

  #list(priority: Priority): Stream[] {
    const list = this.#lists.get(priority) ?? [];
    this.#lists.set(priority, list);
    return list;
  }

  add(stream: Stream): void {
    const list = this.#list(stream.priority);
    if (list.includes(stream)) return;
    if (!isIncremental(stream.priority) && stream.hadTurn) list.unshift(stream);
    else list.push(stream);
  }

  remove(stream: Stream): void {
    const list = this.#list(stream.priority);
    if (list.includes(stream)) list.splice(list.indexOf(stream), 1);
  }

  next(): Stream | null {
    for (let urgency = 0; urgency < 8; urgency++) {
      const first = this.#list(toPriority(urgency, false))[0];
      const turn = this.#list(toPriority(urgency, true))[0];
      const chosen = this.#sharedTurn.has(urgency) ? (turn ?? first) : (first ?? turn);
      if (chosen !== undefined) return chosen;
    }
    return null;
  }

  turnTaken(stream: Stream): void {
    const list = this.#list(stream.priority);
    if (!isIncremental(stream.priority)) {
      this.#sharedTurn.add(urgencyOf(stream.priority));
      return;
    }
    this.#sharedTurn.delete(urgencyOf(stream.priority));
    list.push(list.shift()!);
  }
}

test("it is the same as with plain lists, whatever happens", () => {
  const step = fc.record({
    kind: fc.constantFrom("add", "add", "add", "remove", "send", "send", "priority"),
    index: fc.nat(7),
    priority: fc.constantFrom(2, 3, 3, 11),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const streams = Array.from({ length: 8 }, (_, i) => new Stream(`${i}`, 3 + (i % 2) * 8, 0));
      const scheduler = new StreamScheduler<Stream>();
      const plain = new PlainScheduler();
      for (const { kind, index, priority } of steps) {
        const stream = streams[index]!;
        if (kind === "priority") {
          const isWaiting = stream.nextScheduled !== null;
          plain.remove(stream);
          scheduler.setPriority(stream, priority);
          if (isWaiting) plain.add(stream);
        } else if (kind === "send") {
          const sender = plain.next();
          assert.equal(scheduler.next(), sender);
          if (sender === null) continue;
          plain.turnTaken(sender);
          scheduler.turnTaken(sender);
        } else {
          plain[kind as "add" | "remove"](stream);
          scheduler[kind as "add" | "remove"](stream);
        }
        assert.equal(scheduler.next(), plain.next());
        assert.equal(scheduler.isEmpty, plain.next() === null);
      }
    }),
    { numRuns: 500 },
  );
});
