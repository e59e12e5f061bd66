import type { AlarmClock } from "../../base/alarms.ts";
import { formatHostPort } from "../../net/address.ts";
import type { DiscoverySettings } from "../group-settings.ts";
import { AddressResolver } from "./dns/address-resolver.ts";
import { WatchedName } from "./dns/watched-name.ts";
import type { FoundRecords, RecordFinder } from "./record-discovery.ts";

type DnsSettings = DiscoverySettings & { kind: "dns" };

/** A server for each address of a name, all on one port. */
export class AddressRecordFinder implements RecordFinder {
  readonly what: string;
  readonly #port: number;
  readonly #name: WatchedName;
  readonly #resolver: AddressResolver;

  /** @throws RangeError when one of the resolvers can't be read */
  constructor({ name, port, family, resolvers }: DnsSettings, clock: AlarmClock) {
    this.what = `addresses of ${name}`;
    this.#port = port;
    this.#name = new WatchedName(name, family);
    this.#resolver = new AddressResolver(resolvers, clock);
  }

  async find(signal: AbortSignal): Promise<FoundRecords> {
    const { addresses, ttl, problems } = await this.#name.resolve(this.#resolver, signal);
    const servers = addresses.map((address) => ({
      address: formatHostPort(address, this.#port),
      weight: 1,
      priority: 0,
      zone: null,
    }));
    return { servers, problems, ttl };
  }
}
