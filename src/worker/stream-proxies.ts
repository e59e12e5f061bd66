import { threadAlarms } from "../base/alarms.ts";
import { Faults } from "../chaos/faults.ts";
import { ALLOW, type Mode } from "../chaos/mode.ts";
import { applyMode } from "../chaos/modes.ts";
import type { ToxicRegistry } from "../chaos/registry.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import { DEFAULT_LISTENER_OPTIONS, Listener, type ListenOn } from "../net/listener.ts";
import type { ServiceContext } from "../proxy/service.ts";
import type { StreamEvent, StreamProxySettings, StreamTraffic } from "../proxy/stream-proxy.ts";
import { TcpProxyService } from "../proxy/tcp-proxy-service.ts";
import { UdpProxyService } from "../proxy/udp-proxy-service.ts";
import type { ProxyOrder, StandingProxies } from "./orders.ts";
import { TrafficLedger } from "./traffic-ledger.ts";

/** Where the socket of a TCP proxy comes from; `owner` is the proxy it is for. */
type StreamSource = (address: string, owner: string) => Promise<ListenOn>;

export interface StreamProxiesOptions {
  readonly source: StreamSource;
  readonly context: ServiceContext;
  readonly seed: string;
  /** True when other threads open the same proxies. */
  readonly isShared: boolean;
  readonly onEvent: (event: StreamEvent) => void;
}

/** A proxy that runs in this thread. */
interface OpenProxy {
  readonly address: string;
  readonly service: TcpProxyService | UdpProxyService;
  /** Takes no new connections. */
  stop(): void;
}

/**
 * The TCP and UDP proxies of one thread, which come and go while it runs, and the faults of all its proxies and
 * listeners.
 */
export class StreamProxies {
  readonly #options: StreamProxiesOptions;
  readonly #registry: ToxicRegistry = createRegistry();
  readonly #open = new Map<string, OpenProxy>();
  readonly #faults = new Map<string, Faults>();
  readonly #modes = new Map<string, Mode>();
  readonly #ledger = new TrafficLedger();

  constructor(options: StreamProxiesOptions) {
    this.#options = options;
  }

  /** Opens what stood before this thread began. Rejects when an address can't be listened on. */
  async catchUp({ proxies, listeners }: StandingProxies): Promise<void> {
    for (const settings of proxies) await this.#openProxy(settings);
    for (const { name, toxics, mode } of listeners) {
      const faults = this.faultsOf(name);
      for (const toxic of toxics) faults.add(toxic);
      this.#setMode(name, mode);
    }
  }

  /** The faults of a proxy or listener, made when they are asked for first. */
  faultsOf(name: string): Faults {
    return this.#faults.getOrInsertComputed(name, () => this.#newFaults(name));
  }

  #newFaults(name: string): Faults {
    const { seed, context, onEvent } = this.#options;
    return new Faults({
      name,
      registry: this.#registry,
      clock: threadAlarms,
      seed: `${seed}/${context.thread}`,
      observer: {
        onToxicFailed: (proxy, toxic, error) => {
          context.reporter?.onServiceError(`toxic ${toxic} of ${proxy}`, error);
          onEvent({
            kind: "toxic-failed",
            proxy,
            time: Date.now(),
            connection: "",
            client: "",
            detail: `${toxic}: ${error instanceof Error ? error.message : String(error)}`,
          });
        },
      },
    });
  }

  /** Does what is ordered; the answer is plain data. Rejects, having changed nothing, when it can't. */
  async obey(order: ProxyOrder): Promise<unknown> {
    switch (order.do) {
      case "open":
        return await this.#openProxy(order.settings);
      case "close":
        this.#closeProxy(order.proxy);
        return null;
      case "addToxic":
        this.faultsOf(order.proxy).add(order.toxic);
        return null;
      case "updateToxic":
        this.faultsOf(order.proxy).update(order.toxic, order.change);
        return null;
      case "removeToxic":
        this.faultsOf(order.proxy).remove(order.toxic);
        return null;
      case "setMode":
        this.#setMode(order.proxy, order.mode);
        return null;
      case "cut":
        this.#open.get(order.proxy)?.service.cut(order.connection ?? undefined);
        return null;
      case "connections":
        return this.#open.get(order.proxy)?.service.connections() ?? [];
      case "traffic":
        return this.#ledger.entries;
    }
  }

  #setMode(name: string, mode: Mode): void {
    applyMode(this.faultsOf(name), this.#modes.get(name) ?? ALLOW, mode);
    this.#modes.set(name, mode);
    if (mode.kind === "deny" && mode.cut) this.#open.get(name)?.service.cut();
  }

  async #openProxy(settings: StreamProxySettings): Promise<string> {
    const faults = this.faultsOf(settings.name);
    for (const toxic of settings.toxics) faults.add(toxic);
    this.#setMode(settings.name, settings.mode);
    try {
      const proxy =
        settings.protocol === "tcp"
          ? await this.#openTcp(settings, faults)
          : await this.#openUdp(settings, faults);
      this.#open.set(settings.name, proxy);
      return proxy.address;
    } catch (error) {
      this.#forget(settings.name);
      throw error;
    }
  }

  async #openTcp(settings: StreamProxySettings, faults: Faults): Promise<OpenProxy> {
    const { source, context, onEvent } = this.#options;
    let address = "";
    const onTraffic = (traffic: StreamTraffic): void => this.#ledger.add(settings, address, traffic);
    const service = new TcpProxyService(settings, { faults, onEvent, onTraffic });
    await service.start(context);
    const listener = await Listener.open(
      await source(settings.listen, settings.name),
      DEFAULT_LISTENER_OPTIONS,
      {
        onAccept: (socket) => service.accept(socket, address),
        onAcceptError: (error) => context.reporter?.onListenerError(settings.name, error),
      },
    );
    address = listener.address;
    return { address, service, stop: () => listener.close() };
  }

  async #openUdp(settings: StreamProxySettings, faults: Faults): Promise<OpenProxy> {
    const { context, onEvent, isShared } = this.#options;
    let address = "";
    const onTraffic = (traffic: StreamTraffic): void => this.#ledger.add(settings, address, traffic);
    const service = new UdpProxyService(settings, { faults, onEvent, onTraffic, reusePort: isShared });
    await service.start(context);
    address = await service.open(settings.listen);
    return { address, service, stop: () => undefined };
  }

  #closeProxy(name: string): void {
    const proxy = this.#open.get(name);
    proxy?.stop();
    proxy?.service.destroy();
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#open.delete(name);
    this.#faults.delete(name);
    this.#modes.delete(name);
  }

  /** Takes nothing new, lets what is open end by itself for at most `grace` milliseconds, and cuts the rest. */
  async drain(grace: number): Promise<void> {
    const proxies = [...this.#open.values()];
    for (const proxy of proxies) proxy.stop();
    const { promise: patience, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, grace);
    await Promise.race([Promise.all(proxies.map(({ service }) => service.drain())), patience]);
    clearTimeout(timer);
    for (const { service } of proxies) service.destroy();
    this.#open.clear();
  }
}
