/**
 * Failover inside a request: when a server doesn't answer, or not well, another one does, and the client sees only that.
 *
 *     sluice run examples/failover.ts --bind 127.0.0.1:6188
 */
import { defineProxy, HttpPeer, httpProxy } from "sluice";

const addresses = process.env.SERVERS ?? "127.0.0.1:3000,127.0.0.1:3001,127.0.0.1:3002";
const servers = addresses.split(",").map((address) => new HttpPeer(address));

const phases = defineProxy({
  earlyRequestFilter(session) {
    // Reports take their time: a second server would only be as busy with them as the first.
    if (session.request.path.startsWith("/reports/"))
      session.retryPolicy = { ...session.retryPolicy, tryTimeout: 0, hedgeAfter: 0 };
  },

  // Another server for each try.
  upstreamPeer: ({ tries }) => servers[(tries - 1) % servers.length]!,
});

export default httpProxy({
  phases,
  retries: {
    maxTries: 3,
    onConnectFailure: true,
    onReset: true,
    onTimeout: true,
    onStatus: [{ first: 502, last: 503 }],
    // One try may take two seconds; after half of one, a second server gets the request too.
    tryTimeout: 2_000,
    hedgeAfter: 500,
    backoff: 20,
  },
});
