import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCING_POLICIES } from "./group-settings.ts";
import { LoadBalancer } from "./load-balancer.ts";
import { HttpPeer } from "./peer.ts";
import type { Server } from "./server.ts";

test("selects servers that a peer can be made of", () => {
  const balancer = new LoadBalancer([
    "1.1.1.1:443",
    { address: "[::1]:80", weight: 2 },
    "unix:/run/app.sock",
  ]);
  const [first, second, third] = balancer.servers;
  assert.deepEqual(new HttpPeer(first!.address).address, { kind: "tcp", host: "1.1.1.1", port: 443 });
  assert.equal(new HttpPeer(second!).key, "[::1]:80");
  assert.equal(new HttpPeer(third!).key, "unix:/run/app.sock");
  assert.ok(balancer.servers.includes(balancer.select()));
});

/** Accepts only what it hasn't before. */
function acceptNew(): (server: Server) => boolean {
  const seen = new Set<Server>();
  return (server) => !seen.has(server) && seen.add(server) === seen;
}

test("looks at other servers while none is accepted", () => {
  const balancer = new LoadBalancer(["a:1", "b:1", "c:1"], { policy: "round_robin" });
  const accept = acceptNew();
  const chosen = [1, 2, 3].map(() => balancer.select(null, 3, accept).address);
  assert.deepEqual(chosen.sort(), ["a:1", "b:1", "c:1"]);
  assert.throws(() => balancer.select(null, 3, accept), { code: "NO_PEER", status: 503 });
});

test("looks at no more servers than it may, each once", () => {
  for (const policy of BALANCING_POLICIES) {
    const balancer = new LoadBalancer(["a:1", "b:1", "c:1", "d:1"], { policy });
    const looked: Server[] = [];
    const refuse = (server: Server): boolean => looked.push(server) === 0;
    assert.throws(() => balancer.select("key", 3, refuse), { code: "NO_PEER" });
    assert.equal(looked.length, 3, policy);
    assert.equal(new Set(looked).size, 3, policy);
    looked.length = 0;
    assert.throws(() => balancer.select("key", 100, refuse), { code: "NO_PEER" });
    assert.equal(new Set(looked).size, 4, policy);
    assert.equal(looked.length, 4, policy);
    assert.throws(() => balancer.select("key", 0), { code: "NO_PEER" });
  }
});

test("refuses groups that can't work", () => {
  assert.throws(() => new LoadBalancer([]), /at least one server/);
  assert.throws(() => new LoadBalancer(["nowhere"]), /expected host:port/);
  for (const weight of [0, 1.5, 1001, Number.NaN]) {
    assert.throws(() => new LoadBalancer([{ address: "a:1", weight }]), /whole number from 1 to 1000/);
  }
});
