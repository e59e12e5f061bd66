import type { AlarmClock } from "../base/alarms.ts";
import { ProxyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Eligibility, PolicyMeans } from "./balancers/balancing-policy.ts";
import { createPolicy } from "./balancers/create-policy.ts";
import { type GroupMemory, GroupWord, Out, ServerCount, ServerWord } from "./group-memory.ts";
import { GroupRetries } from "./group-retries.ts";
import type { GroupSettings } from "./group-settings.ts";
import { mostServersOf } from "./group-slots.ts";
import { LatencyMeter } from "./latency-meter.ts";
import { OutlierDetector } from "./outlier-detector.ts";
import { PendingQueue } from "./pending-queue.ts";
import { type Server, type ServerRecord, toRecords, toServer } from "./server.ts";
import { BY_ORDER, rankServers, ServerRank } from "./server-rank.ts";
import { ServerWatcher, type WatcherMeans } from "./server-watcher.ts";
import { type Gauge, groupGauges, keptWords, roomIn, serverGauges } from "./under-way.ts";

export interface GroupMeans {
  /** What errors call it. */
  readonly name: string;
  readonly random: Random;
  /** Of the time that all threads share: `threadAlarms`, or `idleAlarms`. */
  readonly clock: AlarmClock;
}

/** What a thread keeps of a server beside the server itself. */
interface Place {
  readonly server: Server;
  readonly watcher: ServerWatcher;
  readonly gauges: readonly Gauge[];
}

/**
 * A group of servers as one thread sees it: it chooses, counts what is under way, and lets wait what has no room. Which
 * servers there are and how they do, it reads from the group's memory.
 */
export class ServerGroup {
  #servers: readonly Server[] = [];
  readonly #name: string;
  readonly #settings: GroupSettings;
  readonly #memory: GroupMemory;
  readonly #policyMeans: PolicyMeans;
  readonly #watcherMeans: WatcherMeans;
  readonly #queue: PendingQueue;
  readonly #retries: GroupRetries;
  readonly #places = new Map<number, Place>();
  #ranks = new Map<string, ServerRank>();
  #inOrder: readonly ServerRank[] = [];
  /** The version that the ranks are of; -1: none. */
  #version = -1;
  #isDown = true;
  /** The server that every choice leads to; null when there are several, or some may be full. */
  #only: Server | null = null;
  /** Of the choice that is being made. */
  #isEligible: Eligibility | null = null;
  #sawFull = false;

