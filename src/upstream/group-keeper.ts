import { Alarm } from "../base/alarms.ts";
import { SHARES_PER_WEIGHT } from "./balancers/balancing-policy.ts";
import { usesSlowStart } from "./balancers/create-policy.ts";
import { Ejections } from "./ejections.ts";
import { GroupMembers, type MemberChange } from "./group-members.ts";
import { type GroupMemory, GroupWord, Out, ServerWord } from "./group-memory.ts";
import type { GroupSettings } from "./group-settings.ts";
import { mostServersOf } from "./group-slots.ts";
import type { GroupEvent, GroupStatus, ServerOrder, ServerState, ServerStatus } from "./group-status.ts";
import { type Estate, type Heritage, type KeeperMeans, type KeeperPlan, planOf } from "./keeper-plan.ts";
import {
  type CheckMeans,
  isAvailable,
  KeptServer,
  ORDERED_OUT,
  serverStatus,
  stateOf,
} from "./kept-server.ts";
import { isWeight, MAX_WEIGHT, type ServerInit, type ServerRecord } from "./server.ts";
import { SlowStart } from "./slow-start.ts";

/** How often is looked at what threads have done, milliseconds. */
const LOOK = 100;

const BY_ORDER = "by order";

/** What keeps a server out of what people ordered, in whatever memory. */
const ORDERED_OUT_BY_STATE: Partial<Record<ServerState, number>> = {
  draining: Out.Draining,
  disabled: Out.Disabled,
};

/**
 * Keeps a group: which servers there are and where in the group's memory, whether they are well, and what people have
 * ordered. There is one keeper a group; what it finds it writes into the memory, where all threads see it at once.
 *
 *     discovery, program ─▶ setServers ─▶ slots ─▶ onServers
 *     checks, orders, ejections, slow start ─▶ memory (Out, Share, Version) ─▶ events
 */
export class GroupKeeper {
  readonly name: string;
  readonly settings: GroupSettings;
  readonly memory: GroupMemory;
  readonly plan: KeeperPlan;
  readonly #means: KeeperMeans;
  readonly #members: GroupMembers;
  readonly #slowStart: SlowStart;
  /** Null: nobody ejects. */
  readonly #ejections: Ejections | null;
  readonly #look: Alarm;
  #isRunning = false;
  #isDown = false;

  /**
   * @param plan what `planOf` these made; of a keeper that follows another, what it takes over too
   * @throws what making probes and the discovery throws
   */
  constructor(
    name: string,
    settings: GroupSettings,
    memory: GroupMemory,
    means: KeeperMeans,
    plan: KeeperPlan & { readonly estate?: Heritage } = planOf(settings, memory, means),
  ) {
    this.name = name;
    this.settings = settings;
    this.memory = memory;
    const { checks, finder, slots } = plan;
    this.plan = { checks, finder, slots };
    this.#means = means;
    const { clock, random } = means;
    const checkMeans: CheckMeans = {
      ...{ clock, random, checks: plan.checks },
      onChange: (server, reason) => this.#onCheck(server, reason),
      onGood: (server) => this.#reinstate(server, "a check found it well"),
    };
    this.#members = new GroupMembers(
      plan.slots,
      mostServersOf(settings, memory),
      (record) => new KeptServer(record, this.#wallTime(), checkMeans),
    );
    const slowStart = usesSlowStart(settings.policy) ? settings.slowStart : 0;
    this.#slowStart = new SlowStart(slowStart, clock, () => this.#writeShares());
    this.#ejections = settings.outliers === null ? null : new Ejections(settings.outliers, memory);
    this.#look = new Alarm(clock, () => this.#onLook());
    plan.finder.listener = {
      onServers: (servers) => this.setServers(servers),
      onError: (message) => this.#tell({ kind: "discovery", message }),
    };
    if (plan.estate === undefined) this.#begin();
    else this.#takeOver(plan.estate, checkMeans);
  }

