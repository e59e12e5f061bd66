import { isDeepStrictEqual } from "node:util";
import { SHARES_PER_WEIGHT } from "./balancers/balancing-policy.ts";
import { GroupKeeper } from "./group-keeper.ts";
import { usable } from "./group-members.ts";
import { type GroupMemory, GroupWord, Out, ServerWord } from "./group-memory.ts";
import type { GroupSettings } from "./group-settings.ts";
import { GroupSlots, mostServersOf } from "./group-slots.ts";
import { type KeeperMeans, type KeeperPlan, planOf } from "./keeper-plan.ts";
import type { ServerInit, ServerRecord } from "./server.ts";

/**
 * A group that is to be kept in another way, by a keeper that takes over all that is known of servers that stay: whether they
 * are well, what was ordered, since when they start slowly, and when they are checked next. Until then nothing changes but
 * that places in memory are taken for servers that will come.
 *
 *     find ─▶ reserve ─┬─▶ inherit ─▶ (threads choose by other settings) ─▶ takeOver
 *                      └─▶ abandon
 */
export class GroupSuccession {
  /** Where the servers will be; settled by `reserve`. */
  records: readonly ServerRecord[] = [];
  readonly memory: GroupMemory;
  readonly #before: GroupKeeper;
  readonly #settings: GroupSettings;
  readonly #means: KeeperMeans;
  readonly #plan: KeeperPlan;
  readonly #isSameMemory: boolean;
  /** Places for servers that have none, by their addresses. */
  readonly #places = new Map<string, number>();

  /**
   * @param memory that of `before`, or fresh one
   * @throws what making probes and the discovery throws
   */
  constructor(before: GroupKeeper, settings: GroupSettings, memory: GroupMemory, means: KeeperMeans) {
    const old = before.plan;
    this.memory = memory;
    this.#before = before;
    this.#settings = settings;
    this.#means = means;
    this.#isSameMemory = memory.buffer === before.memory.buffer;
    const plan = planOf(settings, memory, means, old.checks);
    this.#plan = {
      ...plan,
      slots: this.#isSameMemory ? old.slots : new GroupSlots(memory),
      finder: isDeepStrictEqual(settings.discovery, before.settings.discovery) ? old.finder : plan.finder,
    };
  }

  /** Looks for servers where they are found in another way. Kept when they have been looked for once. */
  async find(): Promise<void> {
    if (!this.#keepsFinder) await this.#plan.finder.find();
  }

  /**
   * Takes places for the servers that there will be; asked again, for those that were found meanwhile. False: there isn't room for as
   * many as there may be.
   */
  reserve(): boolean {
    const now = this.#means.clock.now();
    const wanted = usable(this.#wanted, () => undefined).slice(0, mostServersOf(this.#settings, this.memory));
    const records = wanted.map((init) => {
      const slot = this.#placeOf(init, now);
      return slot === null ? null : { ...init, slot };
    });
    this.records = records.filter((record) => record !== null);
    return records.length === this.records.length;
  }

  /** Fresh memory gets what is known of servers that stay, as late as can be. */
  inherit(): void {
    if (this.#isSameMemory) return;
    let ejected = 0;
    for (const { address, slot } of this.records) {
      const known = this.#before.records.find((record) => record.address === address);
      if (known === undefined) continue;
      this.memory.inherit(slot, this.#before.memory, known.slot);
      if ((this.memory.of(slot, ServerWord.Out) & Out.Ejected) !== 0) ejected++;
    }
    this.memory.put(GroupWord.Ejected, ejected);
    this.memory.touch();
  }

  /** The keeper from now on; the one before keeps nothing any more. */
  takeOver(): GroupKeeper {
    const { name } = this.#before;
    if (!this.#keepsFinder) this.#before.plan.finder.stop();
    const plan = {
      ...this.#plan,
      estate: { ...this.#before.handOver(), places: this.#places, wanted: this.#wanted },
    };
    return new GroupKeeper(name, this.#settings, this.memory, this.#means, plan);
  }

  /** Everything stays as it was. */
  abandon(): void {
    const now = this.#means.clock.now();
    if (!this.#keepsFinder) this.#plan.finder.stop();
    for (const slot of this.#places.values()) this.#plan.slots.giveBack(slot, now);
    this.#places.clear();
  }

  get #keepsFinder(): boolean {
    return this.#plan.finder === this.#before.plan.finder;
  }

  /** What isn't found in time leaves the servers that there are, unless others are written down. */
  get #wanted(): readonly Required<ServerInit>[] {
    const { discovery, servers } = this.#settings;
    if (discovery === null) return servers;
    if (this.#keepsFinder) return this.#before.wanted;
    return this.#plan.finder.found ?? (servers.length > 0 ? servers : this.#before.wanted);
  }

  /** Its place, or one for it alone; null: there is none. */
  #placeOf({ address, weight }: Required<ServerInit>, now: number): number | null {
    const known = this.#isSameMemory
      ? this.#before.records.find((record) => record.address === address)
      : undefined;
    if (known !== undefined) return known.slot;
    const slot = this.#places.get(address) ?? this.#plan.slots.take(now);
    if (slot === null) return null;
    this.#places.set(address, slot);
    // Those who choose by it do so before there is a keeper.
    this.memory.set(slot, ServerWord.Share, weight * SHARES_PER_WEIGHT);
    return slot;
  }
}
