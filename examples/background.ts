/**
 * Work in the background: a list of servers that is read from a file, at the start and then again and again. The proxy
 * depends on it, so no request is accepted before the first list is there.
 *
 *     SERVERS_FILE=servers.txt sluice run examples/background.ts
 */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { backgroundService, defineProxy, defineServer, HttpPeer, httpProxy, LoadBalancer } from "sluice";

const file = process.env.SERVERS_FILE ?? "servers.txt";
const period = Number(process.env.PERIOD ?? 5_000);
let balancer: LoadBalancer;

/** One address a line. */
async function readServers(): Promise<void> {
  const lines = (await readFile(file, "utf8")).split("\n");
  balancer = new LoadBalancer(lines.filter((line) => line !== ""));
}

async function readAgainAndAgain(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await delay(period, undefined, { signal });
      await readServers();
    } catch (error) {
      // The list that we have is better than none.
      if (!signal.aborted) console.error(error);
    }
  }
}

const servers = backgroundService({
  name: "servers",
  async start({ signal }) {
    // Ready once this is done; without a list the server doesn't start at all.
    await readServers();
    // This goes on until the server shuts down, so it isn't awaited.
    void readAgainAndAgain(signal);
  },
});

const proxy = httpProxy({
  name: "proxy",
  listen: [process.env.LISTEN ?? "127.0.0.1:6188"],
  dependsOn: ["servers"],
  phases: defineProxy({ upstreamPeer: (session) => new HttpPeer(balancer.select(session)) }),
});

export default defineServer({ services: [proxy, servers] });
