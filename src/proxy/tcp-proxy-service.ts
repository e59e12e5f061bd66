import type { Socket } from "node:net";
import { Counter } from "../base/counters.ts";
import { TrafficCount } from "../base/traffic/traffic-row.ts";
import type { Service, ServiceContext } from "./service.ts";
import type { ConnectionState, StreamProxySettings } from "./stream-proxy.ts";
import { TcpHandshakes } from "./tcp-handshakes.ts";
import { type StreamServiceOptions, TcpRelays } from "./tcp-relays.ts";
import { UpstreamRotation } from "./upstream-rotation.ts";

/** Relays TCP connections, and those of Unix sockets, to servers: one thread's part of a proxy. */
export class TcpProxyService implements Service {
  readonly name: string;
  readonly listen: readonly string[];
  readonly pausesAccepted = true;
  readonly #settings: StreamProxySettings;
  readonly #relays: TcpRelays;
  /** Null without TLS. */
  readonly #handshakes: TcpHandshakes | null;
  /** Null when there are none but those of names that are passed on. */
  #upstreams: UpstreamRotation | null;
  #context: ServiceContext | null = null;
  #draining = false;
  /** How many connections are open with earlier settings; null: there are none. */
  #besides: (() => number) | null = null;

  /** @throws RangeError when an upstream's address can't be read; TypeError when there is none */
  constructor(settings: StreamProxySettings, options: StreamServiceOptions) {
    this.name = settings.name;
    this.listen = [settings.listen];
    this.#settings = settings;
    this.#relays = new TcpRelays(settings, options);
    const { tls, upstreams, connectTimeout, upstreamTls } = settings;
    const needsNone = tls !== null && tls.certificates.length === 0 && upstreams.length === 0;
    this.#upstreams = needsNone ? null : new UpstreamRotation(upstreams, connectTimeout, upstreamTls);
    this.#handshakes =
      tls === null ? null : new TcpHandshakes({ ...settings, tls }, this.#relays, () => this.#upstreams);
  }

  /** Rejects with a `CertificateError` when a file can't be used. */
  async start(context: ServiceContext): Promise<void> {
    this.#context = context;
    this.#relays.start(context);
    await this.#handshakes?.start(context);
  }

  /**
   * Connections that come here from now on are told apart from those of the other, on the same address.
   * @param besides how many are open with earlier settings, which count too
   */
  continue(before: TcpProxyService, besides: () => number): void {
    this.#relays.continue(before.#relays);
    this.#besides = besides;
  }

  /** Where connections lead that come from now on. @throws as the constructor does */
  setUpstreams(addresses: readonly string[]): void {
    const { connectTimeout, upstreamTls } = this.#settings;
    this.#upstreams = new UpstreamRotation(addresses, connectTimeout, upstreamTls);
  }

  accept(socket: Socket, _listener: string): void {
    const { counters, signal } = this.#context!;
    const { maxConnections } = this.#settings;
    const relays = this.#relays;
    counters.add(Counter.connectionsAccepted);
    this.#relays.meter?.row.add(TrafficCount.connections);
    if (this.#draining || signal.aborted) relays.refuse(socket, "shutting down", false);
    else if (maxConnections > 0 && this.size + (this.#besides?.() ?? 0) >= maxConnections)
      relays.refuse(socket, `connection limit of ${maxConnections} reached`, false);
    else {
      const admission = relays.faults?.admit();
      if (admission?.refuse === true) relays.refuse(socket, "denied", true);
      else this.#open(socket, admission?.delay ?? 0);
    }
  }

  /** Connections that are open. */
  get size(): number {
    return this.#relays.size + (this.#handshakes?.size ?? 0);
  }

  #open(socket: Socket, delay: number): void {
    if (this.#handshakes !== null) {
      this.#handshakes.accept(socket, delay);
      return;
    }
    const readsHeader = this.#settings.acceptProxyProtocol;
    const nothing = { proxied: null, early: null, serverName: null };
    this.#relays.open(socket, { ...nothing, servers: this.#upstreams!, delay, readsHeader });
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────────────────────

  connections(): ConnectionState[] {
    return [...(this.#handshakes?.connections() ?? []), ...this.#relays.connections()];
  }

  /** Ends connections with a reset on both sides: the one of this id, or all. */
  cut(id?: string): void {
    this.#handshakes?.cut(id);
    this.#relays.cut(id);
  }

  /** Waits for the open connections to end by themselves. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#handshakes?.drain();
    await this.#relays.drain();
  }

  destroy(): void {
    this.#draining = true;
    this.#handshakes?.destroy();
    this.#relays.destroy();
  }
}
