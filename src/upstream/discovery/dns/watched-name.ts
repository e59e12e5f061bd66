import { describeThrown } from "../../../base/errors.ts";
import type { Addresses, AddressResolver, Family } from "./address-resolver.ts";

/** What is known of a name now. */
export interface KnownAddresses {
  readonly addresses: readonly string[];
  /** How long that is good for, milliseconds; infinite where nothing was found. */
  readonly ttl: number;
  /** What didn't work; the addresses are then, wholly or in part, those of before. */
  readonly problems: readonly string[];
}

/** A name that is resolved again and again. What can't be found out anew stays as it was. */
export class WatchedName {
  readonly #name: string;
  readonly #families: readonly Family[];
  readonly #held: Map<Family, readonly string[]> = new Map();

  /** @param family 0: both */
  constructor(name: string, family: 0 | Family) {
    this.#name = name;
    this.#families = family === 0 ? [4, 6] : [family];
  }

  /** Never rejects. */
  async resolve(resolver: AddressResolver, signal: AbortSignal): Promise<KnownAddresses> {
    const ask = (family: Family): Promise<Addresses> => resolver.resolve(this.#name, family, signal);
    const outcomes = await Promise.allSettled(this.#families.map(ask));
    const found = outcomes.map((one) => (one.status === "fulfilled" ? one.value : null));
    const failed = outcomes.filter((one) => one.status === "rejected");
    const problems = new Set(failed.map(({ reason }) => describeThrown(reason)));
    const hasNew = found.some((one) => one !== null && one.addresses.length > 0);
    if (hasNew) this.#hold(found);
    else if (failed.length === 0) problems.add(this.#describeNothing(found));
    const ttl = Math.min(...found.map((one) => (one?.addresses.length ? one.ttl : Number.POSITIVE_INFINITY)));
    return { addresses: [...this.#held.values()].flat(), ttl, problems: [...problems] };
  }

  /** Takes what came to be known by other means. */
  take(addresses: readonly string[]): void {
    this.#held.clear();
    this.#held.set(4, addresses);
  }

  #hold(found: readonly (Addresses | null)[]): void {
    for (const [index, family] of this.#families.entries()) {
      const one = found[index] ?? null;
      if (one !== null) this.#held.set(family, one.addresses);
    }
  }

  #describeNothing(found: readonly (Addresses | null)[]): string {
    const exists = found.every((one) => one?.exists !== false);
    return exists ? `${this.#name} has no address` : `there is no name ${this.#name}`;
  }
}
