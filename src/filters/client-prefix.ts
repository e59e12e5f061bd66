import { plainAddress } from "../net/address.ts";
import { formatIPv6, toIPv6Bytes } from "../net/ip-bytes.ts";

/** How many prefixes are remembered: taking an address apart costs as much as all else about a key. */
const REMEMBERED = 4096;

/**
 * What clients are told apart by: an IPv4 address, also where it is written as an IPv6 one, or the prefix of an IPv6
 * address, since a single client may have all the addresses below it.
 */
export class ClientPrefixes {
  readonly #bits: number;
  readonly #known = new Map<string, string>();

  /** @param bits of an IPv6 address that count, 1 to 128 */
  constructor(bits: number) {
    this.#bits = bits;
  }

  /** @param address an IP address, or "" */
  of(address: string): string {
    if (!address.includes(":")) return address;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const prefix = this.#cut(address);
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(address, prefix);
    return prefix;
  }

  #cut(address: string): string {
    const bytes = toIPv6Bytes(address);
    const whole = plainAddress(formatIPv6(bytes));
    if (!whole.includes(":") || this.#bits === 128) return whole;
    const last = this.#bits >> 3;
    bytes[last]! &= 0xff00 >> (this.#bits & 7);
    return `${formatIPv6(bytes.fill(0, last + 1))}/${this.#bits}`;
  }
}
