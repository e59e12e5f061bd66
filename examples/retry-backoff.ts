/**
 * Retries: a server that doesn't answer is asked again, a little later each time, and then somebody else is.
 *
 *     sluice run examples/retry-backoff.ts --bind 127.0.0.1:6188
 */
import { setTimeout as delay } from "node:timers/promises";
import { defineProxy, HttpPeer, httpProxy } from "sluice";

const main = new HttpPeer(process.env.MAIN ?? "127.0.0.1:3000", { connectTimeout: 500 });
const spare = new HttpPeer(process.env.SPARE ?? "127.0.0.1:3001");

/** Milliseconds before the second try; each further one waits twice as long. */
const FIRST_DELAY = 10;

const phases = defineProxy({
  async upstreamPeer({ tries }) {
    if (tries > 1) await delay(FIRST_DELAY * 2 ** (tries - 2));
    return tries <= 3 ? main : spare;
  },

  // Nothing was sent: to try again is always safe.
  failToConnect(_session, _peer, error) {
    error.retry = "yes";
  },

  // The request was sent, but nothing of a response came: to try again is safe for what only reads.
  errorWhileProxy({ request }, _peer, error) {
    if (request.method === "GET") error.retry = "yes";
  },

  failToProxy(session, error) {
    session.respond({
      status: error.status,
      headers: { "Retry-After": "5", "Content-Type": "text/plain" },
      body: `Nobody is there, after ${session.tries} tries (${error.code})\n`,
    });
  },
});

export default httpProxy({ phases, retries: { maxTries: 4 } });
