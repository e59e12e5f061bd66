// Looks at everything and changes nothing, some of it only after a while: the way of every body through filters.

import { setImmediate as nextTurn } from "node:timers/promises";
import { defineProxy, HttpPeer, LoadBalancer, type ProxyPhases } from "../../../src/index.ts";

const servers = new LoadBalancer((process.env["SOAK_UPSTREAMS"] ?? "").split(","));

const proxy: ProxyPhases = defineProxy({
  async requestFilter(session) {
    if (session.request.path.includes("slow")) await nextTurn();
  },
  upstreamPeer: (session) => new HttpPeer(servers.select(session).address),
  upstreamRequestFilter(_session, request) {
    request.headers.set("x-filtered", "yes");
  },
  requestBodyFilter: (_session, chunk) => chunk,
  async responseBodyFilter(_session, chunk) {
    await nextTurn();
    return chunk;
  },
});

export default proxy;
