import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadBalancer } from "./load-balancer.ts";
import { HttpPeer } from "./peer.ts";

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
  assert.equal(balancer.select(), second);
});

test("leaves out what isn't eligible", () => {
  const balancer = new LoadBalancer(["a:1", "b:1", "c:1"], { policy: "round_robin" });
  const tried = new Set([balancer.select()]);
  for (const expected of ["b:1", "c:1"]) {
    const server = balancer.select(undefined, (candidate) => !tried.has(candidate));
    assert.equal(server.address, expected);
    tried.add(server);
  }
  assert.throws(() => balancer.select(undefined, (candidate) => !tried.has(candidate)), {
    code: "NO_PEER",
    status: 503,
  });
});

test("refuses groups that can't work", () => {
  assert.throws(() => new LoadBalancer([]), /at least one server/);
  assert.throws(() => new LoadBalancer(["nowhere"]), /expected host:port/);
  for (const weight of [0, 1.5, 1001, Number.NaN]) {
    assert.throws(() => new LoadBalancer([{ address: "a:1", weight }]), /whole number from 1 to 1000/);
  }
});
