/**
 * A context: what a session remembers from one phase to the next, beside what the program remembers of all sessions.
 *
 *     sluice run examples/context.ts --bind 127.0.0.1:6188
 *
 *     curl http://127.0.0.1:6188/ -H "Beta-Flag: 1"     goes to the servers of the beta
 */
import { defineProxy, HttpPeer } from "sluice";

const stable = new HttpPeer(process.env.STABLE ?? "127.0.0.1:3000");
const beta = new HttpPeer(process.env.BETA ?? "127.0.0.1:3001");

/** Every worker thread loads this module by itself: these count the requests of one thread. */
let requests = 0;
let betaRequests = 0;

export default defineProxy({
  // First in the list, so that the other phases know the context's type.
  newContext: () => ({ isBeta: false, number: 0 }),

  requestFilter({ request, context }) {
    context.isBeta = request.headers.has("beta-flag");
    context.number = ++requests;
    if (context.isBeta) betaRequests++;
  },

  upstreamPeer: ({ context }) => (context.isBeta ? beta : stable),

  responseFilter({ context }, response) {
    response.headers.set("X-Request-Number", String(context.number));
  },

  logging({ context }) {
    if (context.isBeta) console.log(`User ${betaRequests} of the beta, request ${context.number} of all`);
  },
});
