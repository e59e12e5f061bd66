import { ALLOW, type Mode } from "../../src/chaos/mode.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";
import type { ProxyState, SteeringError } from "../../src/control/steering.ts";
import type { ConnectionState, StreamEvent } from "../../src/proxy/stream-proxy.ts";
import { MemorySteering } from "./memory-steering.ts";

/** Proxies on paper that write down what they are told, fail when a test wants it, and can be put into any state. */
export class FakeSteering extends MemorySteering {
  /** Orders in words, as they came: `setMode tcp {"kind":"allow"}`. */
  readonly orders: string[] = [];
  /** How often connections were asked for. */
  looks = 0;
  /** What the next order fails with; null to do it. */
  failure: SteeringError | null = null;

  constructor(...proxies: readonly Partial<ProxyState>[]) {
    super(createRegistry());
    for (const proxy of proxies) this.put(proxy);
  }

  /** Adds a proxy, or changes one, as if somebody else had. */
  put(change: Partial<ProxyState>): void {
    const { name = NEW_PROXY.name } = change;
    const before = this.list().find((proxy) => proxy.name === name) ?? NEW_PROXY;
    this.keep({ ...before, ...change, name });
  }

  /** Tells an event with everything a test doesn't care about. */
  emit(change: Partial<StreamEvent>): void {
    this.tell({
      ...{ kind: "opened", proxy: "tcp", time: 0, connection: "1", client: "127.0.0.1:50001", detail: "" },
      ...change,
    });
  }

  override setMode(proxy: string, mode: Mode): Promise<void> {
    return this.#ordered(`setMode ${proxy} ${JSON.stringify(mode)}`, () => super.setMode(proxy, mode));
  }

  override cut(proxy: string, connection?: string): Promise<void> {
    const which = connection === undefined ? "" : ` ${connection}`;
    return this.#ordered(`cut ${proxy}${which}`, () => super.cut(proxy, connection));
  }

  override connections(proxy: string): Promise<ConnectionState[]> {
    this.looks++;
    return super.connections(proxy);
  }

  async #ordered(order: string, act: () => Promise<void>): Promise<void> {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    await act();
    this.orders.push(order);
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
