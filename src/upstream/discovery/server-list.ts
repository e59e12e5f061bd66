import { formatAddress, parseAddress } from "../../net/address.ts";
import { MAX_WEIGHT, type ServerInit } from "../server.ts";
import type { FoundServers } from "./server-news.ts";

/** Longest file or response that is read, bytes: more than a hundred thousand servers. */
export const MAX_LIST_BYTES: number = 8 * 1024 * 1024;

/** Also what SRV records can say. */
const MAX_PRIORITY = 65_535;

/**
 * Reads the servers of a file or response, written as in the configuration: a list of addresses, where a port alone means
 * this machine, or of maps with `address` and, where wanted, `weight`, `priority` or `backup`, and `zone`. Addresses come
 * out as {@link formatAddress} writes them. An entry that can't be read, or has an address that stood there before, is a
 * problem; the others count.
 * @throws RangeError when it is no list
 */
export function readServerList(value: unknown): FoundServers {
  if (!Array.isArray(value)) throw new RangeError("it holds no list of servers");
  const servers = new Map<string, Required<ServerInit>>();
  const problems: string[] = [];
  for (const [index, entry] of value.entries()) {
    try {
      const server = readEntry(entry);
      if (servers.has(server.address)) throw new RangeError("this address is there twice");
      servers.set(server.address, server);
    } catch (error) {
      problems.push(`entry ${index + 1}, ${describeEntry(entry)}: ${(error as RangeError).message}`);
    }
  }
  return { servers: [...servers.values()], problems };
}

function readEntry(entry: unknown): Required<ServerInit> {
  if (typeof entry === "string" || typeof entry === "number") return readServer({ address: entry });
  if (typeof entry === "object" && entry !== null && !Array.isArray(entry)) return readServer({ ...entry });
  throw new RangeError("expected an address, or a map with one");
}

function readServer(fields: Record<string, unknown>): Required<ServerInit> {
  const { address, weight = 1, backup = false, priority, zone = null, ...others } = fields;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new RangeError(`${unknown} is none of address, weight, priority, backup and zone`);
  if (typeof backup !== "boolean") throw new RangeError("backup is neither true nor false");
  if (backup && priority !== undefined) throw new RangeError("backup and priority exclude each other");
  if (zone !== null && typeof zone !== "string") throw new RangeError("the zone is no text");
  return {
    address: readAddress(address),
    weight: readWhole("weight", weight, 1, MAX_WEIGHT),
    priority: readWhole("priority", priority ?? Number(backup), 0, MAX_PRIORITY),
    zone,
  };
}

function readAddress(value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number")
    throw new RangeError("the address is neither a text nor a port");
  const address = parseAddress(String(value));
  if (address.kind === "unix") return formatAddress(address);
  if (address.port === 0) throw new RangeError("nothing answers on port 0");
  return formatAddress({ ...address, host: address.host === "" ? "127.0.0.1" : address.host });
}

function readWhole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`the ${name} is not a whole number from ${least} to ${most}`);
}

function describeEntry(entry: unknown): string {
  const text = JSON.stringify(entry) ?? String(entry);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
