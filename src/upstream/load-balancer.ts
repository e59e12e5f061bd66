import { idleAlarms } from "../base/alarms.ts";
import { describeThrown, ProxyError } from "../base/errors.ts";
import { freshSeed, seededRandom } from "../base/random.ts";
import type { Eligibility } from "./balancers/balancing-policy.ts";
import { createDiscovery } from "./discovery/create-discovery.ts";
import { GroupKeeper } from "./group-keeper.ts";
import { GroupMemory } from "./group-memory.ts";
import { slotsFor } from "./group-slots.ts";
import type { GroupEvent, GroupStatus, ServerOrder } from "./group-status.ts";
import { createProbe } from "./health/create-probe.ts";
import { type LoadBalancerOptions, planGroup, type SessionLike } from "./load-balancer-options.ts";
import { type Server, type ServerInit, toInit, toServer } from "./server.ts";
import { ServerGroup } from "./server-group.ts";

/**
 * A group of servers and how requests are spread over them, for programs: in one thread, with health checks and whatever
 * else it is asked for. It begins by itself where there is something to do, and keeps no process alive.
 *
 *     const balancer = new LoadBalancer(["10.0.0.1:80", "10.0.0.2:80"], { healthCheck: { kind: "tcp" } });
 *     … new HttpPeer(balancer.select(session))
 */
export class LoadBalancer<S extends object = SessionLike> implements Disposable {
  readonly #group: ServerGroup;
  readonly #keeper: GroupKeeper;
  readonly #hashBy: (session: S) => string | Uint8Array | null;
  #started: Promise<void> | null = null;

  /**
   * @throws RangeError when there is no server and nothing to find one, an address can't be read, or a weight or an option
   * isn't allowed
   */
  constructor(servers: readonly (string | ServerInit)[], options: LoadBalancerOptions<S> = {}) {
    const { settings, probes, discovery } = planGroup(servers, options);
    if (servers.length === 0 && settings.discovery === null)
      throw new RangeError("A load balancer needs at least one server");
    const memory = GroupMemory.local(slotsFor(settings));
    const { name = "balancer", random = seededRandom(freshSeed()), onEvent = () => undefined } = options;
    const means = { name, random, clock: idleAlarms };
    this.#hashBy = options.hashBy ?? clientAddress;
    this.#group = new ServerGroup(settings, memory, means);
    this.#keeper = new GroupKeeper(name, settings, memory, {
      ...means,
      onEvent: (event) => tell(onEvent, name, event),
      onServers: (records) => this.#group.setServers(records),
      createProbe: (check) => probes.get(check) ?? createProbe(check),
      createDiscovery: (found, its) => discovery ?? createDiscovery(found, its),
    });
    // What goes wrong is told to whoever waits for it.
    this.start().catch(() => undefined);
  }

  /** Those that belong to the group, available or not; another list whenever that changes. */
  get servers(): readonly Server[] {
    return this.#group.servers;
  }

  /** True while none of the servers is available. */
  get isDown(): boolean {
    return this.#group.isDown;
  }

  /**
   * The server for a request.
   * @param key what requests that belong together have in common, or a session to make it of. Only policies that hash look at it
   * @param maxIterations how many different servers are looked at, at most, in the policy's order; to be of use with `accept`
   * @param accept whether a server will do
   * @throws ProxyError `NO_HEALTHY_SERVER` when none is well, `UPSTREAM_OVERLOADED` when none has room, `NO_PEER` when none may
   *   be chosen for other reasons, or none was accepted
   */
  select(
    key: string | Uint8Array | S | null = null,
    maxIterations: number = Number.POSITIVE_INFINITY,
    accept: Eligibility | null = null,
  ): Server {
    const hashed = this.#keyOf(key);
    if (accept === null && maxIterations >= 1) return this.#group.select(hashed, null);
    const refused = new Set<Server>();
    const isNew: Eligibility = (server) => !refused.has(server);
    for (let i = 0; i < maxIterations; i++) {
      const server = this.#group.select(hashed, isNew);
      if (accept === null || accept(server)) return server;
      refused.add(server);
    }
    throw new ProxyError("NO_PEER", "none of those looked at was accepted");
  }

  /**
   * The same as `select`, but waits for room as long as `limits.pendingTimeout` says, if fewer wait than `limits.pending`.
   * @param signal ends the wait: it rejects with the signal's reason
   * @throws ProxyError `UPSTREAM_OVERLOADED` when as many wait as may, or it took too long; what `select` throws
   */
  async selectInTime(
    key: string | Uint8Array | S | null = null,
    signal: AbortSignal | null = null,
  ): Promise<Server> {
    if (this.#group.hasRoom) return this.select(key);
    return this.#group.whenRoom(() => this.select(key), signal);
  }

  /**
   * These are the servers from now on. Requests to others end in peace; those that stay keep their state.
   * @throws RangeError when an address can't be read or a weight isn't allowed: then nothing changes
   */
  setServers(servers: readonly (string | ServerInit)[]): void {
    const inits = servers.map(toInit);
    for (const init of inits) toServer({ ...init, slot: 0 }, 0, null);
    this.#keeper.setServers(inits);
  }

  /** @throws RangeError when there is no such server */
  order(address: string, order: ServerOrder): void {
    this.#keeper.order(address, order);
  }

  /** Nothing new goes there. @throws RangeError when there is no such server */
  drain(address: string): void {
    this.order(address, "draining");
  }

  /** @throws RangeError when there is no such server */
  enable(address: string): void {
    this.order(address, "enabled");
  }

  /** @throws RangeError when there is no such server */
  disable(address: string): void {
    this.order(address, "disabled");
  }

  /** @throws RangeError when there is no such server, or the weight isn't a whole number from 1 to 1000 */
  setWeight(address: string, weight: number): void {
    this.#keeper.setWeight(address, weight);
  }

  status(): GroupStatus {
    return this.#keeper.status();
  }

  /** Begins again after `stop`. Resolves when servers have been looked for once. */
  start(): Promise<void> {
    this.#started ??= this.#keeper.start();
    return this.#started;
  }

  /** Ends checks and whatever else goes on by itself; it can be chosen from as before. */
  stop(): void {
    this.#started = null;
    this.#keeper.stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #keyOf(key: string | Uint8Array | S | null): string | Uint8Array | null {
    if (key === null || typeof key === "string" || key instanceof Uint8Array) return key;
    return this.#hashBy(key);
  }
}

/** Programs pass whatever they have: what has no client has nothing in common with anything. */
function clientAddress(session: object): string | null {
  return "client" in session ? (session as SessionLike).client.address : null;
}

/** Nothing that a program makes of an event may keep the group from being looked after. */
function tell(onEvent: (event: GroupEvent) => void, name: string, event: GroupEvent): void {
  try {
    onEvent(event);
  } catch (thrown) {
    process.emitWarning(`onEvent of the load balancer ${name} failed: ${describeThrown(thrown)}`);
  }
}
