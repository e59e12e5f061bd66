import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../load.ts";

function upstreamOf(yaml: string): ReturnType<typeof parseConfig>["upstreams"][number] {
  const text = `listeners: [{ bind: 8080, upstream: app }]\nupstreams:\n  app: ${yaml}\n`;
  return parseConfig(text, "a.yaml", {}).upstreams[0]!;
}

test("servers speak HTTP/1 unless it is said that they speak HTTP/2", () => {
  assert.equal(upstreamOf("{ servers: 3000 }").peer.protocol, undefined);
  const { peer } = upstreamOf("{ servers: 3000, protocol: h2c, h2_ping_interval: 10s }");
  assert.deepEqual([peer.protocol, peer.pingInterval], ["h2c", 10_000]);
});

test("a protocol that there isn't is refused", () => {
  assert.throws(() => upstreamOf("{ servers: 3000, protocol: h3 }"), /one of http1, h2, h2c, auto/);
});

test("servers that speak HTTP/2 alone can be asked by every kind of check whether they are well", () => {
  for (const check of ["/health", "tcp", "grpc", "{ http: /health, port: 9000 }"]) {
    assert.equal(upstreamOf(`{ servers: 3000, protocol: h2c, health_check: ${check} }`).checks.length, 1);
  }
});
