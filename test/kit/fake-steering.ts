import type { ToxicChange } from "../../src/chaos/faults.ts";
import { ALLOW, type Mode } from "../../src/chaos/mode.ts";
import type { ToxicSettings } from "../../src/chaos/toxic.ts";
import {
  type ProxyChange,
  type ProxyInit,
  type ProxyState,
  type Steering,
  SteeringError,
} from "../../src/control/steering.ts";
import type { ConnectionState, StreamEvent } from "../../src/proxy/stream-proxy.ts";

/** A `Steering` with nothing behind it: remembers what it is told, and has the connections and events that a test gives it. */
export class FakeSteering implements Steering {
  /** Orders in words, as they came: `setMode tcp {"kind":"allow"}`. */
  readonly orders: string[] = [];
  readonly open: Map<string, ConnectionState[]> = new Map();
  /** How often connections were asked for. */
  looks = 0;
  /** What the next order fails with; null to do it. */
  failure: SteeringError | null = null;
  readonly #proxies = new Map<string, ProxyState>();
  readonly #listeners = new Set<(event: StreamEvent) => void>();

  constructor(...proxies: readonly Partial<ProxyState>[]) {
    for (const proxy of proxies) this.put(proxy);
  }

  /** Adds a proxy, or changes one, as if somebody else had. */
  put(change: Partial<ProxyState>): void {
    const { name = "tcp" } = change;
    const before = this.#proxies.get(name) ?? NEW_PROXY;
    this.#proxies.set(name, { ...before, name, ...change });
  }

  emit(event: Partial<StreamEvent>): void {
    const whole: StreamEvent = {
      ...{ kind: "opened", proxy: "tcp", time: 0, connection: "1", client: "127.0.0.1:50001", detail: "" },
      ...event,
    };
    for (const listener of this.#listeners) listener(whole);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  list(): ProxyState[] {
    return [...this.#proxies.values()];
  }

  get(name: string): ProxyState {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new SteeringError("PROXY_NOT_FOUND", `There is no proxy ${name}`);
    return proxy;
  }

  async create({ name, listen, upstreams, enabled = true }: ProxyInit): Promise<ProxyState> {
    this.#note("create", name);
    this.put({ name, listen, upstream: upstreams.join(","), enabled });
    return this.get(name);
  }

  async update(name: string, { enabled }: ProxyChange): Promise<ProxyState> {
    this.#note("update", name);
    this.put({ name, ...(enabled === undefined ? {} : { enabled }) });
    return this.get(name);
  }

  async remove(name: string): Promise<void> {
    this.#note("remove", name);
    this.#proxies.delete(name);
  }

  async addToxic(proxy: string, toxic: ToxicSettings): Promise<ToxicSettings> {
    this.#note("addToxic", proxy, toxic.name);
    this.put({ name: proxy, toxics: [...this.get(proxy).toxics, toxic] });
    return toxic;
  }

  async updateToxic(proxy: string, name: string, change: ToxicChange): Promise<ToxicSettings> {
    this.#note("updateToxic", proxy, name);
    const toxic = this.get(proxy).toxics.find((other) => other.name === name);
    if (toxic === undefined) throw new SteeringError("TOXIC_NOT_FOUND", `${proxy} has no toxic ${name}`);
    return { ...toxic, ...change };
  }

  async removeToxic(proxy: string, name: string): Promise<void> {
    this.#note("removeToxic", proxy, name);
    this.put({ name: proxy, toxics: this.get(proxy).toxics.filter((toxic) => toxic.name !== name) });
  }

  async setMode(proxy: string, mode: Mode): Promise<void> {
    this.#note("setMode", proxy, JSON.stringify(mode));
    this.get(proxy);
    this.put({ name: proxy, mode: mode.kind === "deny" ? { ...mode, cut: false } : mode });
  }

  async cut(proxy: string, connection?: string): Promise<void> {
    this.#note("cut", proxy, ...(connection === undefined ? [] : [connection]));
    this.open.delete(proxy);
  }

  async reset(): Promise<void> {
    this.#note("reset");
  }

  async connections(proxy: string): Promise<ConnectionState[]> {
    this.looks++;
    this.get(proxy);
    return this.open.get(proxy) ?? [];
  }

  onEvent(listener: (event: StreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #note(...words: readonly string[]): void {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    this.orders.push(words.join(" "));
  }
}

const NEW_PROXY: ProxyState = {
  name: "tcp",
  protocol: "tcp",
  listen: "127.0.0.1:4000",
  upstream: "127.0.0.1:5432",
  enabled: true,
  toxics: [],
  mode: ALLOW,
};

/** A connection with everything a test doesn't care about. */
export function connectionState(change: Partial<ConnectionState> = {}): ConnectionState {
  return {
    ...{ id: "1", client: "127.0.0.1:50001", upstream: "127.0.0.1:5432" },
    ...{ bytesUp: 0, bytesDown: 0, age: 0, toxics: [] },
    ...change,
  };
}
