import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fullShares, meansOf, serversAt, serversOf, tally } from "../../../test/kit/balancing.ts";
import type { BalancingPolicyName } from "../group-settings.ts";
import type { Server } from "../server.ts";
import { assertNear } from "./balancing-policy.contract.ts";
import { createPolicy } from "./create-policy.ts";
import { HashingPolicy } from "./hashing-policy.ts";
import { MaglevTable } from "./maglev.ts";

const KEYS = 20_000;
const HASHING: readonly BalancingPolicyName[] = ["ketama", "maglev"];

/** Where each key goes, by address. */
function homes(
  name: BalancingPolicyName,
  servers: readonly Server[],
  shares = fullShares(servers),
): string[] {
  const policy = createPolicy(name, meansOf());
  policy.update(servers, shares);
  return Array.from({ length: KEYS }, (_, i) => policy.pick(`/page/${i}`, null)!.address);
}

function movedShare(before: readonly string[], after: readonly string[]): number {
  return before.filter((address, i) => address !== after[i]).length / before.length;
}

for (const name of HASHING) {
  describe(`${name}, as a policy that hashes`, () => {
    test("sends the same key to the same server, in every thread and after any restart", () => {
      assert.deepEqual(homes(name, serversOf(1, 2, 3)), homes(name, serversOf(1, 2, 3)));
    });

    test("moves at most 12 % of the keys when there is one of ten servers more or less", () => {
      const ten = homes(name, serversOf(...new Array<number>(10).fill(1)));
      const eleven = homes(name, serversOf(...new Array<number>(11).fill(1)));
      const nine = homes(name, serversOf(...new Array<number>(9).fill(1)));
      for (const share of [movedShare(nine, ten), movedShare(ten, eleven)])
        assert.ok(share > 0.06 && share <= 0.12, `${share}`);
    });

    test("moves only the keys of a server that is out, and spreads them over all others", () => {
      const servers = serversOf(1, 1, 2, 1, 1);
      const before = homes(name, servers);
      const after = homes(name, servers, [100, 0, 200, 100, 100]);
      const lost = servers[1]!.address;
      for (const [i, address] of before.entries()) if (address !== lost) assert.equal(after[i], address);
      const heirs = after.filter((_, i) => before[i] === lost);
      const sum = heirs.length / 5;
      const counts = [0, 2, 3, 4].map((place) => heirs.filter((a) => a === servers[place]!.address).length);
      assertNear(counts, [sum, 2 * sum, sum, sum], 0.35);
    });

    test("brings all keys home when it is back, also with a weight that was changed", () => {
      const servers = serversOf(1, 1, 1, 1);
      const policy = createPolicy(name, meansOf());
      const all = (): number[] => Array.from({ length: 500 }, (_, i) => policy.pick(`${i}`, null)!.index);
      policy.update(servers, [100, 300, 100, 100]);
      const before = all();
      policy.update(servers, [100, 0, 100, 100]);
      for (const [i, place] of all().entries())
        assert.ok(before[i] === 1 ? place !== 1 : place === before[i]);
      policy.update(servers, [100, 300, 100, 100]);
      assert.deepEqual(all(), before);
    });

    test("takes it for the same whether a server is out or not eligible", () => {
      const servers = serversOf(1, 1, 1, 1, 1);
      const policy = createPolicy(name, meansOf());
      policy.update(servers, fullShares(servers));
      const isEligible = (server: Server): boolean => server.index !== 2 && server.index !== 3;
      const refused = Array.from({ length: KEYS }, (_, i) => policy.pick(`/page/${i}`, isEligible)!.address);
      assert.deepEqual(refused, homes(name, servers, [100, 100, 0, 0, 100]));
    });

    test("gives requests without a key in turn", () => {
      const servers = serversOf(1, 1, 1);
      const policy = createPolicy(name, meansOf());
      policy.update(servers, fullShares(servers));
      assert.deepEqual(
        tally(servers, 90, () => policy.pick(null, null)),
        [30, 30, 30],
      );
    });

    test("finds servers that are named twice, and those too light to have a place", () => {
      const twice = serversAt(["a:80", "a:80", "b:80"]);
      const light = serversOf(1, ...new Array<number>(80).fill(1000));
      for (const servers of [twice, light]) {
        const policy = createPolicy(name, meansOf());
        policy.update(servers, fullShares(servers));
        for (const wanted of servers.slice(0, 3))
          for (const key of ["a", "b", "c"])
            assert.equal(
              policy.pick(key, (server) => server === wanted),
              wanted,
            );
      }
    });
  });
}

test("makes a circle anew for other servers, another order and other weights only", () => {
  let made = 0;
  const policy = new HashingPolicy(meansOf(), (servers, weights) => {
    made++;
    return new MaglevTable(servers, weights, 101);
  });
  const [a, b] = serversOf(1, 1) as [Server, Server];
  const expectAfter = (servers: readonly Server[], shares: readonly number[], count: number): void => {
    policy.update(servers, shares);
    assert.equal(made, count);
  };
  expectAfter([a, b], [100, 100], 1);
  expectAfter([a, b], [100, 0], 1);
  expectAfter(serversOf(1, 1), [0, 100], 1);
  expectAfter([a, b], [100, 300], 2);
  expectAfter([a, b], [100, 0], 2);
  expectAfter([b, a], [300, 100], 3);
  expectAfter([b], [300], 4);
});
