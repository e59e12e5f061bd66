// Does what no proxy should, rarely: to see that a run finds it.

import { defineProxy, HttpPeer, LoadBalancer, type ProxyPhases } from "../../../src/index.ts";

const servers = new LoadBalancer((process.env["SOAK_UPSTREAMS"] ?? "").split(","));
/** One chunk in so many is changed. */
const rarity = 500;
let chunks = 0;

const proxy: ProxyPhases = defineProxy({
  upstreamPeer: (session) => new HttpPeer(servers.select(session).address),
  responseBodyFilter(_session, chunk) {
    if (chunk !== null && ++chunks % rarity === 0) chunk[chunk.length - 1]! ^= 1;
    return chunk;
  },
});

export default proxy;
