import { describeThrown } from "../base/errors.ts";
import type { GroupSlots } from "./group-slots.ts";
import type { KeptServer } from "./kept-server.ts";
import { type ServerInit, type ServerRecord, toServer, withoutTwins } from "./server.ts";

/** What became of a list of servers. */
export interface MemberChange {
  readonly added: readonly KeptServer[];
  readonly removed: readonly KeptServer[];
  /** Whether threads have to be told. */
  readonly isChange: boolean;
  /** What couldn't be taken, as lines for people. */
  readonly problems: readonly string[];
}

/** Which servers belong to a group, and who has which slot. A server that stays keeps all that is known of it. */
export class GroupMembers {
  #list: readonly KeptServer[] = [];
  #wanted: readonly Required<ServerInit>[] = [];
  #leftOut = 0;
  readonly #slots: GroupSlots;
  #places = new Map<string, number>();
  readonly #mostServers: number;
  readonly #create: (record: ServerRecord) => KeptServer;

  constructor(slots: GroupSlots, mostServers: number, create: (record: ServerRecord) => KeptServer) {
    this.#slots = slots;
    this.#mostServers = mostServers;
    this.#create = create;
  }

  /**
   * Takes over what another keeper had, before anything else.
   * @param places slots that are taken already for servers that will come, by their addresses
   */
  takeOver(list: readonly KeptServer[], places: ReadonlyMap<string, number>): void {
    this.#list = list;
    this.#places = new Map(places);
  }

  /** All that there were to be, whether there was room or not. */
  get wanted(): readonly Required<ServerInit>[] {
    return this.#wanted;
  }

  get list(): readonly KeptServer[] {
    return this.#list;
  }

  /** Whether there are servers without a slot, for whom one may become free. */
  get isCrowded(): boolean {
    return this.#leftOut > 0;
  }

  /** That some have no slot, as a line for people; null: all have one. */
  get shortage(): string | null {
    if (this.#leftOut === 0) return null;
    return `there is no room for ${this.#leftOut} of ${this.#wanted.length} servers: ${this.#mostServers} are the most`;
  }

  get records(): readonly ServerRecord[] {
    return this.#list.map(({ record }) => record);
  }

  find(address: string): KeptServer | undefined {
    return this.#list.find(({ record }) => record.address === address);
  }

  set(inits: readonly Required<ServerInit>[], now: number): MemberChange {
    const problems: string[] = [];
    this.#wanted = usable(inits, (problem) => problems.push(problem));
    const change = this.settle(now);
    if (this.shortage !== null) problems.push(this.shortage);
    return { ...change, problems: [...problems, ...change.problems] };
  }

  /** Gives slots to those that couldn't have one before. */
  settle(now: number): MemberChange {
    const before = this.#list;
    const known = new Map(before.map((server) => [server.record.address, server]));
    const records = this.records;
    const stays = new Set(this.#wanted.map(({ address }) => address));
    const removed = before.filter(({ record }) => !stays.has(record.address));
    for (const { slot } of removed) this.#slots.giveBack(slot, now);
    const added: KeptServer[] = [];
    const room = this.#mostServers - (before.length - removed.length);
    this.#list = this.#wanted.flatMap((init) => {
      const server = known.get(init.address) ?? (added.length < room ? this.#admit(init, now, added) : null);
      if (server === null) return [];
      server.adopt(init);
      return [server];
    });
    this.#leftOut = this.#wanted.length - this.#list.length;
    this.#givePlacesBack(now);
    return { added, removed, isChange: !areSame(records, this.records), problems: [] };
  }

  /** Those of servers that were to come, and don't. */
  #givePlacesBack(now: number): void {
    for (const slot of this.#places.values()) this.#slots.giveBack(slot, now);
    this.#places.clear();
  }

  #admit(init: Required<ServerInit>, now: number, added: KeptServer[]): KeptServer | null {
    const slot = this.#places.get(init.address) ?? this.#slots.take(now);
    if (slot === null) return null;
    this.#places.delete(init.address);
    const server = this.#create({ ...init, slot });
    added.push(server);
    return server;
  }
}

/** Without twins, and without those that can't be read: what is wrong with them is told. */
export function usable(
  inits: readonly Required<ServerInit>[],
  onProblem: (problem: string) => void,
): Required<ServerInit>[] {
  return withoutTwins(inits).filter((init) => {
    const problem = problemOf(init);
    if (problem !== null) onProblem(problem);
    return problem === null;
  });
}

function problemOf(init: Required<ServerInit>): string | null {
  try {
    toServer({ ...init, slot: 0 }, 0, null);
    return null;
  } catch (error) {
    return describeThrown(error);
  }
}

function areSame(a: readonly ServerRecord[], b: readonly ServerRecord[]): boolean {
  return a.length === b.length && a.every((record, i) => record === b[i]);
}