  /** @throws RangeError when the address of a server can't be read */
  constructor(settings: GroupSettings, memory: GroupMemory, { name, random, clock }: GroupMeans) {
    this.#name = name;
    this.#settings = settings;
    this.#memory = memory;
    memory.put(GroupWord.Kept, keptWords(settings));
    this.#queue = new PendingQueue(name, settings.limits, memory, clock, (enough) => this.#room(enough));
    this.#retries = new GroupRetries(settings, memory);
    const latency = new LatencyMeter(memory, () => clock.now());
    this.#policyMeans = {
      random,
      loads: {
        requests: ({ slot }) => memory.underWay(slot),
        latency: ({ slot }) => latency.of(slot),
      },
      turn: () => memory.add(GroupWord.Turn, 1) & 0x7fff_ffff,
    };
    this.#watcherMeans = {
      memory,
      latency,
      gauges: groupGauges(memory, settings),
      outliers: settings.outliers === null ? null : new OutlierDetector(settings.outliers, memory),
      now: () => clock.now(),
      onRoom: () => this.#queue.onRoom(),
    };
    this.setServers(toRecords(settings.servers).slice(0, mostServersOf(settings, memory)));
  }

  /** Those that belong to the group, available or not; another list whenever that changes. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** True when none of the servers is available. */
  get isDown(): boolean {
    this.#refresh();
    return this.#isDown;
  }

  /**
   * These are the servers from now on. Requests to others go on and are counted to their end.
   * @throws RangeError when an address can't be read: everything stays as it was
   */
  setServers(records: readonly ServerRecord[]): void {
    const places = records.map((record, index) => this.#toPlace(record, index));
    const before = new Set([...this.#places.values()].map(({ watcher }) => watcher));
    const staying = new Set(places.map(({ watcher }) => watcher));
    for (const [slot, { watcher }] of this.#places) {
      if (staying.has(watcher)) continue;
      watcher.retire();
      this.#memory.hold(slot, false);
    }
    this.#places.clear();
    for (const place of places) {
      this.#places.set(place.server.slot, place);
      if (!before.has(place.watcher)) this.#memory.hold(place.server.slot, true);
    }
    this.#servers = Object.freeze(places.map(({ server }) => server));
    this.#rank();
  }

  /** Nobody chooses by it any more: the places of its servers may be given to others once nothing is under way there. */
  retire(): void {
    this.setServers([]);
  }

  /**
   * The server for a request.
   * @param key what requests that belong together have in common; null: nothing
   * @param isEligible leaves out servers that were tried before, for example; null: none
   * @throws ProxyError NO_HEALTHY_SERVER when none is well, UPSTREAM_OVERLOADED when none has room, NO_PEER when none
   *   may be chosen for other reasons
   */
  select(key: string | Uint8Array | null, isEligible: Eligibility | null): Server {
    this.#refresh();
    if (this.#only !== null && isEligible === null) return this.#only;
    if (!(roomIn(this.#watcherMeans.gauges) > 0)) throw new ProxyError("UPSTREAM_OVERLOADED", this.#name);
    const server = this.#pick(key, isEligible);
    if (server === null) throw this.#refusal();
    return server;
  }

  /** The server in a slot, for a client that belongs to it; null when it may get nothing now. A draining one may. */
  serverAt(slot: number): Server | null {
    const place = this.#places.get(slot);
    if (place === undefined || (this.#memory.of(slot, ServerWord.Out) & ~Out.Draining) !== 0) return null;
    return roomIn(place.gauges) > 0 ? place.server : null;
  }

  /** Whether `select` would find a server now. */
  canSelect(isEligible: Eligibility | null): boolean {
    this.#refresh();
    if (!(roomIn(this.#watcherMeans.gauges) > 0)) return false;
    return this.#inOrder.some(({ servers, shares }) =>
      servers.some((server, i) => {
        if (shares[i] === 0 || isEligible?.(server) === false) return false;
        return roomIn(this.#places.get(server.slot)!.gauges) > 0;
      }),
    );
  }

  /** Whether a request may be sent at once: nothing is full, and nobody in this thread waits already. */
  get hasRoom(): boolean {
    return this.#queue.isEmpty && this.#room(1) > 0;
  }

  /**
   * Waits for room, first come, first served.
   * @param choose asks `select`, as soon as there may be room; as long as it is told that there is none, the wait goes on
   * @param signal ends the wait: it rejects with the signal's reason
   * @returns what `choose` returns
   * @throws ProxyError UPSTREAM_OVERLOADED when as many wait as may, or it took too long; what else `choose` throws
   */
  whenRoom<T>(choose: () => T, signal: AbortSignal | null = null): Promise<T> {
    return this.#queue.wait(choose, signal);
  }

  /**
   * Whether a repeated attempt may begin. It counts until `leaveRetry`.
   * @param failed the server of the attempt that is repeated, if it is known
   */
  enterRetry(failed?: Server): boolean {
    if (!this.#retries.enter()) return false;
    if (failed !== undefined) this.#memory.count(failed.slot, ServerCount.retries);
    return true;
  }

  leaveRetry(): void {
    this.#retries.leave();
  }

  #toPlace(record: ServerRecord, index: number): Place {
    const known = this.#places.get(record.slot);
    if (known !== undefined && known.server.address === record.address) {
      const server = toServer(record, index, known.watcher);
      return isSame(server, known.server) ? known : { ...known, server };
    }
    const gauges = serverGauges(this.#memory, this.#settings, record.slot);
    const watcher = new ServerWatcher(record.slot, gauges, this.#watcherMeans);
    return { server: toServer(record, index, watcher), watcher, gauges };
  }

  /** A rank that stays keeps its policy. */
  #rank(): void {
    const ranks = [...rankServers(this.#servers, this.#settings.zone)].map(([key, servers]) => {
      const policy = this.#ranks.get(key)?.policy ?? createPolicy(this.#settings.policy, this.#policyMeans);
      return [key, new ServerRank(servers, policy)] as const;
    });
    this.#ranks = new Map(ranks);
    this.#inOrder = ranks.map(([, rank]) => rank);
    this.#version = -1;
  }

  #refresh(): void {
    const version = this.#memory.get(GroupWord.Version);
    if (version === this.#version) return;
    this.#version = version;
    for (const rank of this.#inOrder) rank.refresh(this.#memory, this.#settings.panic);
    this.#isDown = this.#inOrder.every(({ available }) => available === 0);
    this.#only = this.#watcherMeans.gauges.length > 0 || this.#isLimited ? null : onlyOf(this.#inOrder);
  }

  #pick(key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    this.#isEligible = isEligible;
    this.#sawFull = false;
    try {
      for (let i = 0; i < this.#inOrder.length; i++) {
        const rank = this.#inOrder[i]!;
        if (!rank.isUsable) continue;
        const server = rank.policy.pick(key, this.#isLimited ? this.#hasRoomToo : isEligible);
        if (server !== null) return server;
      }
      return null;
    } finally {
      this.#isEligible = null;
    }
  }

  /** True when servers may be full. */
  get #isLimited(): boolean {
    const { requests, connections } = this.#settings.serverLimits;
    return requests > 0 || connections > 0;
  }

  readonly #hasRoomToo: Eligibility = (server) => {
    if (this.#isEligible !== null && !this.#isEligible(server)) return false;
    if (roomIn(this.#places.get(server.slot)!.gauges) > 0) return true;
    this.#sawFull = true;
    return false;
  };

  #refusal(): ProxyError {
    if (this.#sawFull) return new ProxyError("UPSTREAM_OVERLOADED", this.#name);
    const isUsable = this.#inOrder.some((rank) => rank.isUsable);
    const isIll = this.#servers.some(({ slot }) => (this.#memory.of(slot, ServerWord.Out) & BY_ORDER) === 0);
    return new ProxyError(!isUsable && isIll ? "NO_HEALTHY_SERVER" : "NO_PEER", this.#name);
  }

  /** How many more requests the group has room for, or `enough`. Without limits no server is looked at. */
  #room(enough: number): number {
    const room = roomIn(this.#watcherMeans.gauges);
    if (room <= 0 || !this.#isLimited) return room;
    this.#refresh();
    let inServers = 0;
    let isAny = false;
    for (const { servers, shares } of this.#inOrder) {
      for (let i = 0; i < servers.length; i++) {
        if (shares[i] === 0) continue;
        isAny = true;
        inServers += Math.max(roomIn(this.#places.get(servers[i]!.slot)!.gauges), 0);
        if (inServers >= enough) return Math.min(room, inServers);
      }
    }
    // With nobody there waiting is no use: choosing says why.
    return isAny ? Math.min(room, inServers) : room;
  }
}

/** The only server that may be chosen at first; null when there are several. */
function onlyOf(ranks: readonly ServerRank[]): Server | null {
  const first = ranks.find(({ isUsable }) => isUsable);
  const servers = first?.servers.filter((_, i) => first.shares[i]! > 0) ?? [];
  return servers.length === 1 ? servers[0]! : null;
}

function isSame(a: Server, b: Server): boolean {
  return a.index === b.index && a.weight === b.weight && a.priority === b.priority && a.zone === b.zone;
}
