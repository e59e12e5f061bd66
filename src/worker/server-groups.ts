import { isDeepStrictEqual } from "node:util";
import { threadAlarms } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import type { UpstreamSettings } from "../filters/settings.ts";
import { ServerGroup } from "../upstream/server-group.ts";
import type { UpstreamServers } from "./orders.ts";
import { routedSnapshot } from "./run-spec.ts";
import { openGroupMemory } from "./shared-memory.ts";
import type { ThreadRun } from "./thread-run.ts";

/** The groups of servers of a configuration, as one thread sees them. */
export class ServerGroups {
  /** By the names of their upstreams. */
  readonly byName: ReadonlyMap<string, ServerGroup>;
  readonly #settings: ReadonlyMap<string, UpstreamSettings>;

  /**
   * @param before groups whose place these take: those live on whose settings are the same
   * @param same upstreams whose memory is the same as before
   */
  constructor(run: ThreadRun, before: ServerGroups | null = null, same: readonly string[] = []) {
    const upstreams = routedSnapshot(run.spec)?.upstreams ?? [];
    this.#settings = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
    const servers = new Map(run.standing.upstreams.map((known) => [known.upstream, known.servers]));
    this.byName = new Map(
      upstreams.map((upstream) => {
        const { name } = upstream;
        const known = same.includes(name) ? before?.like(upstream) : undefined;
        if (known !== undefined) return [name, known];
        const group = createGroup(upstream, run);
        const records = servers.get(name);
        if (records !== undefined) group.setServers(records);
        return [name, group];
      }),
    );
  }

  /** The group of that name, if it is set up just like that. */
  like(upstream: UpstreamSettings): ServerGroup | undefined {
    const { name } = upstream;
    return isDeepStrictEqual(this.#settings.get(name), upstream) ? this.byName.get(name) : undefined;
  }

  /** What it doesn't know is others' concern: threads of different configurations may hear of it. @throws RangeError when a server can't be */
  setServers({ upstream, servers }: UpstreamServers): void {
    this.byName.get(upstream)?.setServers(servers);
  }

  /** Nobody begins anything by these groups any more, but by those that `others` have too. */
  retire(others: ServerGroups | null = null): void {
    const staying = new Set(others?.byName.values());
    for (const group of this.byName.values()) if (!staying.has(group)) group.retire();
  }
}

function createGroup(upstream: UpstreamSettings, { spec, shared, thread, row }: ThreadRun): ServerGroup {
  const { name } = upstream;
  const random = seededRandom(`${spec.seed}/${thread}/upstream ${name}`);
  return new ServerGroup(upstream, openGroupMemory(upstream, shared, row), {
    name,
    random,
    clock: threadAlarms,
  });
}
