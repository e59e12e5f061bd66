import type { GroupStatus, ServerState, ServerStatus } from "../../upstream/group-status.ts";

/** What is known of a server that its configuration doesn't tell. */
export type KnownServer = Pick<ServerStatus, "address" | "state" | "reason" | "weight">;

/** By the names of upstreams. */
export type UpstreamMemory = Readonly<Record<string, readonly KnownServer[]>>;

const STATES: ReadonlySet<unknown> = new Set<ServerState>(["up", "down", "ejected", "draining", "disabled"]);

/** As JSON has it. */
export function toUpstreamMemory(groups: readonly GroupStatus[]): UpstreamMemory {
  return Object.fromEntries(
    groups.map(({ name, servers }) => [
      name,
      servers.map(({ address, state, reason, weight }) => ({ address, state, reason, weight })),
    ]),
  );
}

/** What of it can be read about one upstream: whoever wrote it may have been of another version. */
export function fromUpstreamMemory(memory: unknown, upstream: string): KnownServer[] {
  if (typeof memory !== "object" || memory === null) return [];
  const servers = (memory as Readonly<Record<string, unknown>>)[upstream];
  return Array.isArray(servers) ? servers.filter(isKnownServer) : [];
}

function isKnownServer(value: unknown): value is KnownServer {
  if (typeof value !== "object" || value === null) return false;
  const { address, state, reason, weight } = value as Partial<Record<keyof KnownServer, unknown>>;
  const isNamed = typeof address === "string" && typeof reason === "string";
  return isNamed && STATES.has(state) && typeof weight === "number";
}
