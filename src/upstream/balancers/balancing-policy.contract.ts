import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FakeLoads, fullShares, meansOf, serversOf, tally } from "../../../test/kit/balancing.ts";
import { seededRandom } from "../../base/random.ts";
import type { BalancingPolicyName } from "../group-settings.ts";
import type { Server } from "../server.ts";
import type { BalancingPolicy } from "./balancing-policy.ts";
import { createPolicy, usesSlowStart } from "./create-policy.ts";

/** What holds for every policy. */
export function testBalancingPolicy(name: BalancingPolicyName): void {
  describe(`${name} as a balancing policy`, () => {
    testShares(name);
    testEligibility(name);
    testSpreading(name);
    testUpdates(name);
  });
}

function create(
  name: BalancingPolicyName,
  servers: readonly Server[],
  shares: readonly number[] = fullShares(servers),
  seed: string = "seed",
): BalancingPolicy {
  const policy = createPolicy(name, meansOf(new FakeLoads(), seededRandom(seed)));
  policy.update(servers, shares);
  return policy;
}

function unkeyed(policy: BalancingPolicy): () => Server | null {
  return () => policy.pick(null, null);
}

function keyed(policy: BalancingPolicy): (i: number) => Server | null {
  return (i) => policy.pick(`key ${i}`, null);
}

function testShares(name: BalancingPolicyName): void {
  test("chooses nobody from nobody", () => {
    assert.equal(createPolicy(name, meansOf()).pick("key", null), null);
    assert.equal(create(name, []).pick("key", null), null);
    assert.equal(
      create(name, []).pick(null, () => true),
      null,
    );
  });

  test("chooses the only one", () => {
    const servers = serversOf(7);
    const policy = create(name, servers);
    assert.equal(policy.pick("key", null), servers[0]);
    assert.equal(
      policy.pick(null, () => true),
      servers[0],
    );
  });

  test("chooses nobody when nobody has a share", () => {
    const policy = create(name, serversOf(1, 2, 3), [0, 0, 0]);
    for (const key of [null, "key"]) {
      assert.equal(policy.pick(key, null), null);
      assert.equal(
        policy.pick(key, () => true),
        null,
      );
    }
  });

  test("never chooses one without a share", () => {
    const servers = serversOf(1, 9, 1, 1);
    const policy = create(name, servers, [100, 0, 100, 0]);
    for (const pick of [keyed(policy), unkeyed(policy), () => policy.pick(null, () => true)]) {
      const counts = tally(servers, 200, pick);
      assert.deepEqual([counts[1], counts[3]], [0, 0]);
      assert.ok(counts[0]! > 50 && counts[2]! > 50, `${counts}`);
    }
  });

  test("never asks about one without a share", () => {
    const servers = serversOf(1, 1, 1);
    const policy = create(name, servers, [100, 0, 100]);
    const asked = new Set<Server>();
    const refuse = (server: Server): boolean => {
      asked.add(server);
      return false;
    };
    assert.equal(policy.pick("key", refuse), null);
    assert.equal(policy.pick(null, refuse), null);
    assert.deepEqual([...asked].sort(byIndex), [servers[0], servers[2]]);
  });
}

