import { getServers } from "node:dns";
import { isIP } from "node:net";
import { parseAddress } from "../../../net/address.ts";
import type { NameServer } from "./exchange.ts";

const DNS_PORT = 53;

/** The name servers of this system: those of /etc/resolv.conf, where there is one. */
export function systemNameServers(): readonly NameServer[] {
  return getServers().map(parseNameServer);
}

/**
 * Reads `host:port`, `[v6]:port`, or an address alone, for port 53.
 * @throws RangeError when it is none of them
 */
export function parseNameServer(text: string): NameServer {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT };
  const address = parseAddress(text);
  if (address.kind === "tcp" && address.host !== "" && address.port !== 0) return address;
  throw new RangeError(`Name server ${JSON.stringify(text)} has no host or no port`);
}
