import { threadAlarms } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import { ServerGroup } from "../upstream/server-group.ts";
import type { WorkerStart } from "./messages.ts";
import type { UpstreamServers } from "./orders.ts";
import { routedSnapshot } from "./run-spec.ts";
import { openGroupMemory } from "./shared-memory.ts";

/** The groups of servers of a configuration, as one thread sees them. */
export class ServerGroups {
  /** By the names of their upstreams. */
  readonly byName: ReadonlyMap<string, ServerGroup>;

  constructor({ spec, shared, thread, row, standing }: WorkerStart) {
    const upstreams = routedSnapshot(spec)?.upstreams ?? [];
    this.byName = new Map(
      upstreams.map((upstream) => {
        const { name } = upstream;
        const random = seededRandom(`${spec.seed}/${thread}/upstream ${name}`);
        const memory = openGroupMemory(upstream, shared, row);
        return [name, new ServerGroup(upstream, memory, { name, random, clock: threadAlarms })];
      }),
    );
    for (const { upstream, servers } of standing.upstreams) this.#groupOf(upstream).setServers(servers);
  }

  /** @throws RangeError when there is no such upstream, or a server can't be */
  setServers({ upstream, servers }: UpstreamServers): void {
    this.#groupOf(upstream).setServers(servers);
  }

  #groupOf(name: string): ServerGroup {
    const group = this.byName.get(name);
    if (group === undefined) throw new RangeError(`There is no upstream ${name}`);
    return group;
  }
}
