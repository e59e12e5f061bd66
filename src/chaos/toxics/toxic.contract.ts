import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkRig, type RigConnection } from "../../../test/kit/link-rig.ts";
import { createRandom } from "../../../test/kit/random.ts";
import type { Attributes } from "../attributes.ts";
import { attributeProblem } from "../registry.ts";
import type { LinkKind, ToxicType } from "../toxic.ts";

/** What a kind of toxic promises, beside what all of them do. */
export interface ToxicTraits {
  /** Attributes that show its effect within a minute. */
  readonly attributes: Attributes;
  /** Others to change to in the middle. */
  readonly others: Attributes;
  /** All bytes arrive, once, in order and unchanged. Default true. */
  readonly isIntact?: boolean;
  /** The end of the sender arrives in the end. Default true. */
  readonly passesEnd?: boolean;
  /** Nothing passes until it is removed. Default false. */
  readonly keepsAll?: boolean;
  /** Bytes wait in it, so that a sender can be too fast for it. */
  readonly holds: boolean;
  /** It draws lots. */
  readonly isRandom: boolean;
}

/** Longer than anything here takes. */
const LONG = 3_600_000;

interface ScriptStep {
  readonly bytes: Buffer;
  /** Milliseconds that pass before it. */
  readonly gap: number;
}

/** Chunks of 1 to 3000 bytes, the same for the same seed. */
function createScript(seed: number, count = 60): ScriptStep[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => ({
    bytes: Buffer.from(Array.from({ length: 1 + random.below(3000) }, () => random.below(256))),
    gap: random.below(4) === 0 ? random.below(200) : 0,
  }));
}

const script = createScript(1);
const sent = Buffer.concat(script.map(({ bytes }) => bytes));

function play(rig: LinkRig, connection: RigConnection, steps: readonly ScriptStep[] = script): void {
  for (const { bytes, gap } of steps) {
    rig.clock.advance(gap);
    connection.push(bytes);
  }
}

/** What holds for every toxic, on every kind of link it is made for. */
export function testToxic(type: ToxicType, traits: ToxicTraits): void {
  describe(`${type.name} as a toxic`, () => {
    testAttributes(type, traits);
    for (const kind of type.links) {
      const subject = new Subject(type, traits, kind);
      describe(`on links of ${kind}`, () => {
        testPassing(subject);
        testRemoval(subject);
        testChanges(subject);
        testPaces(subject);
        testSeeds(subject);
        // One that acts on connections as they are opened has no place on those that it has let in.
        if (type.admit === undefined) testToxicity(subject);
        if (kind === "datagrams") testDatagrams(subject);
      });
    }
  });
}

/** The toxic that is tried, on one kind of link. */
class Subject {
  readonly type: ToxicType;
  readonly traits: Required<ToxicTraits>;
  readonly #kind: LinkKind;

  constructor(type: ToxicType, traits: ToxicTraits, kind: LinkKind) {
    this.type = type;
    this.traits = { isIntact: true, passesEnd: true, keepsAll: false, ...traits };
    this.#kind = kind;
  }

  get name(): string {
    return this.type.name;
  }

