import { directionOf, type ToxicChange } from "../../src/chaos/faults.ts";
import { ALLOW, type Mode } from "../../src/chaos/mode.ts";
import { attributeProblem, completeAttributes, type ToxicRegistry } from "../../src/chaos/registry.ts";
import type { ToxicSettings } from "../../src/chaos/toxic.ts";
import {
  type ProxyChange,
  type ProxyInit,
  type ProxyState,
  type Steering,
  SteeringError,
} from "../../src/control/steering.ts";
import type { HttpFaultState } from "../../src/filters/faults/http-faults.ts";
import type { ConnectionState, StreamEvent } from "../../src/proxy/stream-proxy.ts";

const FIRST_PORT = 40_001;

/**
 * Proxies that exist on paper: all the rules of `Steering`, no sockets. Ports that would be the kernel's choice count up
 * from 40001.
 */
export class MemorySteering implements Steering {
  readonly #registry: ToxicRegistry;
  readonly #proxies = new Map<string, ProxyState>();
  readonly #listeners = new Set<(event: StreamEvent) => void>();
  /** What a proxy shows as its connections. */
  readonly open: Map<string, ConnectionState[]> = new Map<string, ConnectionState[]>();
  /** What a listener shows as the faults on its routes. */
  readonly onRoutes: Map<string, HttpFaultState[]> = new Map<string, HttpFaultState[]>();
  #nextPort = FIRST_PORT;

  constructor(registry: ToxicRegistry) {
    this.#registry = registry;
  }

