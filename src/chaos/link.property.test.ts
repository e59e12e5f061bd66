import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { LinkRig, type RigConnection } from "../../test/kit/link-rig.ts";
import type { Attributes } from "./attributes.ts";
import type { Link } from "./link.ts";

/*
 * Whatever is added, changed and taken away while bytes are on their way: they all arrive, once and in order, and the end
 * behind them.
 */

/** Toxics that lose nothing, with attributes drawn for them. */
const kinds: Readonly<Record<string, fc.Arbitrary<Attributes>>> = {
  latency: fc.record({ latency: fc.nat(300), jitter: fc.nat(200) }),
  bandwidth: fc.record({ rate: fc.nat(200), bytes_per_second: fc.nat(90_000), shared: fc.boolean() }),
  slicer: fc.record({ average_size: fc.nat(400), size_variation: fc.nat(100), delay: fc.nat(2000) }),
  slow_close: fc.record({ delay: fc.nat(300) }),
  noop: fc.constant({}),
};

type Change =
  | { readonly do: "add" | "update"; readonly type: string; readonly attributes: Attributes }
  | { readonly do: "toxicity"; readonly type: string; readonly toxicity: number }
  | { readonly do: "remove"; readonly type: string };

type Step =
  | Change
  | { readonly do: "push"; readonly size: number }
  | { readonly do: "wait"; readonly milliseconds: number }
  | { readonly do: "meanwhile"; readonly change: Change }
  | { readonly do: "pause" | "resume" | "end" };

const type = fc.constantFrom(...Object.keys(kinds));
const withAttributes = (what: "add" | "update"): fc.Arbitrary<Change> =>
  type.chain((name) => kinds[name]!.map((attributes) => ({ do: what, type: name, attributes })));

const change: fc.Arbitrary<Change> = fc.oneof(
  withAttributes("add"),
  withAttributes("update"),
  fc.record({ do: fc.constant("remove" as const), type }),
  fc.record({ do: fc.constant("toxicity" as const), type, toxicity: fc.constantFrom(0, 0.5, 1) }),
);

const push = fc.record({ do: fc.constant("push" as const), size: fc.integer({ min: 1, max: 40_000 }) });
const wait = fc.record({ do: fc.constant("wait" as const), milliseconds: fc.nat(120) });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: push },
  { weight: 8, arbitrary: wait },
  { weight: 16, arbitrary: change },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("meanwhile" as const), change }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("pause" as const, "resume" as const) }) },
  { weight: 1, arbitrary: fc.constant({ do: "end" as const }) },
);

/** Bytes that tell where they belong. */
class Source {
  sent = 0;

  next(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++, this.sent++) bytes[i] = (this.sent * 131 + (this.sent >> 8)) & 0xff;
    return bytes;
  }
}

/** A connection under test, and what becomes of it. */
class Trial {
  readonly rig: LinkRig = new LinkRig();
  readonly connection: RigConnection = this.rig.open();
  readonly link: Link = this.connection.link();
  readonly source: Source = new Source();
  /** Bytes that wait because the link is full. */
  #kept = 0;
  /** What is to happen while the receiver handles its next chunk. */
  #next: Change | null = null;

  constructor() {
    const { downstream } = this.connection;
    // In the middle of a call of the link's, as senders and receivers do.
    downstream.onRoomAgain = () => this.#push(0);
    downstream.onChunk = () => {
      const step = this.#next;
      this.#next = null;
      if (step !== null) this.#change(step);
    };
  }

  async perform(step: Step): Promise<void> {
    switch (step.do) {
      case "push":
        return this.#push(step.size);
      case "wait":
        return this.rig.run(step.milliseconds, 7);
      case "pause":
        return this.link.pause();
      case "resume":
        return this.link.resume();
      case "end":
        if (this.#kept === 0) this.connection.end();
        return;
      case "meanwhile":
        this.#next = step.change;
        return;
      default:
        return this.#change(step);
    }
  }

  #push(size: number): void {
    if (this.link.hasEnded) return;
    this.#kept += size;
    while (this.#kept > 0 && !this.connection.downstream.isFull) {
      const part = Math.min(this.#kept, 4000);
      this.#kept -= part;
      this.connection.push(this.source.next(part));
    }
  }

  #change(step: Change): void {
    const { faults } = this.rig;
    const exists = faults.toxics.some(({ name }) => name === step.type);
    if (step.do === "add") {
      if (!exists) this.rig.add(step.type, step.attributes);
    } else if (!exists) return;
    else if (step.do === "remove") faults.remove(step.type);
    else faults.update(step.type, step);
  }

  async finish(): Promise<void> {
    const { rig, connection } = this;
    this.#next = null;
    this.link.resume();
    // A bandwidth of 0 keeps bytes for ever.
    if (rig.faults.toxics.some(({ name }) => name === "bandwidth"))
      rig.faults.update("bandwidth", { attributes: { rate: 50, bytes_per_second: 0 } });
    await rig.run(100_000, 20_000);
    connection.end();
    await rig.run(100_000, 20_000);
  }
}

async function play(steps: readonly Step[]): Promise<void> {
  const trial = new Trial();
  for (const step of steps) await trial.perform(step);
  await trial.finish();
  const { rig, connection, link } = trial;
  const expected = new Source().next(trial.source.sent);
  assert.deepEqual(rig.failures, []);
  assert.equal(connection.downstream.bytes.length, expected.length);
  assert.ok(connection.downstream.bytes.equals(expected), "bytes differ");
  assert.equal(connection.downstream.events.filter((event) => event === "end").length, 1);
  assert.equal(link.held, 0);
  assert.equal(connection.downstream.isFull, false);
  assert.equal(rig.clock.pending, 0);
  rig.faults.clear();
  assert.ok(link.isClear);
}

describe("a link whose toxics come, change and go", () => {
  test("carries every byte, once and in order", async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 100, size: "max" }), play), {
      numRuns: 300,
    });
  });
});
