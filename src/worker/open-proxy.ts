import { isDeepStrictEqual } from "node:util";
import type { Faults } from "../chaos/faults.ts";
import { parseAddress } from "../net/address.ts";
import type { BoundElsewhere } from "../net/listener.ts";
import type { TlsSource } from "../net/tls/listener-settings.ts";
import { UdpSocket } from "../net/udp-socket.ts";
import type { PluginSet } from "../plugins/plugin-set.ts";
import type { ServiceContext } from "../proxy/service.ts";
import type {
  ConnectionState,
  StreamEvent,
  StreamProxySettings,
  StreamTraffic,
} from "../proxy/stream-proxy.ts";
import { TcpProxyService } from "../proxy/tcp-proxy-service.ts";
import type { StreamServiceOptions } from "../proxy/tcp-relays.ts";
import { UdpProxyService } from "../proxy/udp-proxy-service.ts";
import type { ProxyTrafficLedger } from "./proxy-traffic.ts";
import { TcpDoor } from "./tcp-door.ts";

/** Where the socket of a TCP proxy comes from; `owner` is the proxy it is for. */
type StreamSource = (address: string, owner: string) => Promise<BoundElsewhere>;

/** A proxy that runs in this thread, or is ready to. */
export interface OpenProxy {
  /** The bound one. */
  readonly address: string;
  readonly settings: StreamProxySettings;
  /** Begins to take connections, in the place of the one that it was made to follow. */
  open(): Promise<void>;
  /** It is never opened. */
  abandon(): void;
  /** Takes no new connections. */
  stop(): void;
  connections(): ConnectionState[];
  cut(id?: string): void;
  /** Kept when all connections have ended by themselves. */
  drain(): Promise<void>;
  /** Others are about to listen on the address. */
  keepSessions(): Promise<void>;
  /** The same as `drain`, where others listen on the address from now on. */
  retire(): Promise<void>;
  destroy(): void;
}

/** Whether a proxy is just as it should be, but for its faults, which are changed by themselves. */
export function isAsBefore(proxy: OpenProxy, settings: StreamProxySettings): boolean {
  return isInPlace(proxy, settings) && isDeepStrictEqual(lasting(proxy.settings), lasting(settings));
}

/** Whether it listens where it should. */
export function isInPlace(proxy: OpenProxy, { protocol, listen }: StreamProxySettings): boolean {
  return (
    proxy.settings.protocol === protocol && (listen === proxy.settings.listen || listen === proxy.address)
  );
}

function lasting(settings: StreamProxySettings): object {
  const { toxics: _, mode: __, listen: ___, ...rest } = settings;
  return rest;
}

export interface StreamOpenerOptions {
  readonly source: StreamSource;
  readonly context: ServiceContext;
  /** All that proxies name are there. */
  readonly plugins: Pick<PluginSet, "row">;
  /** True when other threads open the same proxies. */
  readonly isShared: boolean;
  readonly onEvent: (event: StreamEvent) => void;
}

/** How one proxy is to be opened. */
export interface Opening {
  readonly faults: Faults;
  /** Where it gets its TLS from. */
  readonly tls: TlsSource;
  /** The one on the same address whose place it takes; null: there is none. */
  readonly before: OpenProxy | null;
  /** True in the thread that finds out whether the address can be had. */
  readonly isFirst: boolean;
}

/** Makes the proxies of one thread. */
export class StreamOpener {
  readonly #options: StreamOpenerOptions;
  readonly #ledger: ProxyTrafficLedger;

  constructor(options: StreamOpenerOptions, ledger: ProxyTrafficLedger) {
    this.#options = options;
    this.#ledger = ledger;
  }

  /** Rejects when its address can't be listened on, or it can't be otherwise. */
  async create(settings: StreamProxySettings, opening: Opening): Promise<OpenProxy> {
    return settings.protocol === "tcp"
      ? await this.#createTcp(settings, opening)
      : await this.#createUdp(settings, opening);
  }

