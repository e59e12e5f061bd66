import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSession } from "../../test/kit/session.ts";
import { seededRandom } from "../base/random.ts";
import type { Session } from "../proxy/session.ts";
import { SessionMatcher } from "./matchers/session-matcher.ts";
import type { Match, SplitTarget } from "./settings.ts";
import { Split } from "./split.ts";

const matcher = new SessionMatcher([]);

function target(upstream: string, weight: number, header: string | null = null): SplitTarget {
  const match: Match | null =
    header === null ? null : { kind: "header", name: header, test: { kind: "present" } };
  return { upstream, weight, match };
}

function split(targets: readonly SplitTarget[], lot: () => number): Split<string> {
  const compile = (match: SplitTarget["match"]): ((session: Session<unknown>) => boolean) | null =>
    match === null ? null : matcher.compile(match);
  return new Split(targets, ({ upstream }) => upstream, compile, { next: lot });
}

function sessionWith(...headers: readonly string[]): Session<unknown> {
  return createSession<unknown>({ headers }).session;
}

const PLAIN = sessionWith();
/** The largest number that a lot can be. */
const LAST = 1 - 2 ** -32;

describe("a split", () => {
  test("draws by weight, whatever the weights are", () => {
    const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e6, noNaN: true })), {
      minLength: 1,
      maxLength: 8,
    });
    const lots = fc.oneof(fc.constant(0), fc.constant(LAST), fc.double({ min: 0, max: LAST, noNaN: true }));
    fc.assert(
      fc.property(weights, lots, (given, lot) => {
        const total = given.reduce((sum, weight) => sum + weight, 0);
        fc.pre(total > 0);
        const targets = given.map((weight, i) => target(String(i), weight));
        const chosen = Number(split(targets, () => lot).choose(PLAIN));
        assert.ok(given[chosen]! > 0, "a target of weight 0 was drawn");
        const before = given.slice(0, chosen).reduce((sum, weight) => sum + weight, 0);
        assert.ok(lot >= (before / total) * (1 - 1e-9));
        assert.ok(lot <= ((before + given[chosen]!) / total) * (1 + 1e-9));
      }),
    );
  });

  test("gives shares in the long run", () => {
    const random = seededRandom("shares");
    const targets = [target("a", 70), target("b", 0), target("c", 25), target("d", 5)];
    const spread = split(targets, () => random.next());
    const counts: Record<string, number> = {};
    for (let i = 0; i < 10_000; i++) {
      const name = spread.choose(PLAIN);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    for (const [name, share] of [
      ["a", 7_000],
      ["c", 2_500],
      ["d", 500],
    ] as const)
      assert.ok(Math.abs((counts[name] ?? 0) - share) < 200, JSON.stringify(counts));
    assert.equal(counts["b"], undefined);
  });

  test("asks no lot for what matches, and the first match has it", () => {
    const targets = [target("plain", 1), target("one", 0, "x-one"), target("two", 5, "x-two")];
    const spread = split(targets, () => assert.fail("a lot was drawn"));
    assert.equal(spread.choose(sessionWith("X-Two: 2")), "two");
    assert.equal(spread.choose(sessionWith("X-Two: 2", "X-One: 1")), "one");
    assert.equal(split(targets, () => 0.1).choose(sessionWith("X-Three: 3")), "plain");
    assert.equal(split(targets, () => 0.9).choose(PLAIN), "two");
  });

  test("sends what nobody matches to the first where none has a weight", () => {
    const targets = [target("a", 0, "x-a"), target("b", 0, "x-b")];
    for (const lot of [0, 0.5, LAST]) assert.equal(split(targets, () => lot).choose(PLAIN), "a");
    assert.equal(split(targets, () => LAST).choose(sessionWith("X-B: 1")), "b");
  });

  test("knows what it spreads over", () => {
    assert.deepEqual(split([target("a", 1), target("b", 0, "x-b")], () => 0).values, ["a", "b"]);
  });
});
