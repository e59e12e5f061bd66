/**
 * A load balancer: spreads requests over servers that serve one site, and calls the site by its name.
 *
 *     SERVERS=127.0.0.1:3000,127.0.0.1:3001 sluice run examples/load-balancer.ts --bind 127.0.0.1:6188
 */
import { defineProxy, HttpPeer, LoadBalancer } from "sluice";

const servers = process.env.SERVERS ?? "127.0.0.1:3000,127.0.0.1:3001";
const balancer = new LoadBalancer(servers.split(","));

export default defineProxy({
  upstreamPeer: (session) => new HttpPeer(balancer.select(session)),

  upstreamRequestFilter(_session, request) {
    request.headers.set("Host", "one.one.one.one");
  },
});