  rig(seed = "seed", toxicity = 1): LinkRig {
    const rig = new LinkRig({ seed, kind: this.#kind });
    rig.add(this.name, this.traits.attributes, { toxicity });
    return rig;
  }

  assertIntact(connection: RigConnection): void {
    if (this.traits.isIntact) assert.ok(connection.downstream.bytes.equals(sent), "bytes differ");
  }

  /** When everything has passed that passes by itself. */
  assertDone(connection: RigConnection): void {
    const { passesEnd, keepsAll } = this.traits;
    assert.equal(connection.downstream.events.includes("end"), passesEnd && connection.link().hasEnded);
    if (keepsAll) {
      assert.equal(connection.downstream.bytes.length, 0);
      return;
    }
    this.assertIntact(connection);
    assert.equal(connection.link().held, 0);
  }
}

function testAttributes(type: ToxicType, traits: ToxicTraits): void {
  test("says what it can be told, and is told that", () => {
    assert.match(type.about, /^[a-z]/);
    for (const given of [traits.attributes, traits.others]) {
      for (const [name, value] of Object.entries(given))
        assert.equal(attributeProblem(type.attributes[name]!, value), null, name);
    }
    for (const [name, spec] of Object.entries(type.attributes)) {
      assert.match(name, /^[a-z]+(_[a-z]+)*$/);
      assert.equal(attributeProblem(spec, spec.default), null, name);
    }
  });
}

function testPassing(subject: Subject): void {
  test("passes on what comes, whole and in order, and the end behind it", () => {
    const rig = subject.rig();
    const connection = rig.open();
    let lastChunk = 0;
    connection.downstream.onChunk = () => {
      lastChunk = rig.clock.now();
      assert.ok(connection.downstream.endedAt === null, "came after the end");
    };
    play(rig, connection);
    connection.end();
    connection.end();
    rig.clock.advance(LONG);
    assert.deepEqual(rig.failures, []);
    subject.assertDone(connection);
    if (subject.traits.passesEnd) assert.ok(connection.downstream.endedAt! >= lastChunk);
    if (!subject.traits.keepsAll) assert.equal(rig.clock.pending, 0);
  });

  test("needs no end to pass on all there is", () => {
    const rig = subject.rig();
    const connection = rig.open();
    play(rig, connection);
    rig.clock.advance(LONG);
    subject.assertDone(connection);
  });
}

function testRemoval(subject: Subject): void {
  const { type, name } = subject;
  const closes = type.closesWhenRemoved === true;

  test(
    closes ? "closes the connection when it is removed" : "passes on what it holds when it is removed",
    () => {
      for (const after of [0, 3, 17, 59]) {
        const rig = subject.rig();
        const connection = rig.open();
        play(rig, connection, script.slice(0, after));
        rig.faults.remove(name);
        assert.equal(rig.clock.pending, 0);
        if (closes) {
          assert.deepEqual(connection.downstream.events, [`closed by ${name}`]);
          continue;
        }
        assert.ok(connection.link().isClear);
        play(rig, connection, script.slice(after));
        connection.end();
        subject.assertIntact(connection);
        assert.ok(connection.downstream.events.includes("end"));
        assert.deepEqual(rig.failures, []);
      }
    },
  );

  test("keeps the end until it is removed, at most", () => {
    const rig = subject.rig();
    const connection = rig.open();
    play(rig, connection);
    connection.end();
    rig.faults.remove(name);
    if (!closes) assert.ok(connection.downstream.events.includes("end"));
    subject.assertIntact(connection);
    assert.equal(rig.clock.pending, 0);
  });

  test("lets go of everything when the connection is gone", () => {
    const rig = subject.rig();
    const connection = rig.open();
    play(rig, connection);
    connection.links.close();
    const { length } = connection.downstream.chunks;
    assert.equal(connection.link().held, 0);
    assert.equal(rig.clock.pending, 0);
    connection.push("more");
    connection.end();
    rig.clock.advance(LONG);
    rig.faults.update(name, { attributes: subject.traits.others });
    rig.faults.remove(name);
    assert.equal(connection.downstream.chunks.length, length);
    assert.deepEqual(rig.failures, []);
  });
}

function testChanges(subject: Subject): void {
  test("loses and doubles nothing when it is changed in the middle", () => {
    const { attributes, others } = subject.traits;
    const rig = subject.rig();
    const connection = rig.open();
    script.forEach((step, i) => {
      play(rig, connection, [step]);
      if (i % 7 === 0) rig.faults.update(subject.name, { attributes: i % 2 === 0 ? others : attributes });
    });
    connection.end();
    rig.clock.advance(LONG);
    assert.deepEqual(rig.failures, []);
    subject.assertDone(connection);
  });
}

function testPaces(subject: Subject): void {
  const { type, name } = subject;
  const { holds } = subject.traits;

  test("waits for a receiver that has paused, and goes on in order", async () => {
    const rig = subject.rig();
    const connection = rig.open();
    const link = connection.link();
    connection.downstream.onChunk = () => link.pause();
    play(rig, connection);
    connection.end();
    rig.clock.advance(LONG);
    assert.ok(connection.downstream.chunks.length <= 1);
    for (let i = 0; i < 5_000 && link.held > 0; i++) {
      link.resume();
      await new Promise<void>((resolve) => process.nextTick(resolve));
    }
    subject.assertDone(connection);
  });

  test(holds ? "stops a sender that is too fast, and lets it go on" : "never stops a sender", () => {
    const rig = subject.rig();
    const connection = rig.open();
    const { downstream } = connection;
    const chunk = Buffer.alloc(1024 * 1024);
    let pushed = 0;
    for (; !downstream.isFull && pushed < 80; pushed++) connection.push(chunk);
    assert.equal(downstream.isFull, holds);
    if (!holds) return;
    assert.ok(pushed * chunk.length <= (type.capacity ?? 1) + chunk.length);
    rig.faults.remove(name);
    assert.deepEqual([downstream.isFull, downstream.events], [false, ["full", "room"]]);
    assert.equal(connection.link().held, 0);
  });
}

function testSeeds(subject: Subject): void {
  /** What came, when, and what else happened. */
  const trace = (seed: string): unknown => {
    const rig = subject.rig(seed);
    const connection = rig.open();
    play(rig, connection);
    connection.end();
    rig.clock.advance(LONG);
    const { chunks, times, events, endedAt } = connection.downstream;
    return { chunks: chunks.map((chunk) => chunk.toString("hex")), times, events, endedAt };
  };

  test("does the same again with the same seed", () => {
    assert.deepEqual(trace("one"), trace("one"));
  });

  const { isRandom } = subject.traits;
  test(isRandom ? "does something else with another seed" : "does the same with any seed", () => {
    const [one, two] = [trace("one"), trace("two")];
    if (isRandom) assert.notDeepEqual(one, two);
    else assert.deepEqual(one, two);
  });
}

function testToxicity(subject: Subject): void {
  test("applies to the share of connections that its toxicity says", () => {
    const draws = (toxicity: number, seed: string): boolean[] => {
      const rig = subject.rig(seed, toxicity);
      return Array.from({ length: 1000 }, () => rig.open().link().active.length === 1);
    };
    const count = (all: readonly boolean[]): number => all.filter(Boolean).length;
    assert.equal(count(draws(0, "a")), 0);
    assert.equal(count(draws(1, "a")), 1000);
    const half = draws(0.5, "a");
    assert.ok(Math.abs(count(half) - 500) < 60, `${count(half)} of 1000`);
    assert.deepEqual(draws(0.5, "a"), half);
    assert.notDeepEqual(draws(0.5, "b"), half);
  });

  test("comes and goes with its toxicity, without a loss", () => {
    const rig = subject.rig();
    const connection = rig.open();
    script.forEach((step, i) => {
      play(rig, connection, [step]);
      if (i % 9 === 0) rig.faults.update(subject.name, { toxicity: i % 2 });
    });
    connection.end();
    rig.faults.update(subject.name, { toxicity: 0 });
    rig.clock.advance(LONG);
    subject.assertIntact(connection);
    assert.equal(connection.link().held, 0);
    assert.ok(connection.downstream.events.includes("end"));
    assert.deepEqual(rig.failures, []);
  });
}

function testDatagrams(subject: Subject): void {
  test("leaves datagrams whole", () => {
    const rig = subject.rig();
    const connection = rig.open();
    const lengths = new Set([0, ...script.map(({ bytes }) => bytes.length)]);
    connection.push("");
    play(rig, connection);
    rig.clock.advance(LONG);
    for (const { length } of connection.downstream.chunks) assert.ok(lengths.has(length), `${length}`);
  });
}
