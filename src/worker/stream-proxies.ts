import { threadAlarms } from "../base/alarms.ts";
import { within } from "../base/within.ts";
import { Faults } from "../chaos/faults.ts";
import { ALLOW, type Mode } from "../chaos/mode.ts";
import { applyMode } from "../chaos/modes.ts";
import type { ToxicRegistry } from "../chaos/registry.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { TlsSource } from "../net/tls/listener-settings.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import {
  isAsBefore,
  isInPlace,
  type OpenProxy,
  StreamOpener,
  type StreamOpenerOptions,
} from "./open-proxy.ts";
import type { ProxyAddress, ProxyOrder, StandingProxies } from "./orders.ts";
import { type ProxyTraffic, ProxyTrafficLedger } from "./proxy-traffic.ts";

/** What a thread does with the settings of its proxies. */
export interface ProxiesSuccession {
  readonly addresses: readonly ProxyAddress[];
  /**
   * At once, but that UDP sockets take a moment to be bound; kept when all are. Proxies that aren't there any more take
   * nothing new.
   * @param grace milliseconds that their connections get
   */
  commit(grace: number): Promise<void>;
  abandon(): void;
}

export interface StreamProxiesOptions extends StreamOpenerOptions {
  readonly seed: string;
  /** True in the thread that is told first what to open. */
  readonly isFirst: boolean;
}

/**
 * The TCP and UDP proxies of one thread, which come and go while it runs, and the faults of all its proxies and
 * listeners.
 */
export class StreamProxies {
  readonly #options: StreamProxiesOptions;
  readonly #registry: ToxicRegistry = createRegistry();
  readonly #opener: StreamOpener;
  readonly #open = new Map<string, OpenProxy>();
  /** Proxies that aren't there any more, as long as their connections last. */
  readonly #leaving = new Set<OpenProxy>();
  readonly #faults = new Map<string, Faults>();
  readonly #modes = new Map<string, Mode>();
  readonly #ledger = new ProxyTrafficLedger();
  /** What is being opened or closed, by name: to be opened takes a while, and what is ordered next may come meanwhile. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: StreamProxiesOptions) {
    this.#options = options;
    this.#opener = new StreamOpener(options, this.#ledger);
  }

  /** What they have moved on connections that are over. */
  get traffic(): ProxyTraffic[] {
    return this.#ledger.entries;
  }

