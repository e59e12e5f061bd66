import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  allocateGroupMemory,
  GroupMemory,
  GroupWord,
  Kept,
  Out,
  OwnCount,
  OwnGroupCount,
  ServerCount,
  ServerNumber,
  ServerWord,
  slotsIn,
} from "./group-memory.ts";

const SLOTS = 3;
const THREADS = 2;

function threads(): [GroupMemory, GroupMemory] {
  const buffer = allocateGroupMemory(SLOTS, THREADS);
  return [new GroupMemory(buffer, SLOTS, THREADS, 0), new GroupMemory(buffer, SLOTS, THREADS, 1)];
}

describe("a group's memory", () => {
  test("has a place of its own for everything", () => {
    const [memory] = threads();
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const word of Object.values(ServerWord)) memory.set(slot, word, 100 * slot + word + 1);
      for (const number of Object.values(ServerNumber))
        memory.setNumber(slot, number, slot + number / 8 + 0.5);
      for (const count of [...Object.values(ServerCount), ...Object.values(OwnCount)])
        memory.count(slot, count, slot + 1);
    }
    for (const word of Object.values(GroupWord)) memory.put(word, 1000 + word);
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const word of Object.values(ServerWord))
        assert.equal(memory.of(slot, word), 100 * slot + word + 1);
      for (const number of Object.values(ServerNumber))
        assert.equal(memory.number(slot, number), slot + number / 8 + 0.5);
      for (const count of [...Object.values(ServerCount), ...Object.values(OwnCount)])
        assert.equal(memory.total(slot, count), slot + 1);
    }
    for (const word of Object.values(GroupWord)) assert.equal(memory.get(word), 1000 + word);
  });

  test("sums up what threads count, and forgets a slot in all of them", () => {
    const [one, two] = threads();
    one.count(1, ServerCount.requests, 2);
    two.count(1, ServerCount.requests, 3);
    two.count(2, ServerCount.requests);
    one.set(1, ServerWord.Failures, 4);
    assert.equal(one.total(1, ServerCount.requests), 5);
    one.clear(1);
    assert.equal(two.total(1, ServerCount.requests), 0);
    assert.equal(two.of(1, ServerWord.Failures), 0);
    assert.equal(two.total(2, ServerCount.requests), 1);
  });

  test("has room for threads that nobody has to look at before they come", () => {
    const buffer = allocateGroupMemory(SLOTS, 8);
    assert.equal(slotsIn(buffer, 8), SLOTS);
    const one = new GroupMemory(buffer, SLOTS, 8, 0);
    const late = new GroupMemory(buffer, SLOTS, 8, 6);
    late.count(2, ServerCount.requests, 5);
    assert.equal(one.total(2, ServerCount.requests), 5);
  });

  test("counts in how many lists of a thread a server is", () => {
    const [one, two] = threads();
    one.hold(1, true);
    one.hold(1, true);
    two.hold(1, true);
    one.hold(1, false);
    assert.equal(one.total(1, OwnCount.Holds), 2);
  });

  test("tells who was the first to take a server out or to bring it back, and moves the version then", () => {
    const [one, two] = threads();
    const moved = (change: () => boolean): [boolean, boolean] => {
      const before = one.get(GroupWord.Version);
      return [change(), one.get(GroupWord.Version) !== before];
    };
    assert.deepEqual(
      moved(() => one.takeOut(0, Out.Unhealthy)),
      [true, true],
    );
    assert.deepEqual(
      moved(() => two.takeOut(0, Out.Unhealthy)),
      [false, false],
    );
    assert.deepEqual(
      moved(() => two.takeOut(0, Out.Draining)),
      [true, true],
    );
    assert.equal(one.of(0, ServerWord.Out), Out.Unhealthy | Out.Draining);
    assert.deepEqual(
      moved(() => one.bringBack(0, Out.Unhealthy)),
      [true, true],
    );
    assert.deepEqual(
      moved(() => two.bringBack(0, Out.Unhealthy)),
      [false, false],
    );
    assert.deepEqual(
      moved(() => two.eject(0)),
      [true, true],
    );
    assert.deepEqual(
      moved(() => one.eject(0)),
      [false, false],
    );
    one.takeOut(1, Out.Gone);
    assert.deepEqual(
      moved(() => one.eject(1)),
      [false, false],
    );
  });

  test("adds no more than may be", () => {
    const [one, two] = threads();
    const place = one.placeOf(2, ServerWord.Requests);
    assert.deepEqual(
      [one, two, one, two].map((memory) => memory.addUpTo(place, 3)),
      [true, true, true, false],
    );
    assert.equal(one.of(2, ServerWord.Requests), 3);
    one.addAt(place, -1);
    assert.ok(two.addUpTo(place, 3));
  });

  test("takes back what a dead thread had, and no more", () => {
    const [one, two] = threads();
    const begin = (memory: GroupMemory, slot: number): void => {
      memory.count(slot, OwnCount.Requests);
      memory.addTo(slot, ServerWord.Requests, 1);
      memory.add(GroupWord.Requests, 1);
    };
    one.put(GroupWord.Kept, Kept.Requests | Kept.ServerRequests);
    for (const slot of [0, 1, 1]) begin(two, slot);
    begin(one, 1);
    two.hold(1, true);
    two.add(GroupWord.Pending, 3);
    two.countGroup(OwnGroupCount.Pending, 2);
    two.add(GroupWord.Retries, 1);
    two.countGroup(OwnGroupCount.Retries, 1);
    one.forgetThread(1);
    assert.deepEqual(
      [0, 1].map((slot) => one.of(slot, ServerWord.Requests)),
      [0, 1],
    );
    assert.deepEqual(
      [0, 1].map((slot) => one.underWay(slot)),
      [0, 1],
    );
    // Words that nobody keeps stay what they are.
    assert.equal(one.of(1, ServerWord.Connections), 0);
    assert.equal(one.get(GroupWord.Requests), 1);
    assert.equal(one.get(GroupWord.Pending), 1);
    assert.equal(one.get(GroupWord.Retries), 0);
    assert.equal(one.total(1, OwnCount.Holds), 0);
    one.forgetThread(1);
    assert.equal(one.of(1, ServerWord.Requests), 1);
  });
});
