import { Counters } from "../base/counters.ts";
import { describeThrown } from "../base/errors.ts";
import { parseAddress } from "../net/address.ts";
import { DEFAULT_LISTENER_OPTIONS, Listener, type ListenOn } from "../net/listener.ts";
import { inStartOrder, type Service, type ServiceContext } from "./service.ts";
import { LocalTlsSource } from "./tls/local-tls-source.ts";

/** Where a listener's socket comes from: bound here, or handed over by whoever bound it. */
export type SocketSource = (address: string) => ListenOn | Promise<ListenOn>;

const bindHere: SocketSource = (address) => ({ address: parseAddress(address) });

/** Runs services in this thread: starts them in order, opens their listeners, drains them. */
export class Server {
  readonly #services: readonly Service[];
  readonly #listeners: Listener[] = [];
  readonly #stopping = new AbortController();
  readonly #context: ServiceContext;

  /** @throws TypeError when the services' order can't be found */
  constructor(services: readonly Service[], context: Partial<Omit<ServiceContext, "signal">> = {}) {
    const { counters = Counters.local(), observer = null, reporter = null, thread = 0 } = context;
    const { signal } = this.#stopping;
    const { keyLog = null, tls = new LocalTlsSource(signal, reporter) } = context;
    this.#context = { counters, observer, reporter, thread, signal, tls, keyLog };
    const here = thread === 0 ? services : services.filter((service) => service.once !== true);
    this.#services = inStartOrder(here, thread > 0);
  }

  /** The addresses that are listened on, with the ports they got. */
  get addresses(): readonly string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** Starts every service and then opens the listeners, so that nothing is answered before all is ready. */
  async start(source: SocketSource = bindHere): Promise<void> {
    try {
      for (const service of this.#services) await this.#startService(service);
      for (const service of this.#services) {
        for (const address of service.listen) await this.#listen(service, await source(address));
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  async #startService(service: Service): Promise<void> {
    try {
      await service.start(this.#context);
    } catch (thrown) {
      throw new Error(`Service ${service.name} could not start: ${describeThrown(thrown)}`, {
        cause: thrown,
      });
    }
  }

  async #listen(service: Service, on: ListenOn): Promise<void> {
    let name = "";
    const listener = await Listener.open(
      on,
      { ...DEFAULT_LISTENER_OPTIONS, pause: service.pausesAccepted === true },
      {
        onAccept: (socket) => service.accept(socket, name),
        onAcceptError: (error) => this.#context.reporter?.onListenerError(name, error),
      },
    );
    name = listener.address;
    this.#listeners.push(listener);
  }

  /** Stops accepting and lets what is under way finish, for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    this.#stopping.abort();
    for (const listener of this.#listeners) listener.close();
    const { promise: patience, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, grace);
    await Promise.race([this.#drainServices(), patience]);
    clearTimeout(timer);
    this.destroy();
  }

  /** Each once those that depend on it are drained: what they stand on stays until they are done. */
  async #drainServices(): Promise<void> {
    const drained = new Map<string, Promise<void>>();
    for (const service of this.#services.toReversed()) {
      const dependents = this.#services.filter((other) => other.dependsOn?.includes(service.name));
      const before = dependents.map((other) => drained.get(other.name));
      drained.set(service.name, this.#drainService(service, before));
    }
    await Promise.all(drained.values());
  }

  async #drainService(service: Service, before: readonly unknown[]): Promise<void> {
    if (before.length > 0) await Promise.all(before);
    try {
      await service.drain();
    } catch (thrown) {
      this.#context.reporter?.onServiceError(service.name, thrown);
    }
  }

  /** Ends everything now. */
  destroy(): void {
    this.#stopping.abort();
    for (const listener of this.#listeners) listener.close();
    for (const service of this.#services) service.destroy();
  }
}
