import assert from "node:assert/strict";
import { test } from "node:test";
import { ProxyTrafficLedger, sumProxyTraffic } from "./proxy-traffic.ts";

const TRAFFIC = { receivedUp: 1, sentUp: 2, receivedDown: 3, sentDown: 4 };

test("connections of one proxy between the same addresses are added up", () => {
  const ledger = new ProxyTrafficLedger();
  const proxy = { name: "p", upstreams: ["a:1", "b:2"] };
  ledger.add(proxy, "127.0.0.1:1", TRAFFIC);
  ledger.add(proxy, "127.0.0.1:1", TRAFFIC);
  ledger.add(proxy, "127.0.0.1:2", TRAFFIC);
  const first = { proxy: "p", listen: "127.0.0.1:1", upstream: "a:1,b:2" };
  const twice = { receivedUp: 2, sentUp: 4, receivedDown: 6, sentDown: 8 };
  const entries = [
    { ...first, ...twice },
    { ...first, listen: "127.0.0.1:2", ...TRAFFIC },
  ];
  assert.deepEqual(ledger.entries, entries);
  assert.deepEqual(sumProxyTraffic([...entries, ...entries])[0]?.sentDown, 16);
});

test("the oldest addresses are forgotten when there are too many", () => {
  const ledger = new ProxyTrafficLedger();
  for (let port = 0; port <= 10_000; port++)
    ledger.add({ name: "p", upstreams: ["a:1"] }, `:${port}`, TRAFFIC);
  assert.equal(ledger.entries.length, 10_000);
  assert.equal(ledger.entries[0]?.listen, ":1");
});
