import { Counters } from "../base/counters.ts";
import { describeThrown } from "../base/errors.ts";
import { within } from "../base/within.ts";
import { parseAddress } from "../net/address.ts";
import {
  closeUnused,
  DEFAULT_LISTENER_OPTIONS,
  Listener,
  type ListenerEvents,
  type ListenOn,
} from "../net/listener.ts";
import { inStartOrder, type Service, type ServiceContext } from "./service.ts";
import { LocalTlsSource } from "./tls/local-tls-source.ts";

/**
 * Where a listener's socket comes from: bound here, or handed over by whoever bound it. `owner` tells listeners on the same
 * address apart, and is the same in all threads.
 */
export type SocketSource = (address: string, owner: string) => ListenOn | Promise<ListenOn>;

const bindHere: SocketSource = (address) => ({ address: parseAddress(address) });

/** A place where somebody answers, be it the one or the other. */
interface Place {
  readonly owner: string;
  readonly on: ListenOn;
  service: Service;
  /** The bound address; "" as long as it isn't known. */
  name: string;
  /** Null while it is only got ready. */
  listener: Listener | null;
  /** True once listening was tried: from then on descriptors are Node's to close. */
  isUsed: boolean;
}

/** Other services that are ready to run in the place of those that do. */
export interface Succession {
  /** Theirs, once they run. */
  readonly addresses: readonly string[];
  /**
   * At once. Whoever has no successor takes nothing new.
   * @param grace milliseconds that those get to finish what they have
   */
  commit(grace: number): void;
  /** All stays as it is. */
  abandon(): void;
}

type ServerContext = Partial<Omit<ServiceContext, "signal">>;

/** Runs services in this thread: starts them in order, opens their listeners, drains them. */
export class Server {
  #services: readonly Service[];
  #context: ServiceContext;
  readonly #places: Place[] = [];
  /** Services without a successor that finish what they have. */
  readonly #leaving = new Set<Service>();
  readonly #stopping = new AbortController();

  /** @throws TypeError when the services' order can't be found */
  constructor(services: readonly Service[], context: ServerContext = {}) {
    this.#context = this.#complete(context);
    this.#services = this.#inOrder(services);
  }

