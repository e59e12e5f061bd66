import { type Address, parseAddress } from "../net/address.ts";
import type { AttemptWatcher } from "./attempt-watcher.ts";

/** A server as one writes it down, or as it was found. Plain data. */
export interface ServerInit {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** Its share of the requests, beside the weights of the others: 1 to 1000, a whole number. Default 1. */
  readonly weight?: number;
  /** Servers of the lowest number are used; those of the next only while none of them is available. Default 0. */
  readonly priority?: number;
  /** Where it stands: servers of the proxy's own zone are preferred. Default: nowhere. */
  readonly zone?: string | null;
}

/** A server with its place in the group's shared memory; every thread knows it by the same one. Plain data. */
export interface ServerRecord extends Required<ServerInit> {
  readonly slot: number;
}

/**
 * One server of a group. It is an address itself, so `new HttpPeer(server)` and `new HttpPeer(server.address)` both reach
 * it; only the first one's requests are counted as the server's.
 */
export type Server = Address & {
  /** The address as it was written. */
  readonly address: string;
  /** As it was given; what it is now stands in the group's memory. */
  readonly weight: number;
  readonly priority: number;
  readonly zone: string | null;
  /** Its place in the group's list. */
  readonly index: number;
  /** Its place in the group's memory. */
  readonly slot: number;
  /** Hears what becomes of requests to it; null for one that nobody counts. */
  readonly watcher: AttemptWatcher | null;
};

export const MAX_WEIGHT = 1000;

export function isWeight(weight: number): boolean {
  return Number.isInteger(weight) && weight >= 1 && weight <= MAX_WEIGHT;
}

/** @throws RangeError when the address can't be read or the weight isn't allowed */
export function toServer(init: ServerRecord, index: number, watcher: AttemptWatcher | null): Server {
  const { address, weight, priority, zone, slot } = init;
  if (!isWeight(weight))
    throw new RangeError(`Weight ${weight} of ${address} is not a whole number from 1 to ${MAX_WEIGHT}`);
  return Object.freeze({ ...parseAddress(address), address, weight, priority, zone, slot, index, watcher });
}

/** A server written whole, with defaults for what was left out. */
export function toInit(init: string | ServerInit): Required<ServerInit> {
  const defaults = { weight: 1, priority: 0, zone: null };
  return typeof init === "string" ? { ...defaults, address: init } : { ...defaults, ...init };
}

/** The places of a group's first servers: in their order. Of several with the same address the first one counts. */
export function toRecords(inits: readonly Required<ServerInit>[]): ServerRecord[] {
  return withoutTwins(inits).map((init, slot) => ({ ...init, slot }));
}

/** Without those whose address came before. */
export function withoutTwins<T extends ServerInit>(inits: readonly T[]): T[] {
  const seen = new Set<string>();
  return inits.filter(({ address }) => !seen.has(address) && seen.add(address));
}
