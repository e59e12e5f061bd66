import { threadAlarms } from "../../src/base/alarms.ts";
import { Counters } from "../../src/base/counters.ts";
import { Faults } from "../../src/chaos/faults.ts";
import { ToxicRegistry } from "../../src/chaos/registry.ts";
import type { ToxicSettings, ToxicType } from "../../src/chaos/toxic.ts";
import { Server } from "../../src/proxy/server.ts";
import { STREAM_DEFAULTS, type StreamEvent, type StreamProxySettings } from "../../src/proxy/stream-proxy.ts";
import { TcpProxyService } from "../../src/proxy/tcp-proxy-service.ts";
import { until } from "./deadline.ts";

/** Settings of a proxy on a port of its own, without limits but for time. */
export const PROXY_SETTINGS: StreamProxySettings = {
  ...STREAM_DEFAULTS.tcp,
  name: "proxy",
  listen: "127.0.0.1:0",
  upstreams: [],
  connectTimeout: 5_000,
  idleTimeout: 60_000,
};

/** A toxic of this type, downstream unless said otherwise. */
export function toxic(type: string, more: Partial<ToxicSettings> = {}): ToxicSettings {
  return { name: type, type, stream: "downstream", toxicity: 1, attributes: {}, ...more };
}

/** The faults of one proxy, on the clock of this thread. */
export function createFaults(types: Iterable<ToxicType>, seed: string = "test"): Faults {
  return new Faults({
    name: PROXY_SETTINGS.name,
    registry: new ToxicRegistry(types),
    clock: threadAlarms,
    seed,
    observer: {
      onToxicFailed(_proxy, name, error) {
        throw new Error(`toxic ${name} failed`, { cause: error });
      },
    },
  });
}

/** Everything that a proxy tells. */
export class EventLog {
  readonly events: StreamEvent[] = [];

  readonly push = (event: StreamEvent): void => {
    this.events.push(event);
  };

  /** What was told of this kind: the details. */
  of(kind: StreamEvent["kind"]): string[] {
    return this.events.filter((event) => event.kind === kind).map(({ detail }) => detail);
  }

  /** The event of this kind with this index, as soon as it is told. */
  async next(kind: StreamEvent["kind"], index: number = 0): Promise<string> {
    await until(`${kind} is told`, () => this.of(kind).length > index);
    return this.of(kind)[index]!;
  }
}

/** A TCP proxy in this thread. */
export class TestTcpProxy implements AsyncDisposable {
  readonly service: TcpProxyService;
  readonly counters: Counters = Counters.local();
  readonly log: EventLog = new EventLog();
  readonly #server: Server;

  constructor(settings: Partial<StreamProxySettings>, faults: Faults | null) {
    const onEvent = this.log.push;
    this.service = new TcpProxyService({ ...PROXY_SETTINGS, ...settings }, { faults, onEvent });
    this.#server = new Server([this.service], { counters: this.counters });
  }

  async start(): Promise<this> {
    await this.#server.start();
    return this;
  }

  get address(): string {
    return this.#server.addresses[0]!;
  }

  get port(): number {
    return Number(/\d+$/.exec(this.address)?.[0]);
  }

  /** Stops accepting and waits for what is under way. */
  drain(grace: number): Promise<void> {
    return this.#server.drain(grace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.destroy();
    await until("no connection is left", () => this.service.connections().length === 0);
  }
}

export function startTcpProxy(
  upstreams: readonly (number | string)[],
  settings: Partial<StreamProxySettings> = {},
  faults: Faults | null = null,
): Promise<TestTcpProxy> {
  const addresses = upstreams.map((one) => (typeof one === "number" ? `127.0.0.1:${one}` : one));
  return new TestTcpProxy({ ...settings, upstreams: addresses }, faults).start();
}
