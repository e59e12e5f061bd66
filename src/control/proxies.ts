import { within } from "../base/within.ts";
import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import { attributeProblem, completeAttributes, type ToxicRegistry } from "../chaos/registry.ts";
import type { ToxicSettings, ToxicType } from "../chaos/toxic.ts";
import type { HttpFaultState } from "../filters/faults/http-faults.ts";
import {
  type ConnectionState,
  STREAM_DEFAULTS,
  type StreamEvent,
  type StreamProxySettings,
} from "../proxy/stream-proxy.ts";
import type { Order, StandingProxies } from "../worker/orders.ts";
import { type ProxyTraffic, sumProxyTraffic } from "../worker/proxy-traffic.ts";
import { inTime, isBusy } from "./patiently.ts";
import { OrderError, type Planes } from "./planes.ts";
import { currentSettings, NEW_ENTRY, type ProxyEntry, toStanding, toState } from "./proxy-entry.ts";
import type { ProxyTrafficSource } from "./proxy-traffic-source.ts";
import {
  type ProxyChange,
  type ProxyInit,
  type ProxyState,
  type Steering,
  SteeringError,
  type SteeringProblem,
} from "./steering.ts";

/** Milliseconds that an order is waited for. */
const PATIENCE = 25;

/** An order on its way. */
interface Given {
  readonly proxy: string;
  readonly done: Promise<unknown>;
}

/** All that is known of proxies, for whoever changes them all at once. */
export interface ProxyBook {
  readonly entries: ReadonlyMap<string, ProxyEntry>;
  /** These are the proxies from now on; threads know. */
  replaceBy(entries: ReadonlyMap<string, ProxyEntry>): void;
  /** With all of its attributes. @throws SteeringError */
  check(toxic: ToxicSettings): ToxicSettings;
  order(order: Order): Promise<unknown>;
}

/**
 * Steers the proxies in all threads: keeps what they should be, and tells the threads. Orders are given one after the
 * other, so that every thread gets them in the same order.
 */
export class Proxies implements Steering, ProxyTrafficSource {
  readonly #planes: Planes;
  readonly #registry: ToxicRegistry;
  #entries = new Map<string, ProxyEntry>();
  readonly #listeners = new Set<(event: StreamEvent) => void>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(planes: Planes, registry: ToxicRegistry) {
    this.#planes = planes;
    this.#registry = registry;
    planes.onEvents = (events) => {
      for (const event of events) for (const listener of this.#listeners) listener(event);
    };
  }

  /** What a thread that starts now has to begin with. */
  get standing(): StandingProxies {
    return { ...toStanding(this.#entries.values()), watched: this.#listeners.size > 0 };
  }

  /** Takes up a listener that the data plane opens by itself, before the threads start. */
  adopt(name: string, listen: string, toxics: readonly ToxicSettings[], mode: Mode): void {
    const checked = toxics.map((toxic) => this.#checked(toxic));
    this.#entries.set(name, { ...NEW_ENTRY, name, boundElsewhere: listen, toxics: checked, mode });
  }

  /** Where a listener that was taken up listens. */
  noteAddress(name: string, address: string): void {
    this.#entryOf(name).boundElsewhere = address;
  }

  // ── proxies ────────────────────────────────────────────────────────────────────────────────────────────────────

  list(): ProxyState[] {
    return [...this.#entries.values()].map(toState);
  }

  get(name: string): ProxyState {
    return toState(this.#entryOf(name));
  }

  /** @param isShared another process has its address, too, and shares it */
  create(init: ProxyInit, isShared: boolean = false): Promise<ProxyState> {
    return this.#inTurn(async () => {
      const { name, enabled = true, ...rest } = init;
      if (this.#entries.has(name))
        throw new SteeringError("PROXY_EXISTS", `There is a proxy ${name} already`);
      const settings: StreamProxySettings = { ...STREAM_DEFAULTS[init.protocol ?? "tcp"], ...rest, name };
      const toxics = settings.toxics.map((toxic) => this.#checked(toxic));
      checkNames(toxics);
      const entry: ProxyEntry = { ...NEW_ENTRY, name, settings, toxics, mode: settings.mode };
      if (enabled) await this.#open(entry, isShared);
      this.#entries.set(name, entry);
      return toState(entry);
    });
  }

  update(name: string, change: ProxyChange): Promise<ProxyState> {
    return this.#inTurn(async () => {
      const entry = this.#entryOf(name);
      const settings = this.#streamOf(entry);
      const { listen = settings.listen, upstreams = settings.upstreams } = change;
      const wasEnabled = entry.address !== null;
      const enabled = change.enabled ?? wasEnabled;
      const isMoved = listen !== settings.listen || upstreams.join() !== settings.upstreams.join();
      if (wasEnabled && (isMoved || !enabled)) await this.#close(entry);
      entry.settings = { ...settings, listen, upstreams };
      if (!enabled || entry.address !== null) return toState(entry);
      await this.#reopen(entry, settings, wasEnabled);
      return toState(entry);
    });
  }

  /** Where it listened before it listens again when it can't where it should. */
  async #reopen(entry: ProxyEntry, before: StreamProxySettings, wasEnabled: boolean): Promise<void> {
    try {
      await this.#open(entry);
    } catch (error) {
      entry.settings = before;
      if (wasEnabled) await this.#open(entry);
      throw error;
    }
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const entry = this.#entryOf(name);
      this.#streamOf(entry);
      if (entry.address !== null) await this.#close(entry);
      this.#entries.delete(name);
    });
  }

