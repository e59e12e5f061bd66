import { setImmediate as turn } from "node:timers/promises";
import { ManualAlarmClock } from "../../src/base/alarms.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { DiscoveryListener } from "../../src/upstream/discovery/discovery.ts";
import { GroupKeeper } from "../../src/upstream/group-keeper.ts";
import { GroupMemory } from "../../src/upstream/group-memory.ts";
import { DEFAULT_GROUP, type GroupSettings } from "../../src/upstream/group-settings.ts";
import type { GroupEvent, ServerStatus } from "../../src/upstream/group-status.ts";
import { GroupSuccession } from "../../src/upstream/group-succession.ts";
import type { ProbeResult } from "../../src/upstream/health/probe.ts";
import type { KeeperMeans } from "../../src/upstream/keeper-plan.ts";
import { type Server, type ServerInit, toInit } from "../../src/upstream/server.ts";
import { ServerGroup } from "../../src/upstream/server-group.ts";

export interface KeptGroupOptions extends Partial<Omit<GroupSettings, "servers">> {
  readonly servers?: readonly (string | ServerInit)[];
  /** Default: 8. */
  readonly slots?: number;
}

/** A group with its keeper in one thread, on a clock that stands still; probes find what `ill` says. */
export class KeptGroup {
  readonly clock: ManualAlarmClock = new ManualAlarmClock();
  readonly events: GroupEvent[] = [];
  memory: GroupMemory;
  keeper: GroupKeeper;
  group: ServerGroup;
  /** Why probes fail, by address, or by the kind of the check and the address. */
  readonly ill: Map<string, string> = new Map();
  /** Addresses that were probed, with the time. */
  readonly probed: string[] = [];
  /** Whom the group's discovery tells, once the keeper has started. */
  listener: DiscoveryListener | null = null;
  readonly #means: KeeperMeans;

  constructor({ servers = ["a:1", "b:1", "c:1"], slots = 8, ...settings }: KeptGroupOptions = {}) {
    const whole: GroupSettings = { ...DEFAULT_GROUP, ...settings, servers: servers.map(toInit) };
    this.memory = GroupMemory.local(slots);
    this.#means = {
      ...{ clock: this.clock, random: seededRandom("kept group") },
      wallClock: () => this.clock.now(),
      onEvent: (event) => this.events.push(event),
      onServers: (records) => this.group.setServers(records),
      createProbe: ({ kind }) => ({ run: async (address) => this.#probe(kind, address) }),
      createDiscovery: () => {
        let own: DiscoveryListener | null = null;
        return {
          start: async (listener) => {
            own = listener;
            this.listener = listener;
          },
          stop: () => {
            if (this.listener === own) this.listener = null;
          },
        };
      },
    };
    this.keeper = new GroupKeeper("kept", whole, this.memory, this.#means);
    this.group = this.#toGroup(whole);
  }

  /** What it would be to keep it by other settings. @param memory default: the same */
  succession(
    { servers, ...settings }: Omit<KeptGroupOptions, "slots">,
    memory: GroupMemory = this.memory,
  ): GroupSuccession {
    const inits = servers?.map(toInit) ?? this.keeper.settings.servers;
    const whole = { ...this.keeper.settings, ...settings, servers: inits };
    return new GroupSuccession(this.keeper, whole, memory, this.#means);
  }

  /** Goes over to other settings. @returns the group by which was chosen before */
  async succeed(
    settings: Omit<KeptGroupOptions, "slots">,
    memory: GroupMemory = this.memory,
  ): Promise<ServerGroup> {
    const succession = this.succession(settings, memory);
    await succession.find();
    succession.reserve();
    succession.inherit();
    const before = this.group;
    const { keeper } = this;
    this.memory = memory;
    this.group = this.#toGroup({ ...keeper.settings, ...settings, servers: [] });
    this.group.setServers(succession.records);
    this.keeper = succession.takeOver();
    return before;
  }

  #toGroup(settings: GroupSettings): ServerGroup {
    return new ServerGroup(settings, this.memory, { ...this.#means, name: "kept" });
  }

  setServers(...servers: readonly (string | ServerInit)[]): void {
    this.keeper.setServers(servers.map(toInit));
  }

  /** Lets time pass, in pieces small enough for probes to be answered when they are sent. */
  async pass(milliseconds: number, piece: number = 100): Promise<void> {
    for (let left = milliseconds; left > 0; left -= piece) {
      this.clock.advance(Math.min(piece, left));
      await turn();
    }
  }

  server(address: string): Server {
    const server = this.group.servers.find((known) => known.address === address);
    if (server === undefined) throw new Error(`There is no ${address}`);
    return server;
  }

  status(address: string): ServerStatus {
    return this.keeper.status().servers.find((known) => known.address === address)!;
  }

  /** What `times` choices fall on, as the hosts' first letters in order. */
  choose(times: number): string {
    return Array.from({ length: times }, () => this.group.select(null, null).address[0]).join("");
  }

  /** The hosts that are chosen at all, by their first letters. */
  chosen(times: number = 60): string {
    return [...new Set(this.choose(times))].sort().join("");
  }

  /** What happened to servers, in short: `a:1 up>down connect ECONNREFUSED`. */
  get story(): string[] {
    return this.events.map(tell);
  }

  #probe(kind: string, address: object): ProbeResult {
    const { host, port } = address as { readonly host: string; readonly port: number };
    this.probed.push(`${host}:${port} ${this.clock.now()}`);
    const reason = this.ill.get(`${host}:${port}`) ?? this.ill.get(`${kind} ${host}:${port}`);
    return reason === undefined ? { isHealthy: true } : { isHealthy: false, reason };
  }
}

function tell(event: GroupEvent): string {
  switch (event.kind) {
    case "server":
      return `${event.address} ${event.from}>${event.to} ${event.reason}`;
    case "servers":
      return `+${event.added.join()} -${event.removed.join()}`;
    case "group":
      return event.isDown ? "group down" : "group up";
    case "discovery":
      return event.message;
  }
}
