import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  allocateGroupMemory,
  GroupMemory,
  GroupWord,
  Out,
  OwnCount,
  ServerCount,
  ServerNumber,
  ServerWord,
} from "./group-memory.ts";
import type { OutlierSettings } from "./group-settings.ts";
import { ejectionTime, mostEjected, OutlierDetector } from "./outlier-detector.ts";

const SETTINGS: OutlierSettings = {
  ...{ consecutive: 3, statuses: [{ first: 500, last: 503 }] },
  ...{ ratio: 0, window: 10_000, minimumRequests: 4 },
  ...{ ejection: 1_000, longestEjection: 2_500, mostEjected: 0.5 },
};

class Rig {
  readonly memory: GroupMemory;
  readonly detector: OutlierDetector;

  constructor(settings: Partial<OutlierSettings> = {}, servers: number = 4, memory = GroupMemory.local(8)) {
    this.memory = memory;
    this.detector = new OutlierDetector({ ...SETTINGS, ...settings }, this.memory);
    this.memory.put(GroupWord.Servers, servers);
  }

  fail(slot: number, times: number, now: number = 1): void {
    for (let i = 0; i < times; i++) {
      this.memory.count(slot, OwnCount.Judged);
      this.detector.onFailure(slot, now);
    }
  }

  succeed(slot: number, times: number): void {
    for (let i = 0; i < times; i++) {
      this.memory.count(slot, OwnCount.Judged);
      this.detector.onSuccess(slot);
    }
  }

  isOut(slot: number): boolean {
    return this.memory.of(slot, ServerWord.Out) === Out.Ejected;
  }
}

/** Memory in which another thread does something between two steps of this one. */
class ContestedMemory extends GroupMemory {
  /** Called once, when a word of a server was read. */
  rival: (() => void) | null = null;
  /** Called when a server is about to be seen as ejected. */
  witness: (() => void) | null = null;

  constructor() {
    super(allocateGroupMemory(8, 1), 8, 1, 0);
  }

  override of(slot: number, word: ServerWord): number {
    const value = super.of(slot, word);
    const { rival } = this;
    if (word !== ServerWord.Failures) this.rival = null;
    if (word !== ServerWord.Failures) rival?.();
    return value;
  }

  override eject(slot: number): boolean {
    this.witness?.();
    return super.eject(slot);
  }
}

describe("an outlier detector", () => {
  test("knows why and until when before a server is seen to be out", () => {
    const memory = new ContestedMemory();
    const rig = new Rig({}, 4, memory);
    let seen: number[] = [];
    memory.witness = () => {
      seen = [memory.of(0, ServerWord.Cause), memory.number(0, ServerNumber.EjectedUntil)];
    };
    rig.fail(0, 3, 50);
    assert.deepEqual(seen, [3, 1_050]);
  });

  test("ejects for the first time only once, also when another thread is quicker", () => {
    const memory = new ContestedMemory();
    const rig = new Rig({}, 4, memory);
    rig.fail(0, 2, 10);
    memory.rival = () => rig.fail(0, 1, 20);
    rig.fail(0, 1, 20);
    assert.ok(rig.isOut(0));
    assert.equal(memory.number(0, ServerNumber.EjectedUntil), 1_020);
    assert.equal(memory.get(GroupWord.Ejected), 1);
    assert.equal(memory.of(0, ServerWord.Ejections), 1);
  });

  test("ejects after so many failures in a row", () => {
    const rig = new Rig();
    rig.fail(0, 2);
    rig.succeed(0, 1);
    rig.fail(0, 2);
    assert.equal(rig.isOut(0), false);
    rig.fail(0, 1, 70);
    assert.ok(rig.isOut(0));
    assert.equal(rig.memory.number(0, ServerNumber.EjectedUntil), 1_070);
    assert.equal(rig.memory.of(0, ServerWord.Cause), 3);
    assert.equal(rig.memory.total(0, ServerCount.ejections), 1);
    // What was under way to it still fails.
    rig.fail(0, 5, 500);
    assert.equal(rig.memory.number(0, ServerNumber.EjectedUntil), 1_070);
    assert.equal(rig.memory.get(GroupWord.Ejected), 1);
  });

  test("ejects for longer each time, up to the longest", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((n) => ejectionTime(SETTINGS, n)),
      [1_000, 2_000, 2_500, 2_500],
    );
  });

  test("ejects when too many requests of a window failed, however they lie", () => {
    const rig = new Rig({ consecutive: 0, ratio: 0.5 });
    rig.succeed(0, 100);
    for (const _ of [1, 2, 3]) {
      rig.fail(0, 1);
      rig.succeed(0, 3);
    }
    assert.equal(rig.isOut(0), false, "3 of 12");
    rig.fail(0, 5);
    assert.equal(rig.isOut(0), false, "8 of 17");
    rig.fail(0, 1);
    assert.ok(rig.isOut(0), "9 of 18");
    assert.equal(rig.memory.of(0, ServerWord.Cause), -50);
  });

  test("believes no window of few requests, and forgets those that are over", () => {
    const rig = new Rig({ consecutive: 0, ratio: 0.5 });
    rig.fail(0, 3, 1);
    assert.equal(rig.isOut(0), false);
    rig.fail(0, 3, 10_002);
    assert.equal(rig.isOut(0), false);
    rig.fail(0, 1, 20_002);
    assert.ok(rig.isOut(0));
  });

  test("knows failures by their status", () => {
    const { detector } = new Rig();
    assert.deepEqual(
      [200, 499, 500, 503, 504].map((status) => detector.isFailure(status)),
      [false, false, true, true, false],
    );
  });

  test("ejects no more than the share, of two always one, never the last", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (servers, share) => {
          const rig = new Rig({ mostEjected: share }, servers);
          for (let slot = 0; slot < servers; slot++) rig.fail(slot, 9);
          const out = Array.from({ length: servers }, (_, slot) => rig.isOut(slot)).filter(Boolean).length;
          assert.equal(out, mostEjected(servers, share));
          assert.equal(rig.memory.get(GroupWord.Ejected), out);
          assert.ok(out < Math.max(servers, 1));
          if (servers > 1) assert.ok(out >= 1 && out <= Math.max(servers * share, 1));
        },
      ),
    );
  });

  test("ejects a server that went on failing when there is room for it again", () => {
    const rig = new Rig({}, 2);
    rig.fail(0, 3);
    rig.fail(1, 3);
    assert.deepEqual(
      [0, 1].map((slot) => rig.isOut(slot)),
      [true, false],
    );
    rig.memory.bringBack(0, Out.Ejected);
    rig.memory.add(GroupWord.Ejected, -1);
    rig.fail(1, 1);
    assert.ok(rig.isOut(1));
  });
});
