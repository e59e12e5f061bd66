import type { Logger } from "pino";
import { idleAlarms } from "../base/alarms.ts";
import type { CounterName } from "../base/counters.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { ListenerSettings } from "../config/snapshot.ts";
import type { BoundElsewhere } from "../net/listener.ts";
import { TrafficKeeper, type TrafficStats } from "../observe/traffic/traffic-keeper.ts";
import { renewPeerTls } from "../upstream/peer-tls-files.ts";
import { CacheReports } from "../worker/cache-reports.ts";
import type { LoadedModule } from "../worker/loaded-modules.ts";
import type { Order } from "../worker/orders.ts";
import { type RunSpec, routedSnapshot, trafficOf } from "../worker/run-spec.ts";
import { allocateSharedMemory, openGroupMemory, type SharedMemory } from "../worker/shared-memory.ts";
import { loadToxics } from "../worker/toxic-modules.ts";
import { CacheKeepers } from "./cache-keepers.ts";
import { type Caches, SharedCaches } from "./caches.ts";
import { findServers } from "./find-servers.ts";
import { type Limits, SharedLimits } from "./limits.ts";
import type { Engine, GenerationStatus } from "./planes.ts";
import { pluginPlace } from "./plugin-place.ts";
import { PluginKeepers, type Plugins } from "./plugins.ts";
import { Proxies } from "./proxies.ts";
import type { ProxyTrafficSource } from "./proxy-traffic-source.ts";
import type { PreparePart } from "./reload/part.ts";
import { NOTHING_STEERED } from "./reload/proxies-change.ts";
import type { ReloadPreview, RunReport } from "./reload/report.ts";
import { type RunParts, RunReload } from "./reload/run-reload.ts";
import { type Share, SocketKeeper } from "./sockets.ts";
import type { Steering } from "./steering.ts";
import { Supervisor } from "./supervisor.ts";
import { TlsKeepers } from "./tls-keepers.ts";
import type { Estate } from "./upgrade/estate.ts";
import { type Inheritance, toInheritance } from "./upgrade/inheritance.ts";
import { ProxyMemory, toProxyMemory } from "./upgrade/proxy-memory.ts";
import { toUpstreamMemory } from "./upgrade/upstream-memory.ts";
import { logUpstreams } from "./upstream-log.ts";
import { KeptUpstreams, type Upstreams } from "./upstreams.ts";
import type { Keepers } from "./worker-handle.ts";

/** A running data plane, whether in worker threads or in this one. */
export interface Running {
  /** What is listened on, by listeners and by TCP and UDP proxies. */
  readonly addresses: readonly string[];
  readonly counters: Record<CounterName, number>;
  /** Its proxies and their faults. */
  readonly steering: Steering;
  /** How much its TCP and UDP proxies have moved. */
  readonly traffic: ProxyTrafficSource;
  /** What passes its listeners, routes and upstreams, and whose it is. */
  readonly stats: TrafficStats;
  /** The groups of servers of its configuration; none where a program chooses servers. */
  readonly upstreams: Upstreams;
  readonly limits: Limits;
  readonly caches: Caches;
  /** What caches have on disk that belongs to whoever the process is. */
  readonly cacheFiles: readonly string[];
  /** What listeners and routes have bytes and heads go through. */
  readonly plugins: Plugins;
  /** What is run. */
  readonly spec: RunSpec;
  /** The threads that take connections, and those before them that finish what they have. */
  readonly generations: readonly GenerationStatus[];
  /** The files that programs and toxics were loaded from. */
  readonly modules: readonly LoadedModule[];
  /**
   * Runs something else: all of it, or, when it rejects with what is wrong, nothing of it. One at a time.
   * @param others what runs beside it and is to be changed with it
   */
  reload(spec: RunSpec, threads: number, others?: readonly PreparePart[]): Promise<RunReport>;
  /** Kept when nothing is reloaded; whoever wants to waits until the function is called that it is kept with. */
  pause(): Promise<() => void>;
  /** What `reload` would do. Rejects with what is wrong, as far as that can be told without doing it. */
  preview(spec: RunSpec, threads: number): Promise<ReloadPreview>;
  /**
   * A socket for what runs beside the data plane, the caller's to close. Rejects, in words for people, when there is none.
   * @param isPrivate a Unix socket is for nobody but its user
   */
  lend(address: string, owner: string, isPrivate?: boolean): Promise<BoundElsewhere>;
  /** It isn't listened on any more: no successor gets it. @param boundTo as `lend` told */
  giveBack(owner: string, boundTo: string): Promise<void>;
  /** What a process gets that takes this one's place; the descriptors are the caller's to close. */
  estate(): Promise<Estate>;
  /** Another process listens on its sockets from now on: their files aren't this one's any more. */
  succeed(): void;
  /** Kept when all threads have shown that they do what they are told; a thread that is being replaced needn't. */
  answered(): Promise<void>;
  /** Lets requests finish for at most `grace` milliseconds, then ends. */
  drain(grace: number): Promise<void>;
  /** As `drain`, while another process listens on the same sockets: connections end when that costs nobody anything. */
  retire(grace: number): Promise<void>;
  /** Ends now. */
  stop(): Promise<void>;
}