  #complete(context: ServerContext): ServiceContext {
    const { counters = Counters.local(), observer = null, reporter = null, thread = 0 } = context;
    const { signal } = this.#stopping;
    const { keyLog = null, tls = new LocalTlsSource(signal, reporter) } = context;
    return { ...context, counters, observer, reporter, thread, signal, tls, keyLog };
  }

  #inOrder(services: readonly Service[]): Service[] {
    const isFirst = this.#context.thread === 0;
    const here = isFirst ? services : services.filter((service) => service.once !== true);
    return inStartOrder(here, !isFirst);
  }

  /** The addresses that are listened on, with the ports they got. */
  get addresses(): readonly string[] {
    return this.#places.map(({ name }) => name);
  }

  /** Owners of sockets that are listened on, with the addresses. */
  get holdings(): readonly (readonly [owner: string, address: string])[] {
    return this.#places.map((place) => [place.owner, place.name]);
  }

  /** Starts every service and then opens the listeners, so that nothing is answered before all is ready. */
  async start(source: SocketSource = bindHere): Promise<void> {
    await this.prepare(source);
    await this.open();
  }

  /** All of `start` but that nothing is listened on yet. */
  async prepare(source: SocketSource = bindHere): Promise<void> {
    try {
      for (const service of this.#services) await startService(service, this.#context);
      for (const wanted of placesOf(this.#services)) this.#places.push(await toPlace(wanted, source));
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  async open(): Promise<void> {
    try {
      for (const place of this.#places) {
        place.isUsed = true;
        place.listener = await Listener.open(place.on, ...this.#listening(place));
        place.name = place.listener.address;
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** Connections go to whoever is in that place when they come. */
  #listening(place: Place): [typeof DEFAULT_LISTENER_OPTIONS, ListenerEvents] {
    const onAcceptError = (error: Error): void => this.#context.reporter?.onListenerError(place.name, error);
    const events: ListenerEvents = {
      onAccept: (socket) => place.service.accept(socket, place.name),
      onAcceptError,
    };
    return [{ ...DEFAULT_LISTENER_OPTIONS, pause: place.service.pausesAccepted === true }, events];
  }

  // ── others in their place ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Gets other services ready to take the place of these. A listener stays open where one of them listens on its address,
   * and its connections go on.
   * Rejects with what is wrong; then all is as it was.
   * @throws TypeError when the services' order can't be found
   */
  async succeed(
    services: readonly Service[],
    context: ServerContext,
    source: SocketSource,
  ): Promise<Succession> {
    const complete = this.#complete(context);
    const ordered = this.#inOrder(services);
    const wanted = placesOf(ordered);
    const added: Place[] = [];
    const staying = new Map<Place, Service>();
    const heirs = new Map<Service, Service>();
    const abandon = (): void => {
      for (const service of ordered) service.destroy();
      for (const place of added) giveUp(place);
    };
    try {
      for (const { owner, service } of wanted) {
        const place = this.#places.find((known) => known.owner === owner);
        if (place === undefined) continue;
        staying.set(place, service);
        if (service.succeed?.(place.service) === true) heirs.set(place.service, service);
      }
      for (const service of ordered) await startService(service, complete);
      for (const want of wanted) {
        const isNew = !this.#places.some(({ owner }) => owner === want.owner);
        if (isNew) added.push(await toPlace(want, source));
      }
    } catch (error) {
      abandon();
      throw error;
    }
    const commit = (grace: number): void => {
      this.#context = complete;
      this.#exchange(ordered, { staying, added, heirs }, grace);
    };
    return { addresses: [...staying.keys(), ...added].map(({ name }) => name), commit, abandon };
  }

  #exchange(ordered: readonly Service[], { staying, added, heirs }: Exchange, grace: number): void {
    const leaving = this.#services.filter((service) => !heirs.has(service));
    for (const place of this.#places.splice(0)) {
      const heir = staying.get(place);
      if (heir === undefined) place.listener?.close();
      else {
        place.service = heir;
        this.#places.push(place);
      }
    }
    for (const service of heirs.values()) service.takeOver?.();
    this.#services = ordered;
    for (const place of added) {
      if (!("fds" in place.on)) throw new TypeError("A socket has to be bound before others take a place");
      place.isUsed = true;
      place.listener = Listener.openNow(place.on, ...this.#listening(place));
      this.#places.push(place);
    }
    void this.#seeOff(leaving, grace);
  }

  /** Lets services finish that nobody follows. */
  async #seeOff(services: readonly Service[], grace: number): Promise<void> {
    for (const service of services) this.#leaving.add(service);
    await within(
      grace,
      this.#endServices(services, (service) => service.drain()),
    );
    for (const service of services) {
      service.destroy();
      this.#leaving.delete(service);
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Stops accepting, because others do so on the same sockets, and lets what stands end by itself, however long that takes.
   * It isn't a shutdown: the services' signal is given only when all is over, or when it becomes one.
   */
  async retire(): Promise<void> {
    for (const { listener } of this.#places) listener?.close();
    const all = [...this.#leaving, ...this.#services];
    await this.#endServices(all, (service) => service.retire?.() ?? service.drain());
    this.destroy();
  }

  /** Stops accepting and lets what is under way finish, for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    this.#stopping.abort();
    for (const { listener } of this.#places) listener?.close();
    const all = [...this.#leaving, ...this.#services];
    await within(
      grace,
      this.#endServices(all, (service) => service.drain()),
    );
    this.destroy();
  }

  /** Each once those that depend on it are done: what they stand on stays until then. */
  async #endServices(services: readonly Service[], end: (service: Service) => Promise<void>): Promise<void> {
    const ended = new Map<Service, Promise<void>>();
    for (const service of services.toReversed()) {
      const dependents = services.filter((other) => other.dependsOn?.includes(service.name));
      const before = dependents.map((other) => ended.get(other));
      ended.set(service, this.#endService(service, end, before));
    }
    await Promise.all(ended.values());
  }

  async #endService(
    service: Service,
    end: (service: Service) => Promise<void>,
    before: readonly unknown[],
  ): Promise<void> {
    if (before.length > 0) await Promise.all(before);
    try {
      await end(service);
    } catch (thrown) {
      this.#context.reporter?.onServiceError(service.name, thrown);
    }
  }

  /** Ends everything now. */
  destroy(): void {
    this.#stopping.abort();
    for (const place of this.#places) {
      place.listener?.close();
      giveUp(place);
    }
    for (const service of [...this.#leaving, ...this.#services]) service.destroy();
  }
}

/** Who takes which place. */
interface Exchange {
  readonly staying: ReadonlyMap<Place, Service>;
  readonly added: readonly Place[];
  /** By those whose connections they take over. */
  readonly heirs: ReadonlyMap<Service, Service>;
}

interface WantedPlace {
  readonly address: string;
  readonly owner: string;
  readonly service: Service;
}

/** Listeners on the same address are told apart by their order, and on ports that the kernel chooses by their names first. */
function placesOf(services: readonly Service[]): WantedPlace[] {
  const asked = new Map<string, number>();
  return services.flatMap((service) =>
    service.listen.map((address) => {
      const wanted = hasOwnPort(address) ? `${address} ${service.name}` : address;
      const nth = asked.get(wanted) ?? 0;
      asked.set(wanted, nth + 1);
      return { address, owner: `${wanted} ${nth}`, service };
    }),
  );
}

function hasOwnPort(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed.kind === "tcp" && parsed.port === 0;
}

async function toPlace({ address, owner, service }: WantedPlace, source: SocketSource): Promise<Place> {
  const on = await source(address, owner);
  return { owner, on, service, name: "fds" in on ? on.boundTo : "", listener: null, isUsed: false };
}

/** A descriptor that was lent is ours to close. */
function giveUp(place: Place): void {
  if (place.isUsed || !("fds" in place.on)) return;
  place.isUsed = true;
  closeUnused(place.on);
}

async function startService(service: Service, context: ServiceContext): Promise<void> {
  try {
    await service.start(context);
  } catch (thrown) {
    throw new Error(`Service ${service.name} could not start: ${describeThrown(thrown)}`, { cause: thrown });
  }
}