  /** The first thread binds, so that a port that the kernel chooses is the same for all. */
  async #open(entry: ProxyEntry, isShared: boolean = false): Promise<void> {
    const settings = currentSettings(entry);
    let address: string;
    try {
      address = (await inTime(this.#planes.orderFirst({ do: "open", settings, isShared }))) as string;
      await inTime(this.#planes.orderOthers({ do: "open", settings: { ...settings, listen: address } }));
    } catch (error) {
      await this.#closeEverywhere(entry.name);
      throw cannotListen(error);
    }
    entry.address = address;
    // From now on it listens there, whenever it is enabled: a port that was chosen once is kept.
    entry.settings = { ...entry.settings!, listen: address };
  }

  async #close(entry: ProxyEntry): Promise<void> {
    await this.#closeEverywhere(entry.name);
    entry.address = null;
  }

  /** A thread that doesn't answer closes it when it can again, even if it was about to open it only then. */
  async #closeEverywhere(name: string): Promise<void> {
    const closed = this.#order({ do: "close", proxy: name });
    try {
      await inTime(closed);
    } catch (error) {
      if (!isBusy(error)) throw error;
      void this.#releaseAfter(closed, name);
    }
    await this.#planes.release(name);
  }

  /** What it was bound to once more meanwhile, unless it is open again. */
  async #releaseAfter(closed: Promise<unknown>, name: string): Promise<void> {
    await closed.catch(() => undefined);
    if ((this.#entries.get(name)?.address ?? null) === null) await this.#planes.release(name);
  }

  // ── faults ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async addToxic(proxy: string, toxic: ToxicSettings): Promise<ToxicSettings> {
    const { entry, checked, given } = await this.#inTurn(async () => {
      const entry = this.#entryOf(proxy);
      const checked = this.#checked(toxic);
      checkNames([...entry.toxics, checked]);
      const given = this.#give(entry, { do: "addToxic", proxy, toxic: checked });
      entry.toxics = [...entry.toxics, checked];
      return { entry, checked, given };
    });
    await this.#settled(given, () => {
      entry.toxics = entry.toxics.filter((other) => other !== checked);
    });
    return checked;
  }

  async updateToxic(proxy: string, toxic: string, change: ToxicChange): Promise<ToxicSettings> {
    const { entry, before, after, given } = await this.#inTurn(async () => {
      const entry = this.#entryOf(proxy);
      const before = toxicOf(entry, toxic);
      const after = this.#checked({
        ...before,
        toxicity: change.toxicity ?? before.toxicity,
        attributes: { ...before.attributes, ...change.attributes },
      });
      const given = this.#give(entry, { do: "updateToxic", proxy, toxic, change: after });
      entry.toxics = entry.toxics.map((other) => (other === before ? after : other));
      return { entry, before, after, given };
    });
    await this.#settled(given, () => {
      entry.toxics = entry.toxics.map((other) => (other === after ? before : other));
    });
    return after;
  }

  async removeToxic(proxy: string, toxic: string): Promise<void> {
    const given = await this.#inTurn(async () => {
      const entry = this.#entryOf(proxy);
      const known = toxicOf(entry, toxic);
      entry.toxics = entry.toxics.filter((other) => other !== known);
      return this.#give(entry, { do: "removeToxic", proxy, toxic });
    });
    await this.#settled(given, () => undefined);
  }

  async setMode(proxy: string, mode: Mode): Promise<void> {
    const { entry, before, given } = await this.#inTurn(async () => {
      const entry = this.#entryOf(proxy);
      const before = entry.mode;
      const given = this.#give(entry, { do: "setMode", proxy, mode });
      // To cut is a deed and not a state: a thread that starts later has nothing to cut.
      entry.mode = mode.kind === "deny" ? { ...mode, cut: false } : mode;
      return { entry, before, given };
    });
    await this.#settled(given, () => {
      entry.mode = before;
    });
  }

  async cut(proxy: string, connection?: string): Promise<void> {
    const given = await this.#inTurn(async () =>
      this.#give(this.#entryOf(proxy), { do: "cut", proxy, connection: connection ?? null }),
    );
    await this.#settled(given, () => undefined);
  }

  async connections(proxy: string): Promise<ConnectionState[]> {
    this.#entryOf(proxy);
    const answers = (await this.#answers({ do: "connections", proxy })) as ConnectionState[][];
    return answers.flat();
  }

  /** Who asks waits out of turn: a thread that never answers mustn't keep others from giving orders, and from reloads. */
  async traffic(): Promise<ProxyTraffic[]> {
    const asked = await this.#inTurn(async () => ({ answers: this.#answers({ do: "traffic" }) }));
    const answers = (await asked.answers) as ProxyTraffic[][];
    return sumProxyTraffic(answers.flat());
  }

  async httpFaults(listener: string): Promise<HttpFaultState[]> {
    const asked = await this.#inTurn(async () => ({ faults: this.#httpFaultsOf(listener) }));
    return await asked.faults;
  }

  setHttpFault(listener: string, fault: string, enabled: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const entry = this.#entryOf(listener);
      const known = await this.#httpFaultsOf(listener);
      if (!known.some(({ name }) => name === fault))
        throw new SteeringError("FAULT_NOT_FOUND", `${listener} has no fault ${fault} on its routes`);
      await this.#answers({ do: "setHttpFault", listener, fault, enabled });
      entry.switched = [...entry.switched.filter(([name]) => name !== fault), [fault, enabled]];
    });
  }

  async #httpFaultsOf(listener: string): Promise<HttpFaultState[]> {
    this.#entryOf(listener);
    const [first = [], ...others] = (await this.#answers({
      do: "httpFaults",
      listener,
    })) as HttpFaultState[][];
    return first.map((fault, i) => {
      const hits = others.reduce((sum, faults) => sum + (faults[i]?.hits ?? 0), fault.hits);
      return { ...fault, hits };
    });
  }

  onEvent(listener: (event: StreamEvent) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#watch(true);
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#watch(false);
    };
  }

  #watch(on: boolean): void {
    // A thread that is gone by then is told when it starts anew.
    void this.#inTurn(async () => void this.#order({ do: "watch", on }).catch(() => undefined));
  }

  /** Does something to all of them, while orders of others wait. */
  exclusively<T>(work: (book: ProxyBook) => Promise<T>): Promise<T> {
    return this.#inTurn(() => {
      return work({
        entries: this.#entries,
        replaceBy: (entries) => {
          this.#entries = new Map(entries);
        },
        check: (toxic) => this.#checked(toxic),
        order: (order) => this.#answers(order),
      });
    });
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────────────────────────────

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** A proxy that is disabled runs nowhere: what is ordered is told when it is enabled. */
  #give(entry: ProxyEntry, order: Order): Given {
    const runs = entry.address !== null || entry.settings === null;
    return { proxy: entry.name, done: runs ? this.#order(order) : Promise.resolve() };
  }

  /**
   * Waits for the threads, but not for long: threads do what they are told in order, and one that has more to do than it
   * can must not keep everybody else from giving orders. `undo` is called when it couldn't be done.
   */
  async #settled({ proxy, done }: Given, undo: () => void): Promise<void> {
    let isLate = false;
    const outcome = done.catch((error: unknown) => {
      undo();
      if (!isLate) throw error;
      this.#tellFailure(proxy, error);
    });
    try {
      await within(PATIENCE, outcome);
    } finally {
      isLate = true;
    }
  }

  /** Nobody waits any more for an order that failed: whoever listens is told. */
  #tellFailure(proxy: string, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const event = {
      kind: "toxic-failed",
      proxy,
      time: Date.now(),
      connection: "",
      client: "",
      detail,
    } as const;
    for (const listener of this.#listeners) listener(event);
  }

  async #order(order: Order): Promise<unknown[]> {
    const [first, others] = await Promise.all([
      this.#planes.orderFirst(order),
      this.#planes.orderOthers(order),
    ]);
    return [first, ...others].filter((answer) => answer !== undefined);
  }

  /** The same, for those who wait. Rejects when a thread takes too long, which does it all the same when it can again. */
  async #answers(order: Order): Promise<unknown[]> {
    try {
      return await inTime(this.#order(order));
    } catch (error) {
      throw isBusy(error) ? new SteeringError("BUSY", error.message, { cause: error }) : error;
    }
  }

  #entryOf(name: string): ProxyEntry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new SteeringError("PROXY_NOT_FOUND", `There is no proxy ${name}`);
    return entry;
  }

  #streamOf({ name, settings }: ProxyEntry): StreamProxySettings {
    if (settings !== null) return settings;
    throw new SteeringError(
      "NOT_CHANGEABLE",
      `${name} is a listener of the configuration, which alone can change it`,
    );
  }

  #checked(toxic: ToxicSettings): ToxicSettings {
    const type = this.#typeOf(toxic.type);
    const attributes = completeAttributes(type, toxic.attributes);
    for (const [name, spec] of Object.entries(type.attributes)) {
      const problem = attributeProblem(spec, attributes[name]!);
      if (problem !== null) throw new SteeringError("INVALID", `${name} of ${toxic.type}: ${problem}`);
    }
    return { ...toxic, attributes };
  }

  #typeOf(name: string): ToxicType {
    const type = this.#registry.get(name);
    if (type !== undefined) return type;
    throw new SteeringError(
      "TOXIC_TYPE_UNKNOWN",
      `There is no toxic type ${name}; there are ${this.#registry.names.join(", ")}`,
    );
  }
}

function toxicOf(entry: ProxyEntry, name: string): ToxicSettings {
  const toxic = entry.toxics.find((other) => other.name === name);
  if (toxic === undefined) throw new SteeringError("TOXIC_NOT_FOUND", `${entry.name} has no toxic ${name}`);
  return toxic;
}

function checkNames(toxics: readonly ToxicSettings[]): void {
  const names = new Set<string>();
  for (const { name } of toxics) {
    if (names.has(name)) throw new SteeringError("TOXIC_EXISTS", `There is a toxic ${name} already`);
    names.add(name);
  }
}

function cannotListen(error: unknown): SteeringError {
  const message = error instanceof Error ? error.message : String(error);
  const isInvalid = error instanceof OrderError && error.code === "";
  const code: SteeringProblem = isBusy(error) ? "BUSY" : isInvalid ? "INVALID" : "CANNOT_LISTEN";
  return new SteeringError(code, message, { cause: error });
}