/**
 * @param threads 0 runs the data plane in the calling thread
 * @param inherited what is there from the process whose place this one takes
 */
export async function startRunning(
  spec: RunSpec,
  threads: number,
  log: Logger,
  inherited: Inheritance = toInheritance(null),
): Promise<Running> {
  const assembly = await assemble(spec, threads, log, inherited);
  const listening = await startAll(assembly, inherited);
  return toRunning(assembly, new RunReload(assembly, { spec, shared: assembly.shared, threads }, listening));
}

/** All that the main thread has for a data plane. */
interface Assembly extends RunParts {
  readonly spec: RunSpec;
  readonly shared: SharedMemory;
  readonly sockets: SocketKeeper;
  readonly traffic: TrafficKeeper;
}

async function assemble(
  spec: RunSpec,
  threads: number,
  log: Logger,
  inherited: Inheritance,
): Promise<Assembly> {
  loadToxics(spec.toxics ?? []);
  const shared = allocateSharedMemory(spec, Math.max(threads, 1));
  const tls = new TlsKeepers(log, idleAlarms, inherited.memories["tickets"]);
  const sockets = new SocketKeeper(inherited.sockets);
  const traffic = new TrafficKeeper(trafficOf(spec));
  const cacheKeepers = new CacheKeepers(log, inherited.predecessor);
  const keepers: Keepers = { sockets, tls, traffic, caches: cacheKeepers };
  const engine: Engine =
    threads === 0
      ? await createLocalPlane(spec, shared, keepers, log)
      : new Supervisor(spec, shared, keepers, log);
  tellMaterial(tls, engine, log);
  const plugins = new PluginKeepers(log, shared.rows);
  traffic.others = () => plugins.plugins().map(pluginPlace);
  plugins.onPlugin = (plugin) => orderAll(engine, { do: "setPlugin", plugin });
  const proxies = new Proxies(engine, createRegistry());
  const upstreams = keepUpstreams(spec, shared, engine, log);
  engine.standing = () => ({
    ...proxies.standing,
    upstreams: upstreams.standing,
    plugins: plugins.standing,
  });
  const limits = new SharedLimits(routedSnapshot(spec), shared.limits);
  const caches = new SharedCaches(spec, shared, new CacheReports(() => log));
  const parts = { engine, proxies, upstreams, limits, caches, cacheKeepers, tls, plugins, log };
  return { spec, shared, sockets, traffic, ...parts };
}

function toRunning(assembly: Assembly, reload: RunReload): Running {
  const { engine, proxies, upstreams, limits, caches, tls, plugins, sockets, traffic } = assembly;
  const quiet = (): void => {
    for (const part of [upstreams, plugins, traffic]) part.stop();
  };
  return {
    get addresses() {
      return [
        ...reload.listening,
        ...proxies.list().flatMap((proxy) => (proxy.protocol === "http" ? [] : [proxy.listen])),
      ];
    },
    get counters() {
      return engine.counters;
    },
    steering: proxies,
    traffic: proxies,
    stats: traffic,
    upstreams,
    limits,
    caches,
    plugins,
    get spec() {
      return reload.spec;
    },
    get generations() {
      return engine.generations;
    },
    get modules() {
      return engine.modules;
    },
    reload: (next, threads, others) => reload.reload(next, threads, others),
    pause: () => reload.pause(),
    preview: (next, threads) => reload.preview(next, threads),
    lend: (address, owner, isPrivate) => sockets.lend(address, BESIDE, owner, isPrivate),
    giveBack: (owner, boundTo) => sockets.release(owner, boundTo),
    estate: async () => ({
      memories: {
        tickets: await tls.tickets(),
        upstreams: toUpstreamMemory(upstreams.list()),
        proxies: toProxyMemory(proxies.list(), proxies.standing.listeners, reload.spec.snapshot),
      },
      // Last: descriptors are the caller's only once he has them.
      sockets: await sockets.handOver(),
    }),
    succeed: () => {
      sockets.succeed();
      // The other process waits for them.
      void assembly.cacheKeepers.close();
    },
    get cacheFiles() {
      return assembly.cacheKeepers.files;
    },
    answered: () => orderAll(engine, { do: "ping" }),
    async drain(grace) {
      engine.giveUp();
      await reload.close();
      quiet();
      await engine.drain(grace);
      await leaveCaches(assembly);
    },
    async retire(grace) {
      engine.giveUp();
      await reload.close();
      quiet();
      await engine.retire(grace);
      await leaveCaches(assembly);
    },
    async stop() {
      void reload.close();
      quiet();
      await engine.stop();
      await leaveCaches(assembly);
    },
  };
}

