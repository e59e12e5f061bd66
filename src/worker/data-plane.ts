import { enableFips } from "../net/tls/fips.ts";
import { Server } from "../proxy/server.ts";
import { type Composition, compose, discard } from "./composition.ts";
import type { Holding, WorkerStart } from "./messages.ts";
import { renamed } from "./ordered-tls.ts";
import type { NextForThread, Order, ProxyAddress, ReadyToSwap } from "./orders.ts";
import { ownerOfProxy } from "./owners.ts";
import type { ProxyTraffic } from "./proxy-traffic.ts";
import type { ProxiesSuccession } from "./stream-proxies.ts";
import { type ReadySwap, readySwap } from "./swap.ts";
import { ThreadLogs } from "./thread-logs.ts";
import { type ControlLink, createParts, type ThreadParts } from "./thread-parts.ts";
import { loadToxics } from "./toxic-modules.ts";

/**
 * Everything that one thread of the data plane runs: services, their listeners and their logs; and the proxies that
 * come and go by order. It can be told to run something else in their place.
 *
 *     start ─▶ runs ──prepare──▶ runs, ready to swap ──commit──▶ runs the other
 *               ▲                        │
 *               └────────abandon─────────┘
 */
export class DataPlane {
  readonly #parts: ThreadParts;
  readonly #server: Server;
  #composition: Composition;
  /** What it began with and hasn't opened yet; null once it has. */
  #unopened: ProxiesSuccession | null;
  /** What it is ready to run instead; null: nothing. */
  #next: ReadySwap | null = null;
  /** Tells what is made ready from what was given up meanwhile. */
  #wanted = 0;
  /** Null before its end. */
  #closed: Promise<void> | null = null;

  private constructor(
    parts: ThreadParts,
    server: Server,
    composition: Composition,
    unopened: ProxiesSuccession,
  ) {
    this.#parts = parts;
    this.#server = server;
    this.#composition = composition;
    this.#unopened = unopened;
  }

  /** Builds the services and opens their listeners. Rejects with what is wrong, having opened nothing. */
  static async start(start: WorkerStart, control: ControlLink): Promise<DataPlane> {
    const plane = await DataPlane.prepare(start, control);
    await plane.listen();
    return plane;
  }

  /** The same, but that nothing is listened on until `listen` is called. */
  static async prepare(start: WorkerStart, control: ControlLink): Promise<DataPlane> {
    const { spec, thread, standing } = start;
    if (spec.fips === true) enableFips();
    loadToxics(spec.toxics ?? []);
    const parts = createParts(start, control, await ThreadLogs.open(spec, `worker ${thread}`));
    parts.events.watch(standing.watched);
    const plugins = await parts.plugins.stage(standing.plugins);
    plugins.commit();
    const composition = await compose(start, parts);
    const server = new Server(composition.services ?? [], parts.context);
    await server.prepare(control.socket);
    try {
      const tls = renamed(parts.tls, ownerOfProxy);
      const unopened = await parts.proxies.succeed(standing, { tls, isFirst: false });
      return new DataPlane(parts, server, composition, unopened);
    } catch (error) {
      server.destroy();
      throw error;
    }
  }

  async listen(): Promise<void> {
    const proxies = this.#unopened;
    this.#unopened = null;
    await this.#server.open();
    await proxies?.commit(0);
  }

  get addresses(): readonly string[] {
    return this.#server.addresses;
  }

  /** Where TCP and UDP proxies listen, or will. */
  get proxies(): readonly ProxyAddress[] {
    return this.#unopened?.addresses ?? this.#parts.proxies.addresses;
  }

  /** What it listens on. */
  get holdings(): readonly Holding[] {
    const held = this.proxies.map(([name, address]): Holding => [ownerOfProxy(name), address]);
    return [...this.#server.holdings, ...held];
  }

  /** What TCP and UDP proxies have moved so far. */
  get traffic(): ProxyTraffic[] {
    return this.#parts.proxies.traffic;
  }

  // ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Does what is ordered; the answer is plain data. Rejects, having changed nothing, when it can't. */
  async obey(order: Order): Promise<unknown> {
    const { events, tls, proxies } = this.#parts;
    const { faults } = this.#composition;
    switch (order.do) {
      case "prepare":
        return await this.#prepare(order);
      case "commit":
        return await this.#commit();
      case "abandon":
        this.#abandon();
        return null;
      case "keepSessions":
        await proxies.keepSessions();
        return null;
      case "listen":
        await this.listen();
        return this.holdings;
      case "ping":
        return null;
      case "watch":
        events.watch(order.on);
        return null;
      case "setServers":
        for (const { groups } of this.#compositions) groups.setServers(order);
        return null;
      case "setTls":
        tls.set(order.owner, order.material);
        return null;
      case "setPlugin":
        await this.#parts.plugins.set(order.plugin);
        return null;
      case "close":
        tls.close(ownerOfProxy(order.proxy));
        return await proxies.obey(order);
      case "httpFaults":
        return faults.list(order.listener);
      case "setHttpFault":
        faults.setEnabled(order.listener, order.fault, order.enabled);
        this.#next?.composition.faults.catchUp(order.listener, [[order.fault, order.enabled]]);
        return null;
      default:
        return await proxies.obey(order);
    }
  }

  /** That which runs, and that which is ready to. */
  get #compositions(): Composition[] {
    return this.#next === null ? [this.#composition] : [this.#composition, this.#next.composition];
  }

  async #prepare(next: NextForThread): Promise<ReadyToSwap> {
    this.#abandon();
    const wanted = this.#wanted;
    const swap = await readySwap(this.#parts, this.#server, this.#composition, next);
    if (wanted !== this.#wanted) {
      swap.abandon();
      throw new Error("It isn't wanted any more");
    }
    this.#next = swap;
    return { addresses: swap.addresses, proxies: swap.proxies };
  }

  /** At once: whatever comes in the next turn meets the other. */
  async #commit(): Promise<readonly Holding[]> {
    const swap = this.#next;
    if (swap === null) throw new Error("There is nothing that could be run instead");
    this.#next = null;
    this.#composition = swap.composition;
    await swap.commit();
    return this.holdings;
  }

  #abandon(): void {
    this.#wanted++;
    this.#next?.abandon();
    this.#next = null;
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes nothing new, because others do, and lets what stands end by itself, however long that takes. */
  async retire(): Promise<void> {
    this.#abandon();
    this.#unopened?.abandon();
    this.#composition.connector.close();
    await Promise.all([this.#server.retire(), this.#parts.proxies.retire()]);
    await this.#close();
  }

  /** Lets what is under way finish, for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    this.#abandon();
    this.#unopened?.abandon();
    this.#parts.stopping.abort();
    await Promise.all([this.#server.drain(grace), this.#parts.proxies.drain(grace)]);
    await this.#close();
  }

  /** Once, though one that retires may be told to hurry. */
  #close(): Promise<void> {
    this.#closed ??= this.#closeParts();
    return this.#closed;
  }

  async #closeParts(): Promise<void> {
    this.#parts.former.close();
    await discard(this.#composition, null);
    this.#parts.plugins.close();
    await this.#parts.logs.close();
  }
}
