/**
 * A balancer that looks after its servers: one that doesn't answer its probes, or fails requests, gets none for a while, and the
 * request that it failed goes to another one. Whatever happens to a server is printed.
 *
 *     SERVERS=127.0.0.1:3000,127.0.0.1:3001 sluice run examples/healthy-balancer.ts --bind 127.0.0.1:6188
 */
import { defineProxy, HttpPeer, LoadBalancer } from "sluice";

const servers = process.env.SERVERS ?? "127.0.0.1:3000,127.0.0.1:3001";
const interval = Number(process.env.INTERVAL ?? 5_000);

const balancer = new LoadBalancer(servers.split(","), {
  policy: "least_connections",
  healthCheck: { kind: "http", path: "/health", interval },
  outliers: { consecutive: 3, statuses: [{ first: 500, last: 599 }] },
  onEvent(event) {
    if (event.kind === "server") console.log(`${event.address} is ${event.to}: ${event.reason}`);
  },
});

export default defineProxy({
  upstreamPeer: (session) => {
    const tried = session.peer?.toString();
    return new HttpPeer(balancer.select(session, 2, ({ address }) => address !== tried));
  },

  failToConnect(session, _peer, error) {
    if (session.tries < 2) error.retry = "yes";
  },
});
