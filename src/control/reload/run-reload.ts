import type { Logger } from "pino";
import { describeThrown } from "../../base/errors.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import { changedModules } from "../../worker/loaded-modules.ts";
import { type RunSpec, routedSnapshot } from "../../worker/run-spec.ts";
import { allocateGroup, nextSharedMemory, type SharedMemory } from "../../worker/shared-memory.ts";
import type { CacheKeepers } from "../cache-keepers.ts";
import type { SharedCaches } from "../caches.ts";
import { findServers } from "../find-servers.ts";
import type { SharedLimits } from "../limits.ts";
import type { Engine, Prepared } from "../planes.ts";
import type { PluginKeepers, PluginStage } from "../plugins.ts";
import type { Proxies, ProxyBook } from "../proxies.ts";
import { isSwap } from "../swappable.ts";
import { checkTlsFiles } from "../tls-check.ts";
import type { TlsKeepers } from "../tls-keepers.ts";
import type { KeptUpstreams } from "../upstreams.ts";
import { type Change, diffSpecs } from "./diff.ts";
import { type PreparePart, ReadyParts } from "./part.ts";
import { NOTHING_STEERED, ProxiesChange, type SteeredPart } from "./proxies-change.ts";
import type { ReloadNote, ReloadPreview, RunReport } from "./report.ts";
import { tlsOwners, toBeChecked } from "./tls-owners.ts";
import { UpstreamsChange } from "./upstreams-change.ts";

/** What the main thread has for a data plane, and what lives on in it. */
export interface RunParts {
  readonly engine: Engine;
  readonly proxies: Proxies;
  readonly upstreams: KeptUpstreams;
  readonly limits: SharedLimits;
  readonly caches: SharedCaches;
  readonly cacheKeepers: CacheKeepers;
  readonly tls: TlsKeepers;
  readonly plugins: PluginKeepers;
  readonly log: Logger;
}

/** What is run. */
interface Run {
  readonly spec: RunSpec;
  readonly shared: SharedMemory;
  readonly threads: number;
}

/** Milliseconds that connections get whose listener is no more, where no configuration says something else. */
const DEFAULT_GRACE = 30_000;

/**
 * Has a running data plane run something else. All of it is got ready first; then it is exchanged at once, or nothing has
 * changed.
 *
 *     files of TLS ─▶ groups ─▶ tls ─▶ plugins ─▶ proxies ─▶ others ─▶ folders ─▶ threads      got ready
 *                                                                                    │
 *     folders ◀─ others ◀─ plugins ◀─ tls ◀─ groups ◀─ proxies, limits ◀─────────────┘         committed
 */
export class RunReload {
  /** What listeners listen on. */
  listening: readonly string[];
  readonly #parts: RunParts;
  #run: Run;
  #underWay: Promise<unknown> | null = null;
  /** Until when nothing is reloaded; null: nothing is in the way. */
  #pause: Promise<void> | null = null;
  #isClosed = false;

  constructor(parts: RunParts, run: Run, listening: readonly string[]) {
    this.#parts = parts;
    this.#run = run;
    this.listening = listening;
  }

  /** What is run now. */
  get spec(): RunSpec {
    return this.#run.spec;
  }

