import type { Logger } from "pino";
import { Counters } from "../base/counters.ts";
import { seededRandom } from "../base/random.ts";
import type { ListenOn } from "../net/listener.ts";
import { enableFips } from "../net/tls/fips.ts";
import { openKeyLog } from "../net/tls/key-log.ts";
import { AccessLog } from "../observe/access-log.ts";
import { createErrorLog, ErrorLogReporter } from "../observe/error-log.ts";
import { LogSink } from "../observe/log-sink.ts";
import { Server } from "../proxy/server.ts";
import type { ServiceContext } from "../proxy/service.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import { watchIdentities } from "../upstream/identity-files.ts";
import type { PeerOptions } from "../upstream/peer.ts";
import { tlsMeans } from "../upstream/peer-tls.ts";
import { buildServices } from "./build-services.ts";
import { EventFeed } from "./event-feed.ts";
import { ListenerFaultTable } from "./listener-faults.ts";
import type { WorkerStart } from "./messages.ts";
import { OrderedTls, type TlsAsker } from "./ordered-tls.ts";
import type { Order } from "./orders.ts";
import { RemoteLimits } from "./remote-limits.ts";
import { type RunSpec, routedSnapshot } from "./run-spec.ts";
import { ServerGroups } from "./server-groups.ts";
import { StreamProxies } from "./stream-proxies.ts";
import { loadToxics } from "./toxic-modules.ts";

/** Where sockets to listen on come from; `owner` tells listeners on the same address apart. */
type BoundSocketSource = (address: string, owner: string) => Promise<ListenOn>;

/** What a data plane asks of the control plane, and tells it. */
export interface ControlLink {
  readonly socket: BoundSocketSource;
  readonly tls: TlsAsker;
  /** Sends what happened to whoever watches. */
  sendEvents(events: readonly StreamEvent[], dropped: number): void;
}

/**
 * Everything that one thread of the data plane runs: services, their listeners and their logs; and the proxies that
 * come and go by order.
 */
export class DataPlane {
  readonly #server: Server;
  readonly #proxies: StreamProxies;
  readonly #faults: ListenerFaultTable;
  readonly #groups: ServerGroups;
  readonly #limits: RemoteLimits;
  readonly #tls: OrderedTls;
  readonly #events: EventFeed;
  readonly #accessSink: LogSink | null;
  readonly #stopping: AbortController;

  private constructor(parts: {
    readonly server: Server;
    readonly proxies: StreamProxies;
    readonly faults: ListenerFaultTable;
    readonly groups: ServerGroups;
    readonly limits: RemoteLimits;
    readonly tls: OrderedTls;
    readonly events: EventFeed;
    readonly accessSink: LogSink | null;
    readonly stopping: AbortController;
  }) {
    this.#server = parts.server;
    this.#proxies = parts.proxies;
    this.#faults = parts.faults;
    this.#groups = parts.groups;
    this.#limits = parts.limits;
    this.#tls = parts.tls;
    this.#events = parts.events;
    this.#accessSink = parts.accessSink;
    this.#stopping = parts.stopping;
  }