  #begin(): void {
    this.#members.set(this.settings.servers, this.#means.clock.now());
    this.#countServers();
    this.#writeShares();
    this.memory.touch();
    this.#isDown = this.isDown;
  }

  /** The servers that there are, with their slots. */
  get records(): readonly ServerRecord[] {
    return this.#members.records;
  }

  /** True while none of the servers is available. */
  get isDown(): boolean {
    return !this.#members.list.some((server) => isAvailable(server, this.memory));
  }

  /** Begins to look for servers, if they are to be found, before `start` would. Resolves when they have been looked for once. */
  async find(): Promise<void> {
    await this.plan.finder.find();
  }

  /** Begins to look for servers and after them. Resolves when they have been looked for once. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (const server of this.#members.list) server.startChecks();
    this.#wind();
    await this.find();
  }

  /** Ends all that goes on by itself; servers stay what they are. */
  stop(): void {
    this.#isRunning = false;
    for (const server of this.#members.list) server.stopChecks();
    this.plan.finder.stop();
    this.#look.clear();
    this.#slowStart.stop();
    this.#writeShares();
  }

  /**
   * These are the servers from now on. One that was there before keeps its place, its state and its checks. Servers that
   * can't be read, or for which there is no room, are left out, with an event.
   */
  setServers(inits: readonly Required<ServerInit>[]): void {
    this.#onMembers(this.#members.set(inits, this.#means.clock.now()));
  }

  /** @throws RangeError when there is no such server */
  order(address: string, order: ServerOrder): void {
    const server = this.#serverAt(address);
    const before = this.memory.of(server.slot, ServerWord.Out);
    const wanted = ORDERED_OUT[order];
    // First of all, so that it isn't chosen between one order and the next.
    if (wanted !== 0) this.memory.takeOut(server.slot, wanted);
    for (const reason of [Out.Disabled, Out.Draining])
      if (reason !== wanted) this.memory.bringBack(server.slot, reason);
    this.#countServers();
    if ((before & Out.Disabled) !== 0 && wanted === 0) this.#startSlowly(server);
    this.#update(server, BY_ORDER);
    this.#bringBackSurplus();
  }

  /**
   * @param weight 1 to 1000, a whole number
   * @throws RangeError when it isn't, or when there is no such server
   */
  setWeight(address: string, weight: number): void {
    const server = this.#serverAt(address);
    if (!isWeight(weight))
      throw new RangeError(`Weight ${weight} is not a whole number from 1 to ${MAX_WEIGHT}`);
    server.weight = weight;
    this.#writeShares();
  }

  /** Goes on with what is known of these servers, as far as they are of the group. To be called before `start`. */
  remember(known: readonly Pick<ServerStatus, "address" | "state" | "reason" | "weight">[]): void {
    for (const { address, state, reason, weight } of known) {
      const server = this.#members.find(address);
      if (server === undefined) continue;
      if (isWeight(weight)) server.weight = weight;
      if (state === "draining" || state === "disabled") this.order(address, state);
      if (state !== "down") continue;
      server.believeIll(reason);
      if (server.isWell) continue;
      this.memory.takeOut(server.slot, Out.Unhealthy);
      this.#update(server, reason);
    }
    this.#writeShares();
  }

  status(): GroupStatus {
    const memory = this.memory;
    this.#noteEjections();
    const servers = this.#members.list.map((server) =>
      serverStatus(server, memory, this.#slowStart.rampOf(server.slot)),
    );
    return {
      name: this.name,
      policy: this.settings.policy,
      servers,
      requests: servers.reduce((sum, { requests }) => sum + requests, 0),
      connections: servers.reduce((sum, { connections }) => sum + connections, 0),
      pending: memory.get(GroupWord.Pending),
      retries: memory.get(GroupWord.Retries),
      discoveryError: this.plan.finder.error ?? this.#members.shortage,
    };
  }

  // ── from keeper to keeper ──────────────────────────────────────────────────────────────────────────────────────

  /** All that there were to be, whether there was room or not. */
  get wanted(): readonly Required<ServerInit>[] {
    return this.#members.wanted;
  }

  /** Leaves everything to another keeper: this one does nothing any more. */
  handOver(): Estate {
    const began = new Map(this.#slowStart.began);
    const { memory } = this;
    this.#look.clear();
    this.#slowStart.stop();
    return {
      ...{ servers: this.#members.list, memory, began, isRunning: this.#isRunning },
      isDown: this.#isDown,
    };
  }

  #takeOver({ places, wanted, isRunning, isDown, ...estate }: Heritage, checkMeans: CheckMeans): void {
    const now = this.#means.clock.now();
    const began = new Map<number, number>();
    const free = new Map(places);
    const gone: KeptServer[] = [];
    const stays = new Set(wanted.map(({ address }) => address));
    const list = estate.servers.filter((server) => {
      const { slot, record } = server;
      const place = estate.memory === this.memory ? slot : free.get(record.address);
      free.delete(record.address);
      if (place === undefined) {
        server.stopChecks();
        estate.memory.takeOut(slot, Out.Gone);
        gone.push(server);
        return false;
      }
      const start = estate.began.get(slot);
      if (start !== undefined && stays.has(record.address)) began.set(place, start);
      server.moveTo(place, checkMeans);
      return true;
    });
    this.#members.takeOver(list, free);
    this.#slowStart.resume(began);
    this.#isDown = isDown;
    this.#onMembers(this.#members.set(wanted, now), gone);
    this.#settleStates();
    if (isRunning) void this.start();
  }

  /** What is out for a reason that nobody looks at any more comes back; what became ill meanwhile is out. */
  #settleStates(): void {
    const { memory } = this;
    this.#countServers();
    for (const server of this.#members.list) {
      const { slot } = server;
      const ordered = ORDERED_OUT_BY_STATE[server.standing.state] ?? 0;
      for (const reason of [Out.Disabled, Out.Draining])
        if (reason === ordered) memory.takeOut(slot, reason);
        else memory.bringBack(slot, reason);
      if (!server.isWell) memory.takeOut(slot, Out.Unhealthy);
      else if (memory.bringBack(slot, Out.Unhealthy)) this.#startSlowly(server);
      if (this.#ejections === null && memory.bringBack(slot, Out.Ejected)) memory.add(GroupWord.Ejected, -1);
      this.#update(server, "it isn't looked after any more");
    }
    this.#countServers();
    this.#writeShares();
    memory.touch();
    this.#bringBackSurplus();
    this.#noteWhetherDown();
  }

  // ── membership ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param gone servers that went besides, of whom nothing is left to be done */
  #onMembers({ added, removed, isChange, problems }: MemberChange, gone: readonly KeptServer[] = []): void {
    for (const server of removed) this.#dismiss(server);
    for (const server of added) {
      this.#slowStart.begin(server.slot);
      if (this.#isRunning) server.startChecks();
    }
    for (const message of problems) this.#tell({ kind: "discovery", message });
    if (isChange || gone.length > 0) {
      this.#countServers();
      this.#writeShares();
      this.#means.onServers(this.records);
      const names = (servers: readonly KeptServer[]): string[] => servers.map(({ record }) => record.address);
      if (added.length + removed.length + gone.length > 0)
        this.#tell({ kind: "servers", added: names(added), removed: names([...removed, ...gone]) });
      this.#bringBackSurplus();
    }
    this.#noteWhetherDown();
    this.#wind();
  }

  /** No thread can eject it after it is gone, so that what is ejected stays counted exactly. */
  #dismiss(server: KeptServer): void {
    server.stopChecks();
    this.#slowStart.end(server.slot);
    this.memory.takeOut(server.slot, Out.Gone);
    this.#ejections?.end(server.slot, this.#means.clock.now());
  }

  /** Those that nobody ordered out: the share that may be ejected is one of them. Nobody is where nobody brings back. */
  #countServers(): void {
    if (this.#ejections === null) {
      this.memory.put(GroupWord.Servers, 0);
      return;
    }
    const inOrder = this.#members.list.filter(
      ({ slot }) => (this.memory.of(slot, ServerWord.Out) & (Out.Disabled | Out.Draining)) === 0,
    );
    this.memory.put(GroupWord.Servers, inOrder.length);
  }

  #serverAt(address: string): KeptServer {
    const server = this.#members.find(address);
    if (server === undefined) throw new RangeError(`${this.name} has no server ${address}`);
    return server;
  }

  // ── health ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #onCheck(server: KeptServer, reason: string): void {
    if (!server.isWell) {
      this.memory.takeOut(server.slot, Out.Unhealthy);
      this.#update(server, reason);
      return;
    }
    this.#startSlowly(server);
    this.memory.bringBack(server.slot, Out.Unhealthy);
    this.#ejections?.end(server.slot, this.#means.clock.now());
    this.#update(server, reason);
  }

  /** Looks at what threads have done: nothing tells the keeper. */
  #onLook(): void {
    const now = this.#means.clock.now();
    this.#noteEjections();
    for (const server of this.#members.list) {
      if (this.#ejections?.isOver(server.slot, now) === true) this.#reinstate(server, "its ejection is over");
      this.#ejections?.forgive(server.slot, now);
    }
    if (this.#members.isCrowded) this.#onMembers(this.#members.settle(now));
    this.#wind();
  }

  #noteEjections(): void {
    if (this.#ejections === null) return;
    for (const server of this.#members.list) this.#update(server, "");
  }

  /** Ends an ejection, if there is one. */
  #reinstate(server: KeptServer, reason: string): void {
    if (this.#ejections?.isOut(server.slot) !== true) return;
    // Whoever looked too rarely to see that it was out says so now.
    this.#update(server, "");
    this.#startSlowly(server);
    this.#ejections.end(server.slot, this.#means.clock.now());
    this.#update(server, reason);
  }

  #bringBackSurplus(): void {
    if (this.#ejections === null) return;
    const slots = this.#ejections.tooMany(this.#members.list.map(({ slot }) => slot));
    for (const server of this.#members.list)
      if (slots.includes(server.slot)) this.#reinstate(server, "too many were ejected");
  }

  #wind(): void {
    if (!this.#isRunning || (this.#ejections === null && !this.#members.isCrowded)) return;
    if (!this.#look.isSet) this.#look.set(this.#means.clock.now() + LOOK);
  }

  // ── shares ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #startSlowly(server: KeptServer): void {
    this.#slowStart.begin(server.slot);
    this.#writeShares();
  }

  #writeShares(): void {
    let isChange = false;
    for (const { slot, weight } of this.#members.list) {
      const share = Math.max(Math.round(weight * SHARES_PER_WEIGHT * this.#slowStart.rampOf(slot)), 1);
      if (this.memory.of(slot, ServerWord.Share) === share) continue;
      this.memory.set(slot, ServerWord.Share, share);
      isChange = true;
    }
    if (isChange) this.memory.touch();
  }

  // ── what people hear ───────────────────────────────────────────────────────────────────────────────────────────

  /** Tells when the server's state is another one than before. @param reason why it is up, down or ordered out */
  #update(server: KeptServer, reason: string): void {
    const from = server.standing.state;
    const to = stateOf(this.memory.of(server.slot, ServerWord.Out));
    if (from === to) return;
    const time = this.#wallTime();
    server.standing = { state: to, reason: this.#reasonFor(server, to, reason), since: time };
    const { address } = server.record;
    this.#tell({ kind: "server", address, from, to, reason: server.standing.reason });
    this.#noteWhetherDown();
  }

  #reasonFor(server: KeptServer, state: ServerState, otherwise: string): string {
    if (state === "down") return server.downReason;
    if (state === "ejected") return this.#ejections?.reason(server.slot) ?? otherwise;
    return state === "up" ? otherwise : BY_ORDER;
  }

  #noteWhetherDown(): void {
    const { isDown } = this;
    if (isDown === this.#isDown) return;
    this.#isDown = isDown;
    this.#tell({ kind: "group", isDown });
  }

  #tell(event: Untimed<GroupEvent>): void {
    this.#means.onEvent({ ...event, group: this.name, time: this.#wallTime() } as GroupEvent);
  }

  #wallTime(): number {
    return (this.#means.wallClock ?? Date.now)();
  }
}

/** An event without what all of them have. */
type Untimed<E> = E extends GroupEvent ? Omit<E, "group" | "time"> : never;