  /** Where proxies listen, by name. */
  get addresses(): ProxyAddress[] {
    return [...this.#open].map(([name, { address }]) => [name, address]);
  }

  /**
   * Gets ready to have just these proxies. One whose settings are the same isn't touched; one whose address is the same goes on
   * listening, with other settings for connections that begin from then on. Faults are set up only where there were none.
   * Rejects when one of them can't be had; then all is as it was.
   */
  async succeed(standing: StandingProxies, { tls, isFirst }: Way): Promise<ProxiesSuccession> {
    const changes: ProxyChange[] = [];
    const begun = this.#setUpAll(standing);
    const abandon = (): void => {
      for (const { proxy } of changes) proxy.abandon();
      for (const name of begun) this.#forgetFaults(name);
    };
    try {
      for (const settings of standing.proxies) {
        const known = this.#open.get(settings.name) ?? null;
        if (known !== null && isAsBefore(known, settings)) continue;
        const before = known !== null && isInPlace(known, settings) ? known : null;
        const faults = this.faultsOf(settings.name);
        const proxy = await this.#opener.create(settings, { faults, tls, before, isFirst });
        changes.push({ proxy, leaving: before === null ? known : null });
      }
    } catch (error) {
      abandon();
      throw error;
    }
    const addresses = changes.map(({ proxy }): ProxyAddress => [proxy.settings.name, proxy.address]);
    return { addresses, commit: (grace) => this.#commit(standing, changes, grace), abandon };
  }

  /** @returns the names of which nothing was known */
  #setUpAll({ proxies, listeners }: StandingProxies): string[] {
    const begun = [...proxies, ...listeners].filter(({ name }) => !this.#modes.has(name));
    for (const { name, toxics, mode } of begun) this.#setUp(name, toxics, mode);
    return begun.map(({ name }) => name);
  }

  async #commit(
    { proxies, listeners }: StandingProxies,
    changes: readonly ProxyChange[],
    grace: number,
  ): Promise<void> {
    const names = new Set([...proxies, ...listeners].map(({ name }) => name));
    const staying = new Set(proxies.map(({ name }) => name));
    for (const proxy of [...this.#open.values()])
      if (!staying.has(proxy.settings.name)) this.#leave(proxy, grace);
    const opening = changes.map(({ proxy, leaving }) => {
      if (leaving !== null) this.#leave(leaving, grace);
      this.#open.set(proxy.settings.name, proxy);
      return proxy.open();
    });
    for (const name of [...this.#modes.keys()]) if (!names.has(name)) this.#forgetFaults(name);
    await Promise.all(opening);
  }

  #setUp(name: string, toxics: readonly ToxicSettings[], mode: Mode): void {
    const faults = this.faultsOf(name);
    for (const toxic of toxics) faults.add(toxic);
    this.#setMode(name, mode);
  }

  /** Takes nothing new; its connections may end by themselves for `grace` milliseconds. */
  #leave(proxy: OpenProxy, grace: number): void {
    this.#open.delete(proxy.settings.name);
    this.#leaving.add(proxy);
    proxy.stop();
    void within(grace, proxy.drain()).then(() => {
      proxy.destroy();
      this.#leaving.delete(proxy);
    });
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
      seed,
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
        return await this.#inTurn(order.settings.name, () =>
          this.#openProxy(order.settings, order.isShared === true),
        );
      case "close":
        await this.#inTurn(order.proxy, () => this.#closeProxy(order.proxy));
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
        this.#open.get(order.proxy)?.cut(order.connection ?? undefined);
        return null;
      case "connections":
        return this.#open.get(order.proxy)?.connections() ?? [];
      case "traffic":
        return this.traffic;
    }
  }

  #setMode(name: string, mode: Mode): void {
    applyMode(this.faultsOf(name), this.#modes.get(name) ?? ALLOW, mode);
    this.#modes.set(name, mode);
    if (mode.kind === "deny" && mode.cut) this.#open.get(name)?.cut();
  }

  async #openProxy(settings: StreamProxySettings, isShared: boolean): Promise<string> {
    const { name, toxics, mode } = settings;
    this.#setUp(name, toxics, mode);
    try {
      const { context } = this.#options;
      const isFirst = this.#options.isFirst && !isShared;
      const opening = { faults: this.faultsOf(name), tls: context.tls, before: null, isFirst };
      const proxy = await this.#opener.create(settings, opening);
      this.#open.set(name, proxy);
      await proxy.open();
      return proxy.address;
    } catch (error) {
      this.#forget(name);
      throw error;
    }
  }

  #inTurn<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    const settled = turn
      .catch(() => undefined)
      .then(() => void (this.#turns.get(name) === settled && this.#turns.delete(name)));
    this.#turns.set(name, settled);
    return turn;
  }

  #closeProxy(name: string): void {
    const proxy = this.#open.get(name);
    proxy?.stop();
    proxy?.destroy();
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#open.delete(name);
    this.#forgetFaults(name);
  }

  #forgetFaults(name: string): void {
    this.#faults.delete(name);
    this.#modes.delete(name);
  }

  get #all(): OpenProxy[] {
    return [...this.#open.values(), ...this.#leaving];
  }

  /** Others are about to listen on the same addresses. */
  async keepSessions(): Promise<void> {
    await Promise.all(this.#all.map((proxy) => proxy.keepSessions()));
  }

  /** Takes nothing new, because others do, and has what is open end by itself, however long that takes. */
  async retire(): Promise<void> {
    for (const proxy of this.#all) proxy.stop();
    await Promise.all(this.#all.map((proxy) => proxy.retire()));
    for (const proxy of this.#all) proxy.destroy();
  }

  /** Takes nothing new, lets what is open end by itself for at most `grace` milliseconds, and cuts the rest. */
  async drain(grace: number): Promise<void> {
    for (const proxy of this.#all) proxy.stop();
    await within(grace, Promise.all(this.#all.map((proxy) => proxy.drain())));
    for (const proxy of this.#all) proxy.destroy();
    this.#open.clear();
  }
}

/** A proxy that is to run. */
interface ProxyChange {
  readonly proxy: OpenProxy;
  /** The one of its name that listens somewhere else; null: there is none. */
  readonly leaving: OpenProxy | null;
}

/** How proxies are got ready. */
interface Way {
  /** Where they get their TLS from. */
  readonly tls: TlsSource;
  /** True in the thread that finds out whether addresses can be had. */
  readonly isFirst: boolean;
}
