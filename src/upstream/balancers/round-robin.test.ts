import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { serversOf, testBalancingPolicy } from "./balancing-policy.contract.ts";
import { RoundRobin } from "./round-robin.ts";

testBalancingPolicy("round robin", (servers) => new RoundRobin(servers));

function sequence(weights: readonly number[], length: number): string {
  const policy = new RoundRobin(serversOf(...weights));
  return Array.from({ length }, () => policy.pick(null)!.address[0]).join("");
}

test("takes the servers in turn", () => {
  assert.equal(sequence([1, 1, 1], 7), "abcabca");
});

test("spreads weights smoothly", () => {
  assert.equal(sequence([5, 1, 1], 14), "aabacaaaabacaa");
  assert.equal(sequence([100, 50], 6), "abaaba");
});

test("gives each server its share in every turn", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const turn = sequence(
        weights,
        weights.reduce((sum, weight) => sum + weight, 0),
      );
      for (const [i, weight] of weights.entries()) {
        assert.equal(turn.split(String.fromCharCode(97 + i)).length - 1, weight);
      }
    }),
  );
});

test("goes on behind the server that was chosen", () => {
  const servers = serversOf(1, 1, 1);
  const policy = new RoundRobin(servers);
  assert.equal(
    policy.pick((server) => server.index === 1),
    servers[1],
  );
  assert.equal(policy.pick(null), servers[2]);
});
