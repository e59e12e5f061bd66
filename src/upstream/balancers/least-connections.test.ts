import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLoads, fullShares, meansOf, serversOf, tally } from "../../../test/kit/balancing.ts";
import type { Server } from "../server.ts";
import { LeastConnections } from "./least-connections.ts";

function create(servers: readonly Server[], requests: readonly number[]): LeastConnections {
  const loads = new FakeLoads();
  for (const [place, count] of requests.entries()) loads.underWay.set(servers[place]!, count);
  const policy = new LeastConnections(meansOf(loads));
  policy.update(servers, fullShares(servers));
  return policy;
}

test("chooses the one with the fewest requests", () => {
  const servers = serversOf(1, 1, 1);
  assert.equal(create(servers, [3, 1, 2]).pick(null, null), servers[1]);
});

test("counts requests for a server's share", () => {
  const servers = serversOf(1, 10);
  assert.equal(create(servers, [1, 9]).pick(null, null), servers[1]);
  assert.equal(create(servers, [1, 11]).pick(null, null), servers[0]);
});

test("leaves out who isn't eligible", () => {
  const servers = serversOf(1, 1, 1);
  assert.equal(
    create(servers, [0, 2, 1]).pick(null, (server) => server.index !== 0),
    servers[2],
  );
});

test("lets equal ones take turns, by weight", () => {
  const servers = serversOf(1, 2, 1);
  const idle = create(servers, []);
  assert.deepEqual(
    tally(servers, 80, () => idle.pick(null, null)),
    [20, 40, 20],
  );
});

test("spreads them evenly over some that are equal", () => {
  const servers = serversOf(1, 1, 1, 1);
  const policy = create(servers, [2, 1, 1, 1]);
  assert.deepEqual(
    tally(servers, 90, () => policy.pick(null, null)),
    [0, 30, 30, 30],
  );
});

test("fills servers evenly while nothing ends", () => {
  const servers = serversOf(1, 3);
  const loads = new FakeLoads();
  const policy = new LeastConnections(meansOf(loads));
  policy.update(servers, fullShares(servers));
  for (let i = 0; i < 400; i++) {
    const server = policy.pick(null, null)!;
    loads.underWay.set(server, loads.requests(server) + 1);
  }
  assert.deepEqual([...loads.underWay.values()].sort(), [100, 300]);
});
