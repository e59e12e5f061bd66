import { UpstreamError, type Upstreams } from "../../src/control/upstreams.ts";
import type { GroupEvent, GroupStatus, ServerOrder, ServerStatus } from "../../src/upstream/group-status.ts";

const STATES = { enabled: "up", draining: "draining", disabled: "disabled" } as const;

/** Groups of servers on paper: orders become states at once, and nothing else happens unless a test tells it. */
export class FakeUpstreams implements Upstreams {
  readonly #groups: Map<string, GroupStatus>;
  readonly #listeners = new Set<(event: GroupEvent) => void>();

  constructor(...groups: readonly GroupStatus[]) {
    this.#groups = new Map(groups.map((group) => [group.name, group]));
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  list(): GroupStatus[] {
    return [...this.#groups.values()];
  }

  get(name: string): GroupStatus {
    const group = this.#groups.get(name);
    if (group === undefined) throw new UpstreamError("UPSTREAM_NOT_FOUND", `there is no upstream ${name}`);
    return group;
  }

  getServer(upstream: string, server: string): ServerStatus {
    const found = this.get(upstream).servers.find(({ address }) => address === server);
    if (found === undefined) throw new UpstreamError("SERVER_NOT_FOUND", `there is no server ${server}`);
    return found;
  }

  order(upstream: string, server: string, order: ServerOrder): void {
    this.#change(upstream, server, { state: STATES[order], reason: "by order" });
  }

  setWeight(upstream: string, server: string, weight: number): void {
    this.#change(upstream, server, { weight });
  }

  onEvent(listener: (event: GroupEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(event: GroupEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #change(upstream: string, server: string, change: Partial<ServerStatus>): void {
    const group = this.get(upstream);
    const before = this.getServer(upstream, server);
    const servers = group.servers.map((one) => (one === before ? { ...one, ...change } : one));
    this.#groups.set(upstream, { ...group, servers });
  }
}

/** A server with everything a test doesn't care about. */
export function serverStatus(address: string, change: Partial<ServerStatus> = {}): ServerStatus {
  return {
    ...{ address, state: "up", reason: "", since: 0, weight: 1, ramp: 1, priority: 0, zone: null },
    ...{ requests: 0, connections: 0, latency: null, counts: NO_COUNTS },
    ...change,
  };
}

const NO_COUNTS: ServerStatus["counts"] = {
  ...{ requests: 0, responses2xx: 0, responses3xx: 0, responses4xx: 0, responses5xx: 0 },
  ...{ connectFailures: 0, failures: 0, retries: 0, ejections: 0 },
};

/** A group with everything a test doesn't care about. */
export function groupStatus(
  name: string,
  servers: readonly ServerStatus[],
  change: Partial<GroupStatus> = {},
): GroupStatus {
  return {
    ...{ name, servers, policy: "round_robin", requests: 0, connections: 0, pending: 0, retries: 0 },
    ...{ discoveryError: null },
    ...change,
  };
}
