/**
 * A connection filter: decides by address, before a byte is read, who may connect at all.
 *
 *     BLOCKED=127.0.0.2,192.0.2.0/24 sluice run examples/connection-filter.ts --bind 127.0.0.1:6188
 */
import { BlockList } from "node:net";
import { defineProxy, HttpPeer, httpProxy } from "sluice";

const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");
const blocked = new BlockList();

for (const entry of (process.env.BLOCKED ?? "127.0.0.2").split(",")) {
  const [address = "", prefix] = entry.split("/");
  if (prefix === undefined) blocked.addAddress(address);
  else blocked.addSubnet(address, Number(prefix));
}

export default httpProxy({
  phases: defineProxy({ upstreamPeer: () => origin }),
  connectionFilter: (address) => !blocked.check(address),
  // Against those who are let in: no client may have more connections than this.
  maxConnectionsPerClient: 100,
});
