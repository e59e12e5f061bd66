import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLoads, fullShares, meansOf, serversOf, tally } from "../../../test/kit/balancing.ts";
import { seededRandom } from "../../base/random.ts";
import type { Server } from "../server.ts";
import { assertNear } from "./balancing-policy.contract.ts";
import { RandomChoice } from "./random.ts";

function create(servers: readonly Server[], seed: string): RandomChoice {
  const policy = new RandomChoice(meansOf(new FakeLoads(), seededRandom(seed)));
  policy.update(servers, fullShares(servers));
  return policy;
}

test("stays within 40 % of the mean for 90 requests over 3 servers, with any seed", () => {
  const servers = serversOf(1, 1, 1);
  for (let seed = 0; seed < 2000; seed++) {
    const policy = create(servers, `${seed}`);
    assertNear(
      tally(servers, 90, () => policy.pick(null, null)),
      [30, 30, 30],
      0.4,
    );
  }
});

test("never gives a server more than 4 too many or too few", () => {
  const servers = serversOf(1, 1, 1);
  const policy = create(servers, "runs");
  const counts = [0, 0, 0];
  for (let i = 1; i <= 10_000; i++) {
    counts[policy.pick(null, null)!.index]! += 1;
    for (const count of counts) assert.ok(Math.abs(count - i / 3) <= 4, `${counts}`);
  }
});

test("does so too when two threads share them in any way", () => {
  const servers = serversOf(1, 1, 1);
  for (let seed = 0; seed < 1000; seed++) {
    const threads = [create(servers, `${seed} a`), create(servers, `${seed} b`)];
    const counts = tally(servers, 90, (i) => threads[i < seed % 90 ? 0 : 1]!.pick(null, null));
    assertNear(counts, [30, 30, 30], 0.4);
  }
});

test("keeps to weights", () => {
  const servers = serversOf(5, 1, 3, 1);
  const policy = create(servers, "weights");
  assertNear(
    tally(servers, 10_000, () => policy.pick(null, null)),
    [5000, 1000, 3000, 1000],
    0.01,
  );
});

test("lets each server follow each", () => {
  const servers = serversOf(1, 1, 1);
  const policy = create(servers, "pairs");
  const pairs = new Map<string, number>();
  let before = policy.pick(null, null)!.index;
  for (let i = 0; i < 9000; i++) {
    const next = policy.pick(null, null)!.index;
    pairs.set(`${before}${next}`, (pairs.get(`${before}${next}`) ?? 0) + 1);
    before = next;
  }
  assert.equal(pairs.size, 9);
  assert.ok(
    [...pairs.values()].every((count) => count > 600 && count < 1300),
    `${[...pairs.values()]}`,
  );
});

test("differs from seed to seed", () => {
  const servers = serversOf(1, 1, 1);
  const runs = Array.from({ length: 20 }, (_, seed) => {
    const policy = create(servers, `${seed}`);
    return Array.from({ length: 12 }, () => policy.pick(null, null)!.index).join("");
  });
  assert.ok(new Set(runs).size > 15);
});