  /**
   * @param others what runs beside it, to be changed with it
   * Rejects with what is wrong: then nothing has changed. One at a time.
   */
  async reload(wanted: RunSpec, threads: number, others: readonly PreparePart[] = []): Promise<RunReport> {
    while (this.#pause !== null) await this.#pause;
    if (this.#isClosed) throw new Error("It is about to end: nothing else is run any more");
    const reload = this.#reload(wanted, threads, others);
    this.#underWay = reload.catch(() => undefined);
    return await reload;
  }

  /** What is under way is waited for, and no other begins until the function is called that is returned. One at a time. */
  async pause(): Promise<() => void> {
    const pause = Promise.withResolvers<void>();
    this.#pause = pause.promise;
    await this.#underWay;
    return () => {
      if (this.#pause === pause.promise) this.#pause = null;
      pause.resolve();
    };
  }

  /** Nothing else is to be run any more. Kept when what is under way is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#underWay;
  }

  async #reload(wanted: RunSpec, threads: number, others: readonly PreparePart[]): Promise<RunReport> {
    const began = performance.now();
    const before = this.#run;
    const { changes, spec } = comparedTo(before.spec, wanted);
    const [count, threadWarnings] = threadsFor(before, threads);
    await checkTls(before.spec.snapshot, spec.snapshot);
    const parts = new ReadyParts();
    try {
      const kind = await this.#exchange({ spec, threads: count, others, changes, parts });
      const took = performance.now() - began;
      const warnings = changes.filter(({ applied }) => applied === "restart").map(toWarning);
      return {
        ...{ kind, changes, notes: parts.notes, took },
        warnings: [...threadWarnings, ...warnings],
      };
    } catch (error) {
      await this.#settled(parts.abandon(), "Not all that was got ready could be given up");
      throw error;
    }
  }

  /** What `reload` would do. Rejects with what is wrong, as far as that can be told without doing it. */
  async preview(wanted: RunSpec, threads: number): Promise<ReloadPreview> {
    const { modules } = this.#parts.engine;
    const before = this.#run;
    const { changes, spec } = comparedTo(before.spec, wanted);
    const [count] = threadsFor(before, threads);
    await checkTls(before.spec.snapshot, spec.snapshot);
    const isSwapped = count === before.threads && (await isSwap(before.spec, spec, modules));
    const kind = !isSwapped ? "generation" : isAllForRestart(changes) ? "nothing" : "swap";
    const changed = await changedModules(modules);
    return { kind, changes, modules: changed.map(({ path }) => path) };
  }

  async #exchange(wanted: Wanted): Promise<RunReport["kind"]> {
    const { spec, threads, others, changes, parts } = wanted;
    const { engine, proxies, tls, plugins } = this.#parts;
    const before = this.#run;
    const isSame = isAllForRestart(changes) && threads === before.threads;
    if (isSame && (await isSwap(before.spec, spec, engine.modules))) {
      for (const prepare of others) await parts.add(prepare());
      await this.#commit(parts);
      return "nothing";
    }
    const groups = new UpstreamsChange(
      this.#parts.upstreams,
      routedSnapshot(spec)?.upstreams ?? [],
      (upstream) => allocateGroup(upstream, before.shared),
    );
    await parts.add({ commit: () => groups.commit(), abandon: () => groups.abandon() });
    await findServers(groups.find(), this.#parts.log);
    const owners = tlsOwners(spec);
    const stage = await tls.stage(owners);
    const gone = [...tlsOwners(before.spec).keys()].filter((owner) => !owners.has(owner));
    await parts.add({ commit: () => stage.commit(gone), abandon: () => stage.abandon() });
    const plugged = await parts.add(plugins.stage(spec.snapshot?.plugins ?? []));
    // While orders of others wait: what stands must not change any more.
    const kind = await proxies.exclusively((book) => this.#swap(wanted, groups, plugged, book));
    await this.#commit(parts);
    return kind;
  }

  async #commit(parts: ReadyParts): Promise<void> {
    await this.#settled(parts.commit());
    await this.#settled(this.#parts.tls.look());
    await this.#settled(this.#parts.plugins.look());
  }

  /** Has the threads change over, once the last that can go wrong has gone well. */
  async #swap(
    { spec, threads, others, parts }: Wanted,
    groups: UpstreamsChange,
    plugged: PluginStage,
    book: ProxyBook,
  ): Promise<Prepared["kind"]> {
    const { engine, proxies, limits, caches, cacheKeepers } = this.#parts;
    const before = this.#run;
    const steered = new ProxiesChange(book, steeredPart(before.spec), steeredPart(spec));
    for (const prepare of others) await parts.add(prepare());
    const stands = { ...proxies.standing, ...steered.standing };
    const standing = { ...stands, upstreams: groups.reserve(), plugins: plugged.standing };
    const memory = nextSharedMemory(before, spec, Math.max(threads, 1), groups.memories);
    const run = { spec, shared: memory.shared, threads };
    await parts.add(cacheKeepers.stage(routedSnapshot(spec)?.caches ?? [], memory.shared.caches));
    const grace = spec.snapshot?.gracePeriod ?? DEFAULT_GRACE;
    const prepared = await engine.prepare({ ...run, standing, grace });
    try {
      groups.inherit();
      memory.inheritSums();
    } catch (error) {
      await prepared.abandon();
      throw error;
    }
    await this.#settled(prepared.commit());
    this.#run = run;
    this.listening = prepared.addresses;
    limits.replaceBy(routedSnapshot(spec), memory.shared.limits);
    caches.replaceBy(spec, memory.shared);
    await this.#settled(steered.commit(prepared.addresses, prepared.proxies));
    parts.note(steered.notes);
    parts.note(anew("upstreams", groups.begunAnew));
    parts.note(anew("limits", memory.limitsBegunAnew));
    parts.note(anew("caches", memory.cachesBegunAnew));
    return prepared.kind;
  }

  /** It is too late for anything else: what can't be done any more is told. */
  async #settled(
    work: Promise<unknown>,
    failure: string = "Not all of a reload could be done",
  ): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#parts.log.error({ cause: describeThrown(error) }, failure);
    }
  }
}

