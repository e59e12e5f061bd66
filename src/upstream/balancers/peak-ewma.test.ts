import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLoads, fullShares, meansOf, serversOf, tally } from "../../../test/kit/balancing.ts";
import type { Server } from "../server.ts";
import { assertNear } from "./balancing-policy.contract.ts";
import { PeakEwma } from "./peak-ewma.ts";

interface Load {
  readonly latency: number;
  readonly requests: number;
}

function create(servers: readonly Server[], known: readonly Load[]): PeakEwma {
  const loads = new FakeLoads();
  for (const [place, { latency, requests }] of known.entries()) {
    loads.latencies.set(servers[place]!, latency);
    loads.underWay.set(servers[place]!, requests);
  }
  const policy = new PeakEwma(meansOf(loads));
  policy.update(servers, fullShares(servers));
  return policy;
}

function better(a: Load, b: Load, weights: readonly [number, number] = [1, 1]): number {
  const servers = serversOf(...weights);
  const policy = create(servers, [a, b]);
  const counts = tally(servers, 50, () => policy.pick(null, null));
  assert.ok(counts.includes(50), `${counts}`);
  return counts.indexOf(50);
}

test("prefers the faster of two", () => {
  assert.equal(better({ latency: 10, requests: 0 }, { latency: 9, requests: 0 }), 1);
});

test("counts the requests that are under way", () => {
  assert.equal(better({ latency: 10, requests: 1 }, { latency: 15, requests: 0 }), 1);
  assert.equal(better({ latency: 10, requests: 1 }, { latency: 25, requests: 0 }), 0);
});

test("counts shares", () => {
  assert.equal(better({ latency: 10, requests: 3 }, { latency: 10, requests: 1 }, [3, 1]), 0);
  assert.equal(better({ latency: 10, requests: 3 }, { latency: 10, requests: 0 }, [3, 1]), 1);
});

test("tries a server that it doesn't know, once", () => {
  assert.equal(better({ latency: 1, requests: 0 }, { latency: 0, requests: 0 }), 1);
  assert.equal(better({ latency: 900, requests: 8 }, { latency: 0, requests: 1 }), 0);
  assert.equal(better({ latency: 0, requests: 2 }, { latency: 0, requests: 1 }), 1);
});

test("never chooses the worst of all, and each other one as often as it is drawn", () => {
  const servers = serversOf(1, 1, 1);
  const policy = create(servers, [
    { latency: 1, requests: 0 },
    { latency: 2, requests: 0 },
    { latency: 3, requests: 0 },
  ]);
  assertNear(
    tally(servers, 9000, () => policy.pick(null, null)),
    [6000, 3000, 0],
    0.05,
  );
});

test("takes the best of all that are eligible when one that was drawn isn't", () => {
  const servers = serversOf(1, 1, 1);
  const policy = create(servers, [
    { latency: 1, requests: 0 },
    { latency: 20, requests: 0 },
    { latency: 3, requests: 0 },
  ]);
  for (let i = 0; i < 100; i++)
    assert.equal(
      policy.pick(null, (server) => server.index !== 0),
      servers[2],
    );
});
