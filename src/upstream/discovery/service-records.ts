import { isIP } from "node:net";
import type { AlarmClock } from "../../base/alarms.ts";
import { formatHostPort } from "../../net/address.ts";
import type { DiscoverySettings } from "../group-settings.ts";
import { MAX_WEIGHT, type ServerInit } from "../server.ts";
import { AddressResolver } from "./dns/address-resolver.ts";
import type { DnsRecord, SrvTarget } from "./dns/message.ts";
import { type KnownAddresses, WatchedName } from "./dns/watched-name.ts";
import type { FoundRecords, RecordFinder } from "./record-discovery.ts";

type SrvSettings = DiscoverySettings & { kind: "srv" };

/**
 * A server for each address of each target of a service (RFC 2782). Each has the target's priority and its weight, but
 * 1 for a weight of 0; where one of a priority is more than servers can have, all of it are made smaller in proportion. Addresses that come along with the records are taken, those of
 * other targets are asked for.
 */
export class ServiceRecordFinder implements RecordFinder {
  readonly what: string;
  readonly #service: string;
  readonly #resolver: AddressResolver;
  #targets: ReadonlyMap<string, WatchedName> = new Map();

  /** @throws RangeError when one of the resolvers can't be read */
  constructor({ name, resolvers }: SrvSettings, clock: AlarmClock) {
    this.what = `SRV records of ${name}`;
    this.#service = name;
    this.#resolver = new AddressResolver(resolvers, clock);
  }

  async find(signal: AbortSignal): Promise<FoundRecords> {
    const question = { name: this.#service, type: "SRV" as const };
    const { exists, records, additionals, ttl } = await this.#resolver.client.resolve(question, signal);
    const services = records.flatMap((record) => (record.type === "SRV" ? [record.data] : []));
    const offered = services.filter(({ target, port }) => target !== "" && port !== 0);
    if (!exists) return nothing(`there is no name ${this.#service}`);
    if (offered.length === 0) return nothing(`${this.#service} offers no service`);
    const names = [...new Set(offered.map(({ target }) => target))];
    this.#targets = new Map(names.map((name) => [name, this.#targets.get(name) ?? new WatchedName(name, 0)]));
    const known = await this.#resolveAll(additionals, signal);
    return {
      servers: toServers(offered, known),
      problems: [...known.values()].flatMap(({ problems }) => problems),
      ttl: Math.min(ttl, ...[...known.values()].map((one) => one.ttl)),
    };
  }

  async #resolveAll(
    additionals: readonly DnsRecord[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, KnownAddresses>> {
    const resolve = async ([name, target]: [string, WatchedName]): Promise<[string, KnownAddresses]> => {
      const along = findAlong(name, additionals);
      if (along === null) return [name, await target.resolve(this.#resolver, signal)];
      target.take(along.addresses);
      return [name, along];
    };
    return new Map(await Promise.all([...this.#targets].map(resolve)));
  }
}

function nothing(problem: string): FoundRecords {
  return { servers: [], problems: [problem], ttl: Number.POSITIVE_INFINITY };
}

/** The addresses of a name that came along; null when there are none. */
function findAlong(name: string, additionals: readonly DnsRecord[]): KnownAddresses | null {
  const own = additionals.filter((record) => record.name === name);
  const found = own.flatMap(({ type, data, ttl }) =>
    (type === "A" || type === "AAAA") && isIP(data) !== 0 ? [{ data, ttl }] : [],
  );
  if (found.length === 0) return null;
  const addresses = [...new Set(found.map(({ data }) => data))];
  return { addresses, ttl: Math.min(...found.map(({ ttl }) => ttl)), problems: [] };
}

/** Of several records that lead to the same place the one that is used first counts. */
function toServers(
  services: readonly SrvTarget[],
  known: ReadonlyMap<string, KnownAddresses>,
): Required<ServerInit>[] {
  const servers = new Map<string, Required<ServerInit>>();
  let scale = 1;
  let scaled = -1;
  for (const { target, port, priority, weight } of services.toSorted(byUse)) {
    // The heaviest of a priority comes first.
    if (priority !== scaled) scale = Math.min(1, MAX_WEIGHT / weight);
    scaled = priority;
    for (const host of known.get(target)?.addresses ?? []) {
      const address = formatHostPort(host, port);
      const share = Math.max(Math.round(weight * scale), 1);
      if (!servers.has(address)) servers.set(address, { address, weight: share, priority, zone: null });
    }
  }
  return [...servers.values()];
}

function byUse(a: SrvTarget, b: SrvTarget): number {
  return a.priority - b.priority || b.weight - a.weight;
}
