import { ALLOW } from "../../chaos/mode.ts";
import type { ToxicRegistry } from "../../chaos/registry.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import {
  type ProxyChange,
  type ProxyInit,
  type ProxyState,
  type Steering,
  SteeringError,
  type SteeringProblem,
} from "../../control/steering.ts";
import { parseAddress } from "../../net/address.ts";
import { ApiFault } from "../http/api-message.ts";
import { listening, resolveListen } from "./listen-address.ts";
import { readMode } from "./mode-json.ts";
import { type PopulationEntry, type ProxyFields, readToxic } from "./requests.ts";

/** What somebody else did away with in the meantime. */
const GONE: ReadonlySet<SteeringProblem> = new Set(["PROXY_NOT_FOUND", "TOXIC_NOT_FOUND"]);

/** What requests ask of proxies, in terms of `Steering`. */
export class ProxyOrders {
  readonly #steering: Steering;
  readonly #registry: ToxicRegistry;

  constructor(steering: Steering, registry: ToxicRegistry) {
    this.#steering = steering;
    this.#registry = registry;
  }

  async create(entry: PopulationEntry): Promise<ProxyState> {
    this.#refuseTaken(entry.name);
    const init = this.#toInit(entry);
    if (init.enabled === false) return await this.#steering.create(init);
    const protocol = init.protocol ?? "tcp";
    const listen = await resolveListen(init.listen, whenListening(protocol));
    return await listening(protocol, listen, () => this.#steering.create({ ...init, listen }));
  }

  /** That the name is taken is said before anything that is wrong with the address. */
  #refuseTaken(name: string): void {
    if (this.#find(name) !== undefined)
      throw new SteeringError("PROXY_EXISTS", `There is a proxy ${name} already`);
  }

  #find(name: string): ProxyState | undefined {
    return this.#steering.list().find((proxy) => proxy.name === name);
  }

  #toInit({
    name,
    listen = "",
    upstream,
    enabled = true,
    protocol,
    mode,
    toxics,
  }: PopulationEntry): ProxyInit {
    return {
      name,
      listen,
      upstreams: splitUpstreams(upstream),
      enabled,
      toxics: this.#readToxics(toxics),
      ...(protocol === undefined ? {} : { protocol: readProtocol(protocol) }),
      ...(mode === undefined ? {} : { mode: readMode(mode) }),
    };
  }

  #readToxics(values: ProxyFields["toxics"] = []): ToxicSettings[] {
    const toxics: ToxicSettings[] = [];
    const isTaken = (name: string): boolean => toxics.some((toxic) => toxic.name === name);
    for (const value of values) {
      toxics.push(readToxic(value ?? { kind: "null" }, this.#registry, isTaken));
    }
    return toxics;
  }

  /** An address that means the same one doesn't interrupt anybody. */
  async update(name: string, fields: Partial<ProxyFields>): Promise<ProxyState> {
    const state = this.#steering.get(name);
    const { listen = state.listen, upstream = state.upstream, enabled = state.enabled } = fields;
    const resolved = await resolveListen(listen);
    const isMoved = resolved !== state.listen || !isSameUpstream(upstream, state);
    if (!isMoved && enabled === state.enabled) return state;
    const address = isMoved
      ? { listen: enabled ? resolved : listen, upstreams: splitUpstreams(upstream) }
      : {};
    return await this.#update(state, { ...address, enabled }, resolved);
  }

  /**
   * Every proxy is left without faults, and enabled if it can be.
   * @throws ApiFault for the first one that can't
   */
  async reset(): Promise<void> {
    const problems: unknown[] = [];
    for (const state of this.#steering.list()) {
      await this.#removeToxics(state.name, state.toxics);
      await unlessGone(this.#steering.setMode(state.name, ALLOW));
      if (state.enabled) continue;
      await unlessGone(this.#enable(state)).catch((problem: unknown) => problems.push(problem));
    }
    if (problems.length > 0) throw problems[0];
  }

  async #enable(state: ProxyState): Promise<void> {
    const resolved = await resolveListen(state.listen, whenListening(state.protocol));
    await this.#update(state, { listen: resolved, enabled: true }, resolved);
  }

  #update({ name, protocol }: ProxyState, change: ProxyChange, resolved: string): Promise<ProxyState> {
    return listening(protocol, resolved, () => this.#steering.update(name, change));
  }

  /** A proxy that is there with the same addresses stays as it is, whatever else is said of it. */
  async createOrReplace(entry: PopulationEntry): Promise<ProxyState> {
    const state = this.#find(entry.name);
    if (state === undefined) return await this.create(entry);
    const resolved = await resolveListen(entry.listen ?? "");
    if (resolved === state.listen && isSameUpstream(entry.upstream, state)) return state;
    return await this.#replace(state, entry, resolved);
  }

  /**
   * A proxy that can't be replaced is stopped nevertheless: what it led to isn't wanted any more. Its toxics are taken off
   * while it is stopped, so that no connection meets the old ones at the new place.
   */
  async #replace(state: ProxyState, entry: PopulationEntry, resolved: string): Promise<ProxyState> {
    const { name } = state;
    const init = this.#toInit(entry);
    if ((init.protocol ?? "tcp") !== state.protocol)
      throw new ApiFault(409, `proxy ${name} is for ${state.protocol}`);
    await this.#steering.update(name, { enabled: false });
    await this.#exchangeToxics(name, state.toxics, init.toxics ?? []);
    await this.#steering.setMode(name, init.mode ?? ALLOW);
    const { upstreams, enabled = true } = init;
    try {
      return await this.#update(
        state,
        { listen: enabled ? resolved : init.listen, upstreams, enabled },
        resolved,
      );
    } catch (error) {
      await this.#exchangeToxics(name, init.toxics ?? [], state.toxics);
      await this.#steering.setMode(name, state.mode);
      throw error;
    }
  }

  async #removeToxics(proxy: string, toxics: readonly ToxicSettings[]): Promise<void> {
    for (const { name } of toxics) await unlessGone(this.#steering.removeToxic(proxy, name));
  }

  async #exchangeToxics(
    proxy: string,
    before: readonly ToxicSettings[],
    after: readonly ToxicSettings[],
  ): Promise<void> {
    await this.#removeToxics(proxy, before);
    for (const toxic of after) await this.#steering.addToxic(proxy, toxic);
  }
}

/** What Go says before an address that it can't listen on, and not before one that it only looks at. */
function whenListening(protocol: ProxyState["protocol"]): string {
  return `listen ${protocol}: `;
}

async function unlessGone(order: Promise<unknown>): Promise<void> {
  try {
    await order;
  } catch (error) {
    if (!(error instanceof SteeringError && GONE.has(error.code))) throw error;
  }
}

function isSameUpstream(upstream: string, state: ProxyState): boolean {
  return upstream.replace(/\s*,\s*/g, ",").trim() === state.upstream;
}

/** Several servers are separated by commas. What no server can have as its address is refused before anybody connects. */
function splitUpstreams(upstream: string): string[] {
  const servers = upstream.split(",").map((server) => server.trim());
  for (const server of servers) checkAddress(server);
  return servers;
}

function checkAddress(server: string): void {
  try {
    parseAddress(server);
  } catch (error) {
    throw new ApiFault(400, `upstream: ${(error as Error).message}`);
  }
}

function readProtocol(protocol: string): "tcp" | "udp" {
  if (protocol === "tcp" || protocol === "udp") return protocol;
  throw new ApiFault(400, "protocol was invalid, can be either tcp or udp");
}