/** What is to be run, and what is got ready for it. */
interface Wanted {
  readonly spec: RunSpec;
  readonly threads: number;
  readonly others: readonly PreparePart[];
  readonly changes: readonly Change[];
  readonly parts: ReadyParts;
}

/** What differs, and what can be run of it by a process that runs already. */
function comparedTo(before: RunSpec, wanted: RunSpec): { changes: Change[]; spec: RunSpec } {
  const named = { ...wanted, seed: wanted.snapshot?.chaos.seed ?? before.seed };
  return { changes: diffSpecs(before, named), spec: withLasting(before, named) };
}

function isAllForRestart(changes: readonly Change[]): boolean {
  return changes.every(({ applied }) => applied === "restart");
}

/** What a process is from its beginning on stays, and is told of each time that the file says something else. */
function withLasting(before: RunSpec, after: RunSpec): RunSpec {
  const { instance } = before;
  const { fips, keyLog, ...rest } = after;
  return {
    ...rest,
    ...{ instance, snapshot: withProcess(before.snapshot, after.snapshot) },
    ...(before.fips === undefined ? {} : { fips: before.fips }),
    ...(before.keyLog === undefined ? {} : { keyLog: before.keyLog }),
  };
}

function withProcess(before: Snapshot | null, after: Snapshot | null): Snapshot | null {
  if (before === null || after === null) return after;
  const { shutdownDelay, health } = after.process;
  return { ...after, stats: before.stats, process: { ...before.process, shutdownDelay, health } };
}

/** As many threads as there can be, and what is to be said about that. */
function threadsFor({ threads: before, shared }: Run, wanted: number): [number, ReloadNote[]] {
  // Beside those that run, as many others have to find a place.
  const most = Math.floor(shared.rows / 2);
  if ((wanted === 0) === (before === 0) && wanted <= most) return [wanted, []];
  return [before, [{ path: "threads", message: `needs a restart or an upgrade: ${before} → ${wanted}` }]];
}

async function checkTls(before: Snapshot | null, after: Snapshot | null): Promise<void> {
  if (after === null) return;
  const { problems } = await checkTlsFiles({
    listeners: toBeChecked(before?.listeners ?? [], after.listeners),
    proxies: toBeChecked(before?.proxies ?? [], after.proxies),
  });
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

/** HTTP listeners of a configuration are steered where its routes are run. */
function steeredPart(spec: RunSpec): SteeredPart {
  const { snapshot, program } = spec;
  if (snapshot === null) return NOTHING_STEERED;
  return { listeners: program === null ? snapshot.listeners : [], proxies: snapshot.proxies };
}

const BEGUN_ANEW = {
  upstreams: "what is under way to its servers is counted from here on: it needed other memory than before",
  limits: "it counts from the beginning: what was counted by its settings before says nothing about these",
  caches: "it begins anew in other memory than before; what is on disk stays",
} as const;

function anew(what: keyof typeof BEGUN_ANEW, names: readonly string[]): ReloadNote[] {
  return names.map((name) => ({ path: `${what}[${name}]`, message: BEGUN_ANEW[what] }));
}

function toWarning({ path, before, after }: Change): ReloadNote {
  const values = `${JSON.stringify(before)} → ${JSON.stringify(after)}`;
  return { path, message: `needs a restart or an upgrade: ${values}` };
}
