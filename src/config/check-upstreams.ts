import { type Entry, entriesAt, isSection, type Path, type Section } from "./document-entries.ts";
import { HASHING_POLICIES } from "./schema/balance.ts";
import { duration } from "./schema/units.ts";
import type { Finding } from "./source-document.ts";

/*
 * What isn't wrong about upstreams and splits but is hardly meant: options that have no effect.
 */

export function checkUpstreams(upstreams: unknown): Finding[] {
  if (!isSection(upstreams)) return [];
  return Object.entries(upstreams).flatMap(([name, section]) =>
    isSection(section) ? checkUpstream(section, ["upstreams", name]) : [],
  );
}

function checkUpstream(section: Section, path: Path): Finding[] {
  return [
    ...checkTwins(section["servers"], [...path, "servers"]),
    ...checkPolicy(section, path),
    ...checkSticky(section, path),
    ...entriesAt(section["health_check"], [...path, "health_check"]).flatMap(checkTimeout),
    ...checkCircuit(section["limits"], [...path, "limits"]),
    ...findVain(section, path, "max_servers", ["discovery"]),
    ...findVainIn(section, path, "retry", "max_backoff", ["backoff"]),
    ...findVainIn(section, path, "passive_health", "window", ["failure_ratio"]),
    ...findVainIn(section, path, "passive_health", "minimum_requests", ["failure_ratio"]),
  ];
}

function checkTwins(servers: unknown, path: Path): Finding[] {
  if (!Array.isArray(servers)) return [];
  const addresses = servers.map((server) => (isSection(server) ? server["address"] : server));
  return addresses.flatMap((address, index) => {
    if (addresses.indexOf(address) === index) return [];
    const message = `${String(address)} is there twice and counts once: it has its first weight`;
    return [{ path: [...path, index], message, expected: "a weight" }];
  });
}

function checkPolicy({ balance, slow_start }: Section, path: Path): Finding[] {
  const { policy = "round_robin", by } = isSection(balance) ? balance : { policy: balance, by: undefined };
  const isHashing = HASHING_POLICIES.some((name) => name === policy);
  const findings: Finding[] = [];
  if (isHashing && by === undefined) {
    const message = `${String(policy)} goes by clients' addresses, for nothing else is said`;
    findings.push({ path: [...path, "balance"], message, expected: `{ policy: ${String(policy)}, by: … }` });
  }
  if (!isHashing && by !== undefined) {
    const message = `by changes nothing: ${String(policy)} doesn't look at it`;
    const expected = HASHING_POLICIES.join(" or ");
    findings.push({ path: [...path, "balance", "by"], message, expected, atKey: true });
  }
  if (isHashing && slow_start !== undefined) {
    const message = `slow_start changes nothing: ${String(policy)} gives servers their keys at once`;
    findings.push({ path: [...path, "slow_start"], message, atKey: true });
  }
  return findings;
}

function checkSticky({ sticky, servers, discovery }: Section, path: Path): Finding[] {
  if (sticky === undefined || discovery !== undefined) return [];
  if (Array.isArray(servers) && servers.length !== 1) return [];
  return [{ path: [...path, "sticky"], message: "sticky changes nothing: there is one server", atKey: true }];
}

const DEFAULT_INTERVAL = 10_000;

function checkTimeout({ section, path }: Entry): Finding[] {
  const timeout = duration.safeParse(section["timeout"]);
  const interval = duration.safeParse(section["interval"] ?? DEFAULT_INTERVAL / 1000);
  if (!timeout.success || !interval.success || timeout.data <= interval.data) return [];
  const message = "this timeout is longer than the interval between two checks";
  return [{ path: [...path, "timeout"], message }];
}

function checkCircuit(limits: unknown, path: Path): Finding[] {
  if (!isSection(limits)) return [];
  const perServer = isSection(limits["per_server"]) ? limits["per_server"] : {};
  const isLimited = [limits, perServer].some((section) =>
    ["connections", "requests"].some((key) => isSet(section[key])),
  );
  if (isLimited) return findVain(limits, path, "pending_timeout", ["pending"]);
  return ["pending", "pending_timeout"].flatMap((key) =>
    findVain(limits, path, key, ["connections", "requests"]),
  );
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== 0;
}

function findVainIn(
  section: Section,
  path: Path,
  key: string,
  option: string,
  needed: readonly string[],
): Finding[] {
  const inner = section[key];
  return isSection(inner) ? findVain(inner, [...path, key], option, needed) : [];
}

/** An option that has an effect only beside one of others. */
function findVain(section: Section, path: Path, option: string, needed: readonly string[]): Finding[] {
  if (section[option] === undefined || needed.some((key) => isSet(section[key]))) return [];
  const message = `${option} changes nothing without ${needed.join(" or ")}`;
  return [{ path: [...path, option], message, atKey: true }];
}

/** A split whose targets have no weight sends what none of them matches to the first. */
export function checkSplits({ section, path }: Entry): Finding[] {
  const { split } = section;
  const weights = Array.isArray(split)
    ? split.map((target: unknown) => (isSection(target) ? weightOf(target) : 1))
    : isSection(split)
      ? Object.values(split)
      : [1];
  if (weights.some((weight) => weight !== 0 && weight !== "0%")) return [];
  const message = "no target has a weight: what none of them matches goes to the first";
  return [{ path: [...path, "split"], message, atKey: true }];
}

function weightOf({ weight, match }: Section): unknown {
  return weight ?? (match === undefined ? 1 : 0);
}
