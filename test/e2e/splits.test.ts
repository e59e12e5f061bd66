import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { type Composed, type ComposedOptions, startComposed } from "./composed.ts";

const origins: Origin[] = [];

before(async () => {
  for (const name of ["stable", "canary", "beta"]) origins.push(await startOrigin({ name }));
});

after(async () => {
  for (const origin of origins) await origin[Symbol.asyncDispose]();
});

/** A listener that splits requests; the upstreams are called as their origins. */
function startSplit(split: string, options: ComposedOptions = {}, more = ""): Promise<Composed> {
  const upstreams = origins.map(({ name, address }) => `  ${name}: "${address}"`).join("\n");
  const text = `
listeners:
  - bind: "127.0.0.1:0"
    routes:
      - split: ${split}
upstreams:
${upstreams}
${more}
`;
  return startComposed(text, options);
}

describe("a split by weight", () => {
  test("gives each upstream its share", async () => {
    await using balancer = await startSplit("{ stable: 95%, canary: 5% }");
    const { stable = 0, canary = 0 } = await balancer.shares(1_000);
    assert.equal(stable + canary, 1_000);
    // Within four standard deviations of 50, and the seed is fixed.
    assert.ok(canary >= 23 && canary <= 77, `${canary} of 1000`);
  });

  test("is the same with the same seed, and another with another", async () => {
    const drawn: string[] = [];
    for (const seed of ["one", "one", "two"]) {
      await using balancer = await startSplit("{ stable: 1, canary: 1 }", { seed });
      const names: string[] = [];
      for (let i = 0; i < 40; i++) names.push(await balancer.whoAnswers());
      drawn.push(names.join());
    }
    assert.equal(drawn[0], drawn[1]);
    assert.notEqual(drawn[0], drawn[2]);
  });

  test("gives nothing to a weight of 0", async () => {
    await using balancer = await startSplit("{ canary: 0, stable: 3, beta: 0 }");
    assert.deepEqual(await balancer.shares(50), { stable: 50 });
  });

  test("goes to the first when none has a weight", async () => {
    await using balancer = await startSplit("{ canary: 0, stable: 0 }");
    assert.deepEqual(await balancer.shares(10), { canary: 10 });
  });

  test("doesn't leave the upstream that was drawn when that has no server left", async () => {
    const more = `  gone: "127.0.0.1:${await freePort()}"`;
    await using balancer = await startSplit("{ gone: 1, stable: 1 }", {}, more);
    const { 502: lost = 0, stable = 0 } = await balancer.shares(40);
    assert.ok(lost >= 8 && stable >= 8 && lost + stable === 40, `${lost} ${stable}`);
  });
});

describe("a split by what requests say", () => {
  const BY_HEADER = `
          - { upstream: canary, match: { header: { x-canary: "1" } } }
          - { upstream: beta, match: { header: { cookie: { regex: "(^|; )beta=yes(;|$)" } } } }
          - { upstream: stable, weight: 100% }`;

  test("sends those that match always there, the first that matches, and all others by weight", async () => {
    await using balancer = await startSplit(BY_HEADER);
    for (const [fields, wanted] of [
      [[], "stable"],
      [["X-Canary: 1"], "canary"],
      [["X-Canary: 2"], "stable"],
      [["Cookie: a=b; beta=yes"], "beta"],
      [["Cookie: beta=yesterday"], "stable"],
      [["Cookie: beta=yes", "X-Canary: 1"], "canary"],
    ] as const) {
      assert.deepEqual(await balancer.shares(5, "/", ...fields), { [wanted]: 5 }, fields.join());
    }
  });

  test("may have shares beside", async () => {
    const targets =
      '[{ upstream: canary, weight: 1, match: { header: { x-canary: "1" } } }, { upstream: stable, weight: 3 }]';
    await using balancer = await startSplit(targets);
    assert.deepEqual(await balancer.shares(10, "/", "X-Canary: 1"), { canary: 10 });
    const { canary = 0, stable = 0 } = await balancer.shares(400);
    assert.ok(canary > 65 && canary < 135 && canary + stable === 400, `${canary} of 400`);
  });
});
