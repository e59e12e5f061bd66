import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseAddress } from "../../net/address.ts";
import type { BalancingPolicy, Server } from "./balancing-policy.ts";

/** Servers with these weights, named a, b, c ... */
export function serversOf(...weights: readonly number[]): Server[] {
  return weights.map((weight, index) => {
    const address = `${String.fromCharCode(97 + index)}:80`;
    return { ...parseAddress(address), address, weight, index };
  });
}

/** What holds for every policy. */
export function testBalancingPolicy(
  name: string,
  create: (servers: readonly Server[]) => BalancingPolicy,
): void {
  describe(`${name} as a balancing policy`, () => {
    test("chooses from the group", () => {
      const servers = serversOf(1, 2, 3);
      const policy = create(servers);
      for (let i = 0; i < 50; i++) assert.ok(servers.includes(policy.pick(null, undefined)!));
    });

    test("uses every server", () => {
      const servers = serversOf(1, 1, 1, 5);
      const policy = create(servers);
      const chosen = new Set(Array.from({ length: 1000 }, (_, i) => policy.pick(null, { key: i })));
      assert.equal(chosen.size, 4);
    });

    test("never chooses one that isn't eligible", () => {
      const servers = serversOf(1, 9, 1);
      const policy = create(servers);
      for (let i = 0; i < 50; i++)
        assert.notEqual(policy.pick((server) => server.index !== 1, { key: i })?.index, 1);
    });

    test("finds the only eligible one", () => {
      const servers = serversOf(7, 1, 3);
      const policy = create(servers);
      for (const wanted of servers)
        assert.equal(
          policy.pick((server) => server === wanted, undefined),
          wanted,
        );
    });

    test("says when none is eligible", () => {
      assert.equal(
        create(serversOf(1, 2)).pick(() => false, undefined),
        null,
      );
    });
  });
}