  /** Builds the services and opens their listeners. Rejects with what is wrong, having opened nothing. */
  static async start(start: WorkerStart, control: ControlLink): Promise<DataPlane> {
    const { spec, thread, standing } = start;
    if (spec.fips === true) enableFips();
    loadToxics(spec.toxics ?? []);
    const log = await createErrorLog(spec.errorLog, `worker ${thread}`);
    const sink = spec.accessLog === null ? null : new LogSink(spec.accessLog.path);
    const stopping = new AbortController();
    const tls = new OrderedTls(control.tls);
    const context = contextOf(start, { log, sink, tls, signal: stopping.signal });
    const events = new EventFeed((happened, dropped) => control.sendEvents(happened, dropped));
    events.watch(standing.watched);
    const proxies = new StreamProxies({
      source: (address, owner) => control.socket(address, ownerOfProxy(owner)),
      context: { ...context, tls: tls.renamed(ownerOfProxy) },
      seed: spec.seed,
      isShared: start.threads > 1,
      onEvent: (event) => events.add(event),
    });
    const faults = new ListenerFaultTable(
      (listener) => proxies.faultsOf(listener),
      `${spec.seed}/${thread}`,
      start.shared.faultCounts,
    );
    const groups = new ServerGroups(start);
    const limits = new RemoteLimits(start, log);
    await watchIdentities(peersTlsOf(spec), tls);
    const services = await buildServices(spec, {
      ...{ faults, thread: start.row, groups: groups.byName, limits: start.shared.limits },
      ...{ toLimiter: limits.toLimiter, counters: context.counters },
      random: seededRandom(`${spec.seed}/${thread}/routes`),
    });
    await limits.begun();
    const server = new Server(services, context);
    await server.start(numbered(control.socket));
    await proxies.catchUp(standing);
    for (const { name, switched } of standing.listeners) faults.catchUp(name, switched);
    return new DataPlane({
      server,
      proxies,
      faults,
      groups,
      limits,
      tls,
      events,
      accessSink: sink,
      stopping,
    });
  }

  get addresses(): readonly string[] {
    return this.#server.addresses;
  }

  /** Does what is ordered; the answer is plain data. Rejects, having changed nothing, when it can't. */
  async obey(order: Order): Promise<unknown> {
    switch (order.do) {
      case "watch":
        this.#events.watch(order.on);
        return null;
      case "setServers":
        this.#groups.setServers(order);
        return null;
      case "setTls":
        this.#tls.set(order.owner, order.material);
        return null;
      case "close":
        this.#tls.close(ownerOfProxy(order.proxy));
        return await this.#proxies.obey(order);
      case "httpFaults":
        return this.#faults.list(order.listener);
      case "setHttpFault":
        this.#faults.setEnabled(order.listener, order.fault, order.enabled);
        return null;
      default:
        return await this.#proxies.obey(order);
    }
  }

  /** Lets what is under way finish, for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#server.drain(grace), this.#proxies.drain(grace)]);
    this.#limits.close();
    await this.#accessSink?.close();
  }
}

interface ThreadMeans {
  readonly log: Logger;
  readonly sink: LogSink | null;
  readonly tls: OrderedTls;
  readonly signal: AbortSignal;
}

function contextOf(
  { spec, thread, row, counters }: WorkerStart,
  { log, sink, tls, signal }: ThreadMeans,
): ServiceContext {
  const observer =
    sink === null || spec.accessLog === null ? null : new AccessLog(sink, spec.accessLog.format);
  const reporter = new ErrorLogReporter(log);
  const keyLog = spec.keyLog === undefined ? null : openKeyLog(spec.keyLog);
  tlsMeans.keyLog = keyLog;
  return {
    counters: new Counters(counters, row),
    observer,
    reporter,
    thread,
    signal,
    tls,
    keyLog,
  };
}

/** How TLS is spoken with servers, by what the configuration says. */
function peersTlsOf(spec: RunSpec): PeerOptions["tls"][] {
  const upstreams = routedSnapshot(spec)?.upstreams ?? [];
  const proxies = spec.snapshot?.proxies ?? [];
  return [
    ...upstreams.map(({ peer }) => peer.tls),
    ...proxies.map(({ upstreamTls }) => upstreamTls ?? false),
  ];
}

/** Listeners on the same address are told apart by their order, which is the same in all threads. */
function numbered(source: BoundSocketSource): (address: string) => Promise<ListenOn> {
  const asked = new Map<string, number>();
  return (address) => {
    const nth = asked.get(address) ?? 0;
    asked.set(address, nth + 1);
    return source(address, `${address} ${nth}`);
  };
}

/** Listeners may be called as TCP and UDP proxies are. */
function ownerOfProxy(name: string): string {
  return `proxy ${name}`;
}