function testEligibility(name: BalancingPolicyName): void {
  /** For policies that hash many keys, for others many requests without one. */
  const keyOf = (i: number): string | null => (usesSlowStart(name) ? null : `key ${i}`);

  test("chooses who is eligible, and finds the only one", () => {
    const servers = serversOf(7, 1, 300, 20);
    const policy = create(name, servers);
    for (let i = 0; i < 100; i++) {
      assert.notEqual(policy.pick(`${i}`, (server) => server.index !== 2)?.index, 2);
      for (const wanted of servers) {
        assert.equal(
          policy.pick(`${i}`, (server) => server === wanted),
          wanted,
        );
        assert.equal(
          policy.pick(null, (server) => server === wanted),
          wanted,
        );
      }
    }
  });

  test("says soon when nobody is eligible", () => {
    const servers = serversOf(...Array.from({ length: 200 }, (_, i) => 1 + i));
    const policy = create(name, servers);
    let asked = 0;
    const refuse = (): boolean => ++asked < 0;
    for (const key of [null, "key"]) {
      asked = 0;
      assert.equal(policy.pick(key, refuse), null);
      assert.ok(asked >= 200 && asked <= 220, `asked ${asked} times`);
    }
  });

  test("gives those that are eligible what they would get without the others", () => {
    const servers = serversOf(1, 2, 1, 4);
    const policy = create(name, servers);
    const isEligible = (server: Server): boolean => server.index !== 3;
    const counts = tally(servers, 8000, (i) => policy.pick(keyOf(i), isEligible));
    assertNear(counts, [2000, 4000, 2000, 0], 0.25);
  });
}

function testSpreading(name: BalancingPolicyName): void {
  test("spreads requests without a key by share", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const servers = serversOf(...weights);
        const sum = weights.reduce((total, weight) => total + weight, 0);
        const counts = tally(servers, 300 * sum, unkeyed(create(name, servers)));
        assertNear(
          counts,
          weights.map((weight) => 300 * weight),
          0.25,
        );
      }),
      { numRuns: 20, seed: 4 },
    );
  });

  test("uses every server for one key or another", () => {
    const servers = serversOf(1, 1, 1, 5, 2);
    assert.ok(tally(servers, 1000, keyed(create(name, servers))).every((count) => count > 20));
  });

  test("does what it did before with the same seed", () => {
    const servers = serversOf(3, 1, 2, 2);
    const run = (seed: string): number[] => {
      const policy = create(name, servers, fullShares(servers), seed);
      return Array.from({ length: 200 }, (_, i) => policy.pick(i % 3 ? null : `key ${i}`, null)!.index);
    };
    assert.deepEqual(run("one"), run("one"));
  });

  test("knows what to do with shares of every size", () => {
    const servers = serversOf(1000, 1, 999, 7);
    const policy = create(name, servers, [100_000, 1, 99_937, 37]);
    const counts = tally(servers, 20_000, unkeyed(policy));
    assertNear([counts[0]!, counts[2]!], [10_000, 10_000], 0.1);
  });
}

function testUpdates(name: BalancingPolicyName): void {
  test("follows changes of servers and shares", () => {
    const servers = serversOf(1, 1, 1, 1);
    const policy = create(name, servers.slice(0, 2));
    assertNear(tally(servers, 1000, keyed(policy)), [500, 500, 0, 0], 0.2);
    policy.update(servers, [100, 100, 100, 0]);
    assertNear(tally(servers, 1000, keyed(policy)), [333, 333, 333, 0], 0.25);
    policy.update([servers[3]!, servers[1]!], [100, 100]);
    assertNear(tally(servers, 1000, keyed(policy)), [0, 500, 0, 500], 0.2);
    policy.update([], []);
    assert.equal(policy.pick("key", null), null);
    policy.update(servers, [0, 0, 0, 100]);
    assert.deepEqual(tally(servers, 20, keyed(policy)), [0, 0, 0, 20]);
  });

  test("chooses from the newest objects of servers that stayed", () => {
    const policy = create(name, serversOf(1, 1));
    const servers = serversOf(1, 1);
    policy.update(servers, fullShares(servers));
    for (const key of [null, "a", "b", "c"]) assert.ok(servers.includes(policy.pick(key, null)!));
  });
}

/** Each count is what was expected, but for a part of it. */
export function assertNear(counts: readonly number[], expected: readonly number[], tolerance: number): void {
  for (const [place, count] of counts.entries()) {
    const wanted = expected[place]!;
    assert.ok(Math.abs(count - wanted) <= wanted * tolerance, `${counts} instead of ${expected}`);
  }
}

function byIndex(a: Server, b: Server): number {
  return a.index - b.index;
}
