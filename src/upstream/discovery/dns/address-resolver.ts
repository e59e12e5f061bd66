import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { AlarmClock } from "../../../base/alarms.ts";
import { withTimeLimit } from "../time-limit.ts";
import { DnsClient } from "./client.ts";
import { findInHostsFile } from "./hosts-file.ts";
import { toDnsName } from "./message.ts";
import { parseNameServer, systemNameServers } from "./name-servers.ts";

export type Family = 4 | 6;

/** What is known of the addresses of a name. */
export interface Addresses {
  readonly addresses: readonly string[];
  /** How long that is good for, milliseconds. */
  readonly ttl: number;
  /** False when there is no such name: not only no address of this family. */
  readonly exists: boolean;
}

/** How long an answer of the system counts, which doesn't say itself. */
const SYSTEM_TTL = 30_000;

/** How long the system has for an answer; it asks name servers of its own. */
const SYSTEM_PATIENCE = 10_000;

/** Errors of the system that mean: there is no such name, or it has no such address. */
const NOT_FOUND: readonly (string | undefined)[] = ["ENOTFOUND", "ENODATA"];

/**
 * Finds the addresses of names. With the system's name servers the way is the system's, too: what stands in /etc/hosts
 * comes first, and names without a dot, which may need a search domain or another service, are left to getaddrinfo. Other
 * name servers are asked for everything but `localhost`, which is this machine whatever they say (RFC 6761 §6.3).
 */
export class AddressResolver {
  readonly client: DnsClient;
  readonly #clock: AlarmClock;
  readonly #usesSystem: boolean;

  /**
   * @param resolvers addresses of name servers; null: the system's
   * @throws RangeError when one of them can't be read
   */
  constructor(resolvers: readonly string[] | null, clock: AlarmClock) {
    const servers = resolvers?.map(parseNameServer) ?? null;
    this.client = new DnsClient(servers === null ? systemNameServers : () => servers, clock);
    this.#clock = clock;
    this.#usesSystem = servers === null;
  }

  /** @throws Error when that can't be found out now */
  async resolve(name: string, family: Family, signal: AbortSignal): Promise<Addresses> {
    if (isIP(name) !== 0) return toAddresses([name], family, Number.POSITIVE_INFINITY);
    const plain = toDnsName(name);
    if (this.#usesSystem || plain === "localhost") {
      const listed = await findInHostsFile(plain);
      if (listed.length > 0) return toAddresses(listed, family, SYSTEM_TTL);
      if (plain === "localhost" || !name.includes(".")) return this.#askSystem(plain, family, signal);
    }
    const type = family === 4 ? "A" : "AAAA";
    const { records, ttl, exists } = await this.client.resolve({ name: plain, type }, signal);
    const found = records.map(({ data }) => (typeof data === "string" ? data : ""));
    return { ...toAddresses(found, family, ttl), exists };
  }

  async #askSystem(name: string, family: Family, signal: AbortSignal): Promise<Addresses> {
    try {
      const found = await withTimeLimit(this.#clock, SYSTEM_PATIENCE, signal, () =>
        lookup(name, { family, all: true }),
      );
      return toAddresses(
        found.map(({ address }) => address),
        family,
        SYSTEM_TTL,
      );
    } catch (error) {
      if (!NOT_FOUND.includes((error as NodeJS.ErrnoException).code)) throw error;
      return { addresses: [], ttl: SYSTEM_TTL, exists: false };
    }
  }
}

/** Those of the family, each once. */
function toAddresses(found: readonly string[], family: Family, ttl: number): Addresses {
  return { addresses: [...new Set(found.filter((one) => isIP(one) === family))], ttl, exists: true };
}
