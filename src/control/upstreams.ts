import type { AlarmClock } from "../base/alarms.ts";
import { nearestWord } from "../base/nearest-word.ts";
import { seededRandom } from "../base/random.ts";
import type { UpstreamSettings } from "../filters/settings.ts";
import { GroupKeeper } from "../upstream/group-keeper.ts";
import type { GroupMemory } from "../upstream/group-memory.ts";
import type { GroupEvent, GroupStatus, ServerOrder, ServerStatus } from "../upstream/group-status.ts";
import type { KeeperMeans } from "../upstream/keeper-plan.ts";
import { isWeight, MAX_WEIGHT } from "../upstream/server.ts";
import type { UpstreamServers } from "../worker/orders.ts";
import { fromUpstreamMemory } from "./upgrade/upstream-memory.ts";

/** What went wrong with an order to a group of servers. */
export class UpstreamError extends Error {
  readonly code: UpstreamProblem;

  constructor(code: UpstreamProblem, message: string) {
    super(message);
    this.name = "UpstreamError";
    this.code = code;
  }
}

export type UpstreamProblem =
  | "UPSTREAM_NOT_FOUND"
  | "SERVER_NOT_FOUND"
  /** A weight that can't be. */
  | "INVALID";

/** The groups of servers of a running process: how they are, and what people order of them. */
export interface Upstreams {
  /** In the order of the configuration. */
  list(): GroupStatus[];
  /** @throws UpstreamError UPSTREAM_NOT_FOUND */
  get(name: string): GroupStatus;
  /** @throws UpstreamError */
  getServer(upstream: string, server: string): ServerStatus;
  /** It counts in all threads at once. @throws UpstreamError */
  order(upstream: string, server: string, order: ServerOrder): void;
  /** @param weight 1 to 1000, a whole number. @throws UpstreamError */
  setWeight(upstream: string, server: string, weight: number): void;
  /** Hears what happens to them, until the function that is returned is called. */
  onEvent(listener: (event: GroupEvent) => void): () => void;
}

/** What the groups are kept with. */
export interface UpstreamsMeans {
  /** Memory that threads have of it. */
  readonly memoryOf: (upstream: UpstreamSettings) => GroupMemory;
  readonly clock: AlarmClock;
  readonly seed: string;
  /** Told whenever the servers of a group are others than before. */
  readonly onServers: (change: UpstreamServers) => void;
}

/** Keeps the groups of a configuration: one keeper each, in the main thread. */
export class KeptUpstreams implements Upstreams {
  readonly #listeners = new Set<(event: GroupEvent) => void>();
  readonly #means: UpstreamsMeans;
  #keepers: ReadonlyMap<string, GroupKeeper>;

  constructor(upstreams: readonly UpstreamSettings[], means: UpstreamsMeans) {
    this.#means = means;
    this.#keepers = new Map(
      upstreams.map((upstream) => {
        const { name } = upstream;
        return [name, new GroupKeeper(name, upstream, means.memoryOf(upstream), this.meansOf(name))];
      }),
    );
  }

  /** By the names of their upstreams. */
  get keepers(): ReadonlyMap<string, GroupKeeper> {
    return this.#keepers;
  }

  /** These are the groups from now on. */
  replaceBy(keepers: ReadonlyMap<string, GroupKeeper>): void {
    this.#keepers = keepers;
  }

  /** What the group of that name is kept with. @param isTold whether threads are told of other servers; default: always */
  meansOf(name: string, isTold: () => boolean = () => true): KeeperMeans {
    const { clock, seed, onServers } = this.#means;
    return {
      clock,
      random: seededRandom(`${seed}/upstream ${name}`),
      onServers: (servers) => isTold() && onServers({ upstream: name, servers }),
      onEvent: (event) => isTold() && this.#tell(event),
    };
  }

  /** Has all threads know again which servers a group has. */
  tellServers(name: string): void {
    this.#means.onServers({ upstream: name, servers: this.#keepers.get(name)!.records });
  }

  /** What a thread that starts now has to begin with. */
  get standing(): UpstreamServers[] {
    return [...this.#keepers].map(([upstream, { records }]) => ({ upstream, servers: records }));
  }

  /** Begins to look for servers; kept when all that are to be found have been looked for once. */
  async find(): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.find()));
  }

  /** Goes on with what a process knew of servers, as `toUpstreamMemory` tells. To be called before `start`. */
  remember(memory: unknown): void {
    for (const [name, keeper] of this.#keepers) keeper.remember(fromUpstreamMemory(memory, name));
  }

  /** Begins to look after servers: the first check of each comes an interval later. */
  async start(): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.start()));
  }

  stop(): void {
    for (const keeper of this.#keepers.values()) keeper.stop();
  }

  list(): GroupStatus[] {
    return [...this.#keepers.values()].map((keeper) => keeper.status());
  }

  get(name: string): GroupStatus {
    return this.#keeperOf(name).status();
  }

  getServer(upstream: string, server: string): ServerStatus {
    const { servers } = this.#keeperOf(upstream, server).status();
    return servers.find(({ address }) => address === server)!;
  }

  order(upstream: string, server: string, order: ServerOrder): void {
    this.#keeperOf(upstream, server).order(server, order);
  }

  setWeight(upstream: string, server: string, weight: number): void {
    const keeper = this.#keeperOf(upstream, server);
    if (!isWeight(weight))
      throw new UpstreamError("INVALID", `a weight is a whole number from 1 to ${MAX_WEIGHT}`);
    keeper.setWeight(server, weight);
  }

  onEvent(listener: (event: GroupEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(event: GroupEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** @param server has to be one of the group's, unless it is null */
  #keeperOf(name: string, server: string | null = null): GroupKeeper {
    const keeper = this.#keepers.get(name);
    if (keeper === undefined) {
      const hint = suggest(name, [...this.#keepers.keys()]);
      throw new UpstreamError("UPSTREAM_NOT_FOUND", `there is no upstream ${JSON.stringify(name)}${hint}`);
    }
    const servers = keeper.records.map(({ address }) => address);
    if (server === null || servers.includes(server)) return keeper;
    const message = `upstream ${JSON.stringify(name)} has no server ${JSON.stringify(server)}`;
    throw new UpstreamError("SERVER_NOT_FOUND", message + suggest(server, servers));
  }
}

/** Names in an error, beyond which only their number helps. */
const MOST_NAMES = 8;

function suggest(wanted: string, known: readonly string[]): string {
  const nearest = nearestWord(wanted, known);
  if (nearest !== undefined) return `: did you mean ${nearest}?`;
  if (known.length === 0) return ": there are none";
  const more = known.length > MOST_NAMES ? ` and ${known.length - MOST_NAMES} more` : "";
  return `: there are ${known.slice(0, MOST_NAMES).join(", ")}${more}`;
}
