import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fifo } from "./fifo.ts";

describe("a queue", () => {
  test("gives back what came, in order, however it is filled and emptied", () => {
    const steps = fc.array(fc.integer({ min: -3000, max: 3000 }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (counts) => {
        const queue = new Fifo<number>();
        const model: number[] = [];
        let next = 0;
        for (const count of counts) {
          for (let i = 0; i < count; i++) {
            queue.push(next);
            model.push(next++);
          }
          for (let i = 0; i > count; i--) assert.equal(queue.shift(), model.shift());
          assert.deepEqual([queue.length, queue.isEmpty], [model.length, model.length === 0]);
          assert.equal(queue.first, model[0]);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("lets go of everything", () => {
    const queue = new Fifo<string>();
    queue.push("a");
    queue.push("b");
    queue.clear();
    assert.deepEqual([queue.length, queue.first, queue.shift()], [0, undefined, undefined]);
    queue.push("c");
    assert.equal(queue.shift(), "c");
  });

  test("takes a million as fast as it takes one", () => {
    const queue = new Fifo<number>();
    for (let i = 0; i < 1_000_000; i++) queue.push(i);
    let sum = 0;
    while (!queue.isEmpty) sum += queue.shift()!;
    assert.equal(sum, 499_999_500_000);
  });
});
