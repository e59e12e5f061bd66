import { compileGlob } from "./glob.ts";
import type { Predicate } from "./subject.ts";

export function isWildcard(host: string): boolean {
  return host.includes("*");
}

/** The host is one of these. `*` stands for one or more characters: `*.example.com` is every subdomain, at any depth. */
export function matchHost(hosts: readonly string[]): Predicate {
  const exact = new Set(hosts.filter((host) => !isWildcard(host)));
  const globs = hosts.filter(isWildcard).map(compileGlob);
  if (globs.length > 0) return ({ host }) => exact.has(host) || globs.some((matches) => matches(host));
  const [only] = exact;
  return exact.size === 1 ? ({ host }) => host === only : ({ host }) => exact.has(host);
}
