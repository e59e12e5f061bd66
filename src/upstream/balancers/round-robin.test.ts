import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fullShares, meansOf, serversOf, tally } from "../../../test/kit/balancing.ts";
import { seededRandom } from "../../base/random.ts";
import type { Server } from "../server.ts";
import type { PolicyMeans } from "./balancing-policy.ts";
import { RoundRobin } from "./round-robin.ts";

function create(
  servers: readonly Server[],
  shares = fullShares(servers),
  means: PolicyMeans = meansOf(),
): RoundRobin {
  const policy = new RoundRobin(means);
  policy.update(servers, shares);
  return policy;
}

/** The servers that are chosen one after the other, as a, b, c … */
function sequence(
  policy: RoundRobin,
  length: number,
  isEligible: ((server: Server) => boolean) | null = null,
): string {
  const places = Array.from({ length }, () => policy.pick(null, isEligible)!.index);
  return String.fromCharCode(...places.map((place) => 97 + place));
}

test("takes the servers in turn", () => {
  assert.equal(sequence(create(serversOf(1, 1, 1)), 7), "abcabca");
});

test("spreads weights smoothly", () => {
  assert.equal(sequence(create(serversOf(5, 1, 1)), 14), "aabacaaaabacaa");
  assert.equal(sequence(create(serversOf(100, 50)), 6), "abaaba");
});

test("gives each server its share in every round", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const servers = serversOf(...weights);
      const policy = create(servers);
      const round = weights.reduce((sum, weight) => sum + weight, 0);
      assert.deepEqual(
        tally(servers, round, () => policy.pick(null, null)),
        weights,
      );
    }),
  );
});

test("gives three servers 30 of 90 requests each, whichever threads ask", () => {
  const random = seededRandom("threads");
  for (let run = 0; run < 50; run++) {
    const servers = serversOf(1, 1, 1);
    const means = meansOf();
    const threads = [
      create(servers, undefined, means),
      create(servers, undefined, means),
      create(servers, undefined, means),
    ];
    const pick = (): Server | null =>
      threads[Math.floor(random.next() * 3)]!.pick(null, run % 2 ? () => true : null);
    assert.deepEqual(tally(servers, 90, pick), [30, 30, 30]);
  }
});

test("spreads the turns of a server that is out over all others", () => {
  const servers = serversOf(1, 1, 1, 1);
  const policy = create(servers, [100, 0, 100, 100]);
  assert.deepEqual(
    tally(servers, 90, () => policy.pick(null, null)),
    [30, 0, 30, 30],
  );
});

test("spreads the turns of a server that isn't eligible over all others", () => {
  const servers = serversOf(1, 1, 1, 1);
  assert.equal(
    sequence(create(servers), 9, (server) => server.index !== 1),
    "acdacdacd",
  );
});

test("walks on when turns alone find nobody", () => {
  const servers = serversOf(1, 1, 1, 1);
  const policy = create(servers, undefined, { ...meansOf(), turn: () => 4_000_000_000 });
  for (const wanted of servers)
    assert.equal(
      policy.pick(null, (server) => server === wanted),
      wanted,
    );
});

test("bounds its schedule, in which everyone has a place", () => {
  const servers = serversOf(...new Array<number>(60).fill(997), 1, 1000);
  const policy = create(servers);
  const counts = tally(servers, 5000, () => policy.pick(null, null));
  assert.ok(
    counts.every((count) => count >= 1),
    `${counts}`,
  );
  assert.ok(counts[60]! <= 2 && counts[61]! <= 90, `${counts}`);
});