/** All threads are gone: what they have stored and removed is as it should be on the disk, and others may have it. */
async function leaveCaches({ caches, cacheKeepers }: Assembly): Promise<void> {
  await caches.close();
  await cacheKeepers.close();
}

/** Beside the data plane there is one thread. */
const BESIDE: Share = { thread: 0, threads: 1 };

/** Worker threads load the data plane themselves: it is loaded here only to run here. */
async function createLocalPlane(
  spec: RunSpec,
  shared: SharedMemory,
  keepers: Keepers,
  log: Logger,
): Promise<Engine> {
  const { LocalPlane } = await import("./local-plane.ts");
  return new LocalPlane(spec, shared, keepers, log);
}

/** Resolves with what is listened on by listeners. Rejects with what is wrong, having ended what was begun. */
async function startAll(assembly: Assembly, { memories, end }: Inheritance): Promise<readonly string[]> {
  const { spec, shared, engine, proxies, upstreams, plugins, traffic, cacheKeepers, log } = assembly;
  const listeners = listenersOf(spec);
  const memory = new ProxyMemory(memories["proxies"]);
  for (const listener of listeners) {
    const { toxics, mode } = memory.faultsOf(listener);
    proxies.adopt(listener.name, listener.bind, toxics, mode);
  }
  try {
    const plugged = await plugins.stage(spec.snapshot?.plugins ?? []);
    await plugged.commit();
    const folders = await cacheKeepers.stage(routedSnapshot(spec)?.caches ?? [], shared.caches);
    await folders.commit();
    await findServers(upstreams.find(), log);
    upstreams.remember(memories["upstreams"]);
    const listening = await startPatiently(engine, log);
    try {
      for (const [index, { name, bind }] of listeners.entries())
        proxies.noteAddress(name, listening[index] ?? bind);
      for (const listener of listeners)
        for (const [fault, enabled] of memory.switchedOf(listener))
          await proxies.setHttpFault(listener.name, fault, enabled);
      await openProxies(assembly, memory);
      await upstreams.start();
    } catch (error) {
      await end(engine, error as Error);
      throw error;
    }
    return listening;
  } catch (error) {
    for (const part of [upstreams, plugins, traffic]) part.stop();
    await leaveCaches(assembly);
    throw error;
  }
}

async function openProxies({ spec, proxies, log }: Assembly, memory: ProxyMemory): Promise<void> {
  for (const { init, isShared, isOfFile } of memory.openings(spec.snapshot ?? NOTHING_STEERED)) {
    const opened = proxies.create(init, isShared);
    if (isOfFile) await opened;
    else await opened.catch((error: Error) => log.warn({ proxy: init.name, cause: error.message }, LOST));
  }
}

const LOST = "A proxy that was made while another process ran can't be had here";

/** Keeps the groups of servers of a configuration for the threads of `engine`. */
function keepUpstreams(spec: RunSpec, shared: SharedMemory, engine: Engine, log: Logger): KeptUpstreams {
  const upstreams = new KeptUpstreams(routedSnapshot(spec)?.upstreams ?? [], {
    memoryOf: (upstream) => openGroupMemory(upstream, shared),
    clock: idleAlarms,
    seed: spec.seed,
    onServers: (change) => {
      orderAll(engine, { do: "setServers", ...change }).catch((error: Error) =>
        log.error({ upstream: change.upstream, cause: error.message }, "A thread can't use these servers"),
      );
    },
  });
  logUpstreams(upstreams, log);
  return upstreams;
}

/** Has all threads use what listeners' files hold, whenever that changes. */
function tellMaterial(tls: TlsKeepers, engine: Engine, log: Logger): void {
  tls.onMaterial = (owner, material) => {
    // Health checks are made here, whoever asked for the files to be watched.
    renewPeerTls(owner, material);
    orderAll(engine, { do: "setTls", owner, material }).catch((error: Error) =>
      log.error({ listener: owner, cause: error.message }, "A thread can't use these certificates"),
    );
  };
}

async function orderAll(engine: Engine, order: Order): Promise<void> {
  await Promise.all([engine.orderFirst(order), engine.orderOthers(order)]);
}

/** HTTP listeners of a configuration open themselves; their faults are steered all the same. */
function listenersOf({ snapshot, program }: RunSpec): readonly ListenerSettings[] {
  return snapshot === null || program !== null ? [] : snapshot.listeners;
}

/** Milliseconds after which a start is slow. */
const SLOW_START = 5_000;

/** A program or a service that never gets ready would keep everybody waiting without a word. */
async function startPatiently(engine: Engine, log: Logger): Promise<readonly string[]> {
  const patience = setTimeout(() => {
    log.warn("Not everything has started yet: a program or one of its services takes its time");
  }, SLOW_START);
  patience.unref();
  try {
    return await engine.start();
  } finally {
    clearTimeout(patience);
  }
}