  #serviceOptions(
    settings: StreamProxySettings,
    { faults }: Opening,
    address: () => string,
  ): StreamServiceOptions {
    const onTraffic = (traffic: StreamTraffic): void => this.#ledger.add(settings, address(), traffic);
    const { onEvent, plugins, context } = this.#options;
    const onPluginFailed = (error: Error): void => context.reporter?.onServiceError(settings.name, error);
    return { faults, onEvent, onTraffic, plugins: plugins.row(settings.plugins), onPluginFailed };
  }

  async #createTcp(settings: StreamProxySettings, opening: Opening): Promise<OpenTcp> {
    const { source, context } = this.#options;
    const { before, tls } = opening;
    const options = this.#serviceOptions(settings, opening, () => proxy.address);
    const service = new TcpProxyService(settings, options);
    await service.start({ ...context, tls });
    const door =
      before instanceof OpenTcp
        ? before.door
        : new TcpDoor(await source(settings.listen, settings.name), (error) =>
            context.reporter?.onListenerError(settings.name, error),
          );
    const proxy = new OpenTcp(settings, service, door, before instanceof OpenTcp ? before : null);
    return proxy;
  }

  async #createUdp(settings: StreamProxySettings, opening: Opening): Promise<OpenUdp> {
    const { context, isShared } = this.#options;
    const { before, isFirst } = opening;
    const options = this.#serviceOptions(settings, opening, () => proxy.address);
    const service = new UdpProxyService(settings, { ...options, reusePort: isShared });
    await service.start(context);
    if (before instanceof OpenUdp) {
      // That it could be made is all that was to be known.
      service.destroy();
      return new OpenUdp(settings, before.service, before.address, "taken over");
    }
    const proxy: OpenUdp = isShared
      ? new OpenUdp(settings, service, isFirst ? await findFree(settings.listen) : settings.listen, "to bind")
      : new OpenUdp(settings, service, await service.open(settings.listen), "bound");
    return proxy;
  }
}

/** Sockets that share a port are no error to the kernel, whoever has the others. */
async function findFree(listen: string): Promise<string> {
  const nobody = { onDatagram: () => undefined, onDatagramError: () => undefined };
  const socket = await UdpSocket.bind(parseAddress(listen), nobody, { reusePort: false });
  const { address } = socket;
  socket.close();
  return address;
}

class OpenTcp implements OpenProxy {
  readonly settings: StreamProxySettings;
  readonly service: TcpProxyService;
  readonly door: TcpDoor;
  readonly #before: OpenTcp | null;
  /** What connections go through that began with other settings. */
  #earlier: Set<TcpProxyService>;

  constructor(
    settings: StreamProxySettings,
    service: TcpProxyService,
    door: TcpDoor,
    before: OpenTcp | null,
  ) {
    this.settings = settings;
    this.service = service;
    this.door = door;
    this.#before = before;
    this.#earlier = before === null ? new Set() : before.#earlier;
  }

  get address(): string {
    return this.door.address;
  }

  async open(): Promise<void> {
    const before = this.#before?.service;
    if (before === undefined) await this.door.open(this.service);
    else {
      const earlier = this.#earlier;
      this.service.continue(before, () => earlier.values().reduce((sum, { size }) => sum + size, 0));
      this.door.lead(this.service);
      void this.#outlive(before);
    }
  }

  async #outlive(service: TcpProxyService): Promise<void> {
    this.#earlier.add(service);
    await service.drain();
    service.destroy();
    this.#earlier.delete(service);
  }

  abandon(): void {
    this.service.destroy();
    if (this.#before === null) this.door.close();
  }

  stop(): void {
    this.door.close();
  }

  get #all(): TcpProxyService[] {
    return [...this.#earlier, this.service];
  }

  connections(): ConnectionState[] {
    return this.#all.flatMap((service) => service.connections());
  }

  cut(id?: string): void {
    for (const service of this.#all) service.cut(id);
  }

  async drain(): Promise<void> {
    await Promise.all(this.#all.map((service) => service.drain()));
  }

  /** Connections belong to whom they were given. */
  async keepSessions(): Promise<void> {}

  retire(): Promise<void> {
    return this.drain();
  }

  destroy(): void {
    for (const service of this.#all) service.destroy();
  }
}

/** How the socket of a UDP proxy is come by: another's is taken over, or it has one of its own, bound now or when it is opened. */
type UdpSocketOrigin = "taken over" | "bound" | "to bind";

class OpenUdp implements OpenProxy {
  readonly settings: StreamProxySettings;
  readonly service: UdpProxyService;
  #address: string;
  readonly #origin: UdpSocketOrigin;

  constructor(
    settings: StreamProxySettings,
    service: UdpProxyService,
    address: string,
    origin: UdpSocketOrigin,
  ) {
    this.settings = settings;
    this.service = service;
    this.#address = address;
    this.#origin = origin;
  }

  get address(): string {
    return this.#address;
  }

  async open(): Promise<void> {
    if (this.#origin === "to bind") this.#address = await this.service.open(this.#address);
    else if (this.#origin === "taken over") this.service.change(this.settings);
  }

  abandon(): void {
    if (this.#origin !== "taken over") this.service.destroy();
  }

  stop(): void {}

  connections(): ConnectionState[] {
    return this.service.connections();
  }

  cut(id?: string): void {
    this.service.cut(id);
  }

  drain(): Promise<void> {
    return this.service.drain();
  }

  keepSessions(): Promise<void> {
    return this.service.keepSessions();
  }

  retire(): Promise<void> {
    return this.service.retire();
  }

  destroy(): void {
    this.service.destroy();
  }
}
