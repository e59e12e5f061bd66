import { BlockList, isIP } from "node:net";

/** How many answers are remembered: a look-up in a BlockList takes twenty times as long as one in a Map. */
const REMEMBERED = 4096;

/** A set of addresses and CIDR ranges. IPv4 addresses in IPv6 form (`::ffff:10.0.0.1`) count as IPv4. */
export class IpRanges {
  readonly #list: BlockList = new BlockList();
  readonly #answers = new Map<string, boolean>();

  /** @throws RangeError when one is neither an address nor a range */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) addRange(this.#list, range);
  }

  has(address: string): boolean {
    const known = this.#answers.get(address);
    if (known !== undefined) return known;
    const version = isIP(address);
    const answer = version !== 0 && this.#list.check(address, version === 6 ? "ipv6" : "ipv4");
    if (this.#answers.size >= REMEMBERED) this.#answers.clear();
    this.#answers.set(address, answer);
    return answer;
  }
}

function addRange(list: BlockList, range: string): void {
  const [address = "", prefix, ...rest] = range.split("/");
  const version = isIP(address);
  const longest = version === 6 ? 128 : 32;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest);
  if (version === 0 || !isPrefix || rest.length > 0) {
    throw new RangeError(
      `${JSON.stringify(range)} is neither an address nor a range like 10.0.0.0/8 or fd00::/8`,
    );
  }
  list.addSubnet(address, prefix === undefined ? longest : Number(prefix), version === 6 ? "ipv6" : "ipv4");
}
