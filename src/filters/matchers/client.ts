import { IpRanges } from "../../net/ip-ranges.ts";
import type { Predicate } from "./subject.ts";

/** The client's address is in one of these CIDR ranges. */
export function matchClient(ranges: readonly string[]): Predicate {
  const allowed = new IpRanges(ranges);
  return ({ client }) => allowed.has(client);
}