  list(): ProxyState[] {
    return [...this.#proxies.values()];
  }

  get(name: string): ProxyState {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new SteeringError("PROXY_NOT_FOUND", `There is no proxy ${name}`);
    return proxy;
  }

  async create(init: ProxyInit): Promise<ProxyState> {
    const { name, listen, upstreams, enabled = true, protocol = "tcp", mode = ALLOW, toxics = [] } = init;
    if (this.#proxies.has(name)) throw new SteeringError("PROXY_EXISTS", `There is a proxy ${name} already`);
    return this.keep({
      name,
      protocol,
      listen: enabled ? this.#bind(name, listen) : listen,
      upstream: upstreams.join(","),
      enabled,
      toxics: toxics.map((toxic) => this.#checked(toxic)),
      mode,
    });
  }

  async httpFaults(listener: string): Promise<HttpFaultState[]> {
    this.get(listener);
    return this.onRoutes.get(listener) ?? [];
  }

  async setHttpFault(listener: string, fault: string, enabled: boolean): Promise<void> {
    const faults = await this.httpFaults(listener);
    if (!faults.some(({ name }) => name === fault))
      throw new SteeringError("FAULT_NOT_FOUND", `${listener} has no fault ${fault} on its routes`);
    this.onRoutes.set(
      listener,
      faults.map((known) => (known.name === fault ? { ...known, enabled } : known)),
    );
  }

  /** Adds a listener as a configuration would have opened it. */
  addListener(name: string, listen: string): void {
    this.keep({ name, protocol: "http", listen, upstream: "", enabled: true, toxics: [], mode: ALLOW });
  }

  async update(name: string, change: ProxyChange): Promise<ProxyState> {
    const proxy = this.get(name);
    this.#refuseListener(proxy);
    const { listen = proxy.listen, upstreams = [proxy.upstream], enabled = proxy.enabled } = change;
    const upstream = upstreams.join(",");
    this.open.delete(name);
    return this.keep({
      ...proxy,
      listen: enabled ? this.#bind(name, listen) : listen,
      upstream,
      enabled,
    });
  }

  async remove(name: string): Promise<void> {
    this.#refuseListener(this.get(name));
    this.open.delete(name);
    this.#proxies.delete(name);
  }

  async addToxic(name: string, toxic: ToxicSettings): Promise<ToxicSettings> {
    const proxy = this.get(name);
    if (proxy.toxics.some((other) => other.name === toxic.name))
      throw new SteeringError("TOXIC_EXISTS", `There is a toxic ${toxic.name} already`);
    const checked = this.#checked(toxic);
    this.keep({ ...proxy, toxics: inDirectionOrder([...proxy.toxics, checked]) });
    return checked;
  }

  async updateToxic(name: string, toxic: string, change: ToxicChange): Promise<ToxicSettings> {
    const proxy = this.get(name);
    const before = this.#toxicOf(proxy, toxic);
    const after = this.#checked({
      ...before,
      toxicity: change.toxicity ?? before.toxicity,
      attributes: { ...before.attributes, ...change.attributes },
    });
    this.keep({ ...proxy, toxics: proxy.toxics.map((other) => (other === before ? after : other)) });
    return after;
  }

  async removeToxic(name: string, toxic: string): Promise<void> {
    const proxy = this.get(name);
    const known = this.#toxicOf(proxy, toxic);
    this.keep({ ...proxy, toxics: proxy.toxics.filter((other) => other !== known) });
  }

  async setMode(name: string, mode: Mode): Promise<void> {
    this.keep({ ...this.get(name), mode });
  }

  async cut(name: string, connection?: string): Promise<void> {
    this.get(name);
    const rest = (this.open.get(name) ?? []).filter(
      ({ id }) => connection !== undefined && id !== connection,
    );
    this.open.set(name, rest);
  }

  async connections(name: string): Promise<ConnectionState[]> {
    this.get(name);
    return this.open.get(name) ?? [];
  }

  onEvent(listener: (event: StreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Who listens to events now. */
  get listeners(): number {
    return this.#listeners.size;
  }

  tell(event: StreamEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Puts a proxy in the place of the one of its name. */
  protected keep(proxy: ProxyState): ProxyState {
    this.#proxies.set(proxy.name, proxy);
    return proxy;
  }

  #bind(name: string, listen: string): string {
    const isAny = listen === "" || listen.endsWith(":0");
    const host = listen.slice(0, listen.lastIndexOf(":")) || "[::]";
    const address = isAny ? `${host}:${this.#nextPort++}` : listen;
    const isTaken = this.list().some(
      (other) => other.enabled && other.name !== name && other.listen === address,
    );
    if (!isTaken) return address;
    const cause = Object.assign(new Error("listen"), { code: "EADDRINUSE" });
    throw new SteeringError("CANNOT_LISTEN", `${address} is in use`, { cause });
  }

  #toxicOf(proxy: ProxyState, name: string): ToxicSettings {
    const toxic = proxy.toxics.find((other) => other.name === name);
    if (toxic === undefined) throw new SteeringError("TOXIC_NOT_FOUND", `${proxy.name} has no toxic ${name}`);
    return toxic;
  }

  #checked(toxic: ToxicSettings): ToxicSettings {
    const type = this.#registry.get(toxic.type);
    if (type === undefined)
      throw new SteeringError("TOXIC_TYPE_UNKNOWN", `There is no toxic type ${toxic.type}`);
    const attributes = completeAttributes(type, toxic.attributes);
    for (const [name, spec] of Object.entries(type.attributes)) {
      const problem = attributeProblem(spec, attributes[name]!);
      if (problem !== null) throw new SteeringError("INVALID", `${name} of ${toxic.type}: ${problem}`);
    }
    return { ...toxic, attributes };
  }

  #refuseListener({ name, protocol }: ProxyState): void {
    if (protocol === "http")
      throw new SteeringError(
        "NOT_CHANGEABLE",
        `${name} is a listener of the configuration, which alone can change it`,
      );
  }
}

function inDirectionOrder(toxics: readonly ToxicSettings[]): ToxicSettings[] {
  const { upstream = [], downstream = [] } = Object.groupBy(toxics, directionOf);
  return [...upstream, ...downstream];
}
