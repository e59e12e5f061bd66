import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCING_POLICIES } from "../group-settings.ts";
import { testBalancingPolicy } from "./balancing-policy.contract.ts";
import { usesSlowStart } from "./create-policy.ts";

for (const name of BALANCING_POLICIES) testBalancingPolicy(name);

test("servers come back at once where every step would move keys", () => {
  assert.deepEqual(
    BALANCING_POLICIES.filter((name) => !usesSlowStart(name)),
    ["ketama", "maglev"],
  );
});
